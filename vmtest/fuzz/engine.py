# SPDX-License-Identifier: MIT
"""The engine, which makes the calls, in a guest: started, listened to, its failures told."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmtest import build, leaks
from vmtest.build import Built
from vmtest.cache import Say, nobody_listens
from vmtest.errors import GuestError, VmtestError
from vmtest.guest import Process
from vmtest.images import TOP, Image
from vmtest.klog import Report, concerns, distinct
from vmtest.kmodule import KernelModule
from vmtest.vm import VM, take_reports

_SOURCE = TOP / "vmtest/fuzz/engine"
_PROGRAM = "/usr/bin/zosbd2_fuzz"
_SCRIPT = "/run/fuzz-script"
_MARK = re.compile(r"vmtest: fuzz program (\S+)")

#: What the engine waits before it calls something a hang, and a bit, in seconds.
_PATIENCE = 90.0


@dataclass(frozen=True)
class Failure:
    """Something that must not happen: its title, all that is known, the programs before it."""

    title: str
    text: str
    #: Names of programs, the one in which it was noticed last.
    programs: tuple[str, ...] = ()


@dataclass
class Outcome:
    """What a run of the engine came to."""

    #: Its first event: ``seed``, ``covered``.
    start: dict[str, Any] = field(default_factory=dict)
    #: Its newest event with numbers: ``calls``, ``programs``, ``seconds``; at the end all of them.
    numbers: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None

    @property
    def complete(self) -> bool:
        """Whether the engine lived to tell all."""
        return self.numbers.get("event") == "end"


def built_engine(image: Image, say: Say = nobody_listens) -> Built:
    """The engine, compiled in the image."""
    sources = [_SOURCE, TOP / "kmod/uapi"]
    return build.userspace(image, sources, str(_SOURCE.relative_to(TOP)), "/usr", say)


def script_of(engine: Built, seed: int, names: Sequence[str], slowness: int = 1) -> str:
    """The programs of a run, by their names. No guest is needed: the engine is static."""
    return _ask(engine, "print", str(seed), str(slowness), *names)


def expanded(engine: Built, script: str) -> str:
    """A script with the calls of each storm in its place."""
    with tempfile.NamedTemporaryFile("w", suffix=".fuzz") as file:
        file.write(script)
        file.flush()
        return _ask(engine, "expand", file.name)


def _ask(engine: Built, *arguments: str) -> str:
    program = engine.path / "root" / _PROGRAM.lstrip("/")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise VmtestError(f"{program.name} {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


class Engine:
    """The engine in the guest of ``vm``, with the module that ``module`` (a build) holds.

    Where ``slowness`` is above 1, programs have more calls and time: on a kernel on which their
    processes, devices and ends take seconds, most of the time is for calls then.
    """

    def __init__(self, vm: VM, engine: Built, module: Path, slowness: int = 1) -> None:
        self._vm = vm
        self._slowness = slowness
        self._module = KernelModule(vm.guest, module, "zosbd2")
        vm.guest.put({"usr": engine.path / "root/usr"}, "/", once=True)
        # It would look into each device, which takes far longer than all else that is done to it.
        vm.guest.run("udevadm", "control", "--exit", check=False)

    def run(
        self,
        seed: int,
        seconds: float,
        calls: int = 0,
        tell: Callable[[dict[str, Any]], None] = lambda _numbers: None,
    ) -> Outcome:
        """Make calls for so long, or so many; 0 is no limit. ``tell`` hears of the progress."""
        numbers = (seed, round(seconds), calls, self._slowness)
        arguments = ["run", *map(str, numbers), self._module.path]
        return self._listen(arguments, seconds, tell)

    def replay(self, script: str, times: int, seconds: float = 300.0) -> Outcome:
        """Run the programs of a script so often, or until one fails."""
        self._vm.guest.put({Path(_SCRIPT).name: script}, str(Path(_SCRIPT).parent))
        arguments = ["replay", _SCRIPT, str(times), str(self._slowness), self._module.path]
        return self._listen(arguments, seconds * self._slowness, lambda _numbers: None)

    def leaks(self) -> Failure | None:
        """What kmemleak reports, where the kernel has it."""
        if not leaks.can_be_found(self._vm.config.kernel):
            return None
        leaks.scan(self._vm.guest)
        self._vm.sync_log("leaks of the fuzzer")
        self._vm.console.settle()
        reports = _failing(self._vm)
        return _reported(reports, None) if reports else None

    def _listen(
        self, arguments: list[str], seconds: float, tell: Callable[[dict[str, Any]], None]
    ) -> Outcome:
        vm, outcome = self._vm, Outcome()
        since = vm.console.position
        take_reports(vm)
        deadline = time.monotonic() + seconds + _PATIENCE
        try:
            with vm.guest.start(_PROGRAM, *arguments) as process:
                reports = self._follow(process, outcome, tell, deadline)
                if vm.alive and process.ended and not reports:
                    vm.sync_log("end of the fuzzer")
                    vm.console.settle()
        except GuestError as error:
            outcome.failure = outcome.failure or Failure(
                f"the guest was lost: {type(error).__name__}", str(error)
            )
            reports = []
        reports += _failing(vm)
        if reports:
            outcome.failure = _reported(reports, outcome.failure)
        if outcome.failure is not None:
            marks = _MARK.findall(self._before(reports, vm.console.text(since)))
            outcome.failure = Failure(outcome.failure.title, outcome.failure.text, tuple(marks))
        return outcome

    def _follow(
        self,
        process: Process,
        outcome: Outcome,
        tell: Callable[[dict[str, Any]], None],
        deadline: float,
    ) -> list[Report]:
        """Hear events until the engine ends, or the kernel reports something."""
        read, reports = 0, list[Report]()
        while True:
            ended = process.ended
            lines = process.stdout.split("\n")[:-1]
            for line in lines[read:]:
                _hear(json.loads(line), outcome, tell)
            read = len(lines)
            reports += _failing(self._vm) if self._vm.alive else []
            if ended:
                if not outcome.complete and outcome.failure is None:
                    outcome.failure = Failure("the engine ended early", process.stderr)
                return reports
            if (reports and not outcome.complete) or not self._vm.alive:
                return reports
            if time.monotonic() > deadline:
                outcome.failure = outcome.failure or Failure("hang: the engine", "")
                return reports
            time.sleep(0.1)

    def _before(self, reports: Sequence[Report], log: str) -> str:
        """The log up to the first report."""
        if not reports:
            return log
        return log.partition(reports[0].lines[0])[0] or log


def _hear(event: dict[str, Any], outcome: Outcome, tell: Callable[[dict[str, Any]], None]) -> None:
    match event["event"]:
        case "start":
            outcome.start = event
        case "failure":
            outcome.failure = Failure(event["kind"], event["detail"], (event["program"],))
        case _:
            outcome.numbers = event
            tell(event)


def _failing(vm: VM) -> list[Report]:
    """What the kernel has reported since the last call, but for data races that are not ours."""
    return distinct(report for report in take_reports(vm) if concerns(report, ["zosbd2"]))


def _reported(reports: Sequence[Report], failure: Failure | None) -> Failure:
    texts = [report.text for report in reports]
    if failure is not None:
        texts.append(f"{failure.title}\n{failure.text}")
    return Failure(reports[0].title, "\n\n".join(texts))
