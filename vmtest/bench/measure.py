# SPDX-License-Identifier: MIT
"""Measures targets: what one fio measures in a guest of its own, from its power-on to its end.

So a figure depends on what is measured, and not on what was measured before it. In one guest that
did all, QEMU 7.2 counted some figures in one of two ways, up to 1.6 % apart, from the sixth fio on.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from vmtest.bench.equipment import Equipment
from vmtest.bench.guest import fio
from vmtest.bench.machine import CPU, Machine, counting, running
from vmtest.bench.plan import Row
from vmtest.bench.result import Figure, Result, Workload
from vmtest.bench.targets import Target
from vmtest.cache import Say, nobody_listens
from vmtest.errors import VmtestError

# Real seconds for which a guest may say nothing. The longest that it does is to measure rows of the
# slowest target, which takes a minute where nothing else runs.
_PATIENCE = 1200.0

# Guests that run at a time, at most; each takes a core and a GiB.
_MOST_GUESTS = 8


class MeasuringFailed(VmtestError):
    """A target could not be measured; the message holds what the guest said of it."""


@dataclass(frozen=True)
class _Part:
    """What one guest measures: rows, or a workload."""

    target: Target
    rows: list[Row]
    workloads: list[str]

    @property
    def name(self) -> str:
        """For people."""
        what = [f"{self.rows[0].pattern} {self.rows[0].block_size >> 10}k"] if self.rows else []
        return ", ".join([self.target.name, *what, *self.workloads])


@dataclass
class _Outcome:
    """What a guest came to."""

    figures: list[Figure] = field(default_factory=list)
    sums: list[Workload] = field(default_factory=list)


def measure(
    equipment: Equipment,
    targets: Sequence[Target],
    rows: Sequence[Row],
    workloads: Sequence[str],
    say: Say = nobody_listens,
    cpu: str = CPU,
    effort: int = 1,
) -> Result:
    """Figures of all targets. As many guests run at a time as there are cores.

    ``say`` is told what is being done. ``effort`` times as many I/Os are done as usual.
    """
    parts = [part for target in targets for part in _parts(target, rows, workloads)]
    guests = _Guests(equipment, cpu, effort)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_GUESTS)) as executor:
        asked = [
            executor.submit(guests.ask, part, say, f"{number} of {len(parts)}: {part.name}")
            for number, part in enumerate(parts, 1)
        ]
        try:
            wait(asked, return_when=FIRST_EXCEPTION)
            _raise_first(asked)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            guests.end()
            raise
    outcomes = [future.result() for future in asked]
    return Result(
        equipment.image.release, cpu,
        [figure for outcome in outcomes for figure in outcome.figures],
        [one for outcome in outcomes for one in outcome.sums],
    )  # fmt: skip


def _parts(target: Target, rows: Sequence[Row], workloads: Sequence[str]) -> Iterator[_Part]:
    for group in fio.groups(rows):
        yield _Part(target, group, [])
    if target.keeps_data:
        for workload in workloads:
            yield _Part(target, [], [workload])


def _raise_first(futures: Sequence[Future[_Outcome]]) -> None:
    for future in futures:
        if future.done() and (error := future.exception()):
            raise error


class _Guests:
    """Runs guests, from several threads, until they are to end."""

    def __init__(self, equipment: Equipment, cpu: str, effort: int) -> None:
        self._equipment = equipment
        self._hardware = counting(cpu)
        self._effort = effort
        self._lock = threading.Lock()
        self._running: set[Machine] = set()
        self._over = False

    def ask(self, part: _Part, say: Say, who: str) -> _Outcome:
        """What a guest says of a part. MeasuringFailed, GuestError."""
        say(who)
        archive = self._equipment.initramfs(
            part.target, part.rows, part.workloads, self._effort
        ).archive()
        with running(self._hardware, self._equipment.kernel, archive) as machine:
            with self._lock:
                self._running.add(machine)
                if self._over:
                    machine.end()
            try:
                return _outcome(machine, part.target.name)
            finally:
                with self._lock:
                    self._running.discard(machine)

    def end(self) -> None:
        """End those that run, and those that come."""
        with self._lock:
            self._over = True
            for machine in self._running:
                machine.end()


def _outcome(machine: Machine, target: str) -> _Outcome:
    outcome = _Outcome()
    for event in events(machine, target):
        match event:
            case {"event": "row", "row": row, "instructions": count}:
                outcome.figures.append(Figure(target, Row(**row), round(count, 1)))
            case {"event": "workload", "name": name, "instructions": count}:
                outcome.sums.append(Workload(target, name, count))
    return outcome


def events(machine: Machine, target: str) -> Iterator[dict[str, Any]]:
    """What the guest says, up to its end. MeasuringFailed if that came too early."""
    for line in machine.lines(_PATIENCE):
        event: dict[str, Any] = json.loads(line)
        if event["event"] == "failure":
            raise MeasuringFailed(f"{target} could not be measured:\n{event['text']}")
        if event["event"] == "end":
            return
        yield event
    raise machine.failed(f"the guest ended before {target} was measured")
