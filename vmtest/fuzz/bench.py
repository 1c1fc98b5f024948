# SPDX-License-Identifier: MIT
"""Where scripts are tried: a VM with module and engine, and a fresh one after each failure."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from vmtest.build import Built
from vmtest.cache import Say, nobody_listens
from vmtest.fuzz.engine import Engine, Failure, Outcome, expanded
from vmtest.fuzz.minimise import GivenUp, Script, length, minimise, parse, render
from vmtest.vm import VM, VmConfig

#: How often a script is run before it is taken for one that does not fail.
TURNS = 20

#: The calls of a program that the engine reads: MAX_CALLS in its program.h.
READABLE = 2048


class Bench:
    """VMs of ``config``, one at a time; ``logs`` gets their consoles. A context manager.

    ``slowness`` is that of the `Engine`.
    """

    def __init__(
        self,
        config: VmConfig,
        module: Built,
        engine: Built,
        logs: Path,
        say: Say = nobody_listens,
        slowness: int = 1,
    ) -> None:
        self.say = say
        self.slowness = slowness
        #: The failure that was seen last.
        self.seen: Failure | None = None
        self.trials = 0
        self._config = config
        self._module = module
        #: The engine's build.
        self.built = engine
        self._logs = logs
        self._vm: VM | None = None
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.retire()

    @property
    def engine(self) -> Engine:
        """In a VM in which nothing has failed yet."""
        if self._engine is None:
            self._vm = VM(self._config, self._logs)
            self.say(f"booting {self._vm.name}")
            self._vm.start()
            self._engine = Engine(self._vm, self.built, self._module.path, self.slowness)
        return self._engine

    def retire(self) -> None:
        """End the VM; the next trial gets another."""
        if self._vm is not None:
            self._vm.stop()
        self._vm = self._engine = None

    def judge(self, outcome: Outcome) -> Outcome:
        """Retire the VM if something has failed in it."""
        if outcome.failure is not None:
            self.seen = outcome.failure
            self.retire()
        return outcome

    def fails(self, script: Script, turns: int = TURNS) -> bool:
        """Whether a script fails within so many turns."""
        self.trials += 1
        return self.judge(self.engine.replay(render(script), turns)).failure is not None

    def minimise(
        self, text: str, turns: int = TURNS, seconds: float = 600.0, enough: int = 0
    ) -> Script | None:
        """A short script that fails as ``text`` did; None if that did not happen again.

        After so many seconds, or when ``enough`` calls are left, the shortest that was found
        until then.
        """
        deadline = time.monotonic() + seconds

        def fails(script: Script) -> bool:
            if time.monotonic() > deadline:
                raise GivenUp
            failed = self.fails(script, turns)
            how = "fail" if failed else "do not fail"
            self.say(f"trial {self.trials}: {length(script)} calls {how}")
            return failed

        try:
            return minimise(parse(text), fails, self._expand, enough)
        except GivenUp:
            return None

    def _expand(self, script: Script) -> Script:
        whole = parse(expanded(self.built, render(script)))
        return script if max(map(len, whole)) > READABLE else whole
