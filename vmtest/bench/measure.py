# SPDX-License-Identifier: MIT
"""Measures targets, each in guests of its own, from their power-on to their end.

A guest's figures follow from what is in it, as far as QEMU keeps its word. It does not always: what
ublk costs with 128 KiB comes out in one of two ways, up to 1.6 % apart. So there are two guests at
a time, which take no longer than one where there are two cores, and figures count that two guests
agree on to the digit. That finds guests that differ by chance, not those that choose alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vmtest.bench.equipment import Equipment
from vmtest.bench.machine import CPU, Machine, counting, running
from vmtest.bench.plan import Row
from vmtest.bench.result import Figure, Result, Workload
from vmtest.bench.targets import Target
from vmtest.cache import Say, nobody_listens
from vmtest.errors import VmtestError

# Real seconds for which a guest may say nothing. The longest that it does is to measure rows of the
# slowest target, which takes a minute where nothing else runs.
_PATIENCE = 1200.0

# Guests that are asked at most, until two agree.
_MOST_GUESTS = 6


class MeasuringFailed(VmtestError):
    """A target could not be measured; the message holds what the guest said of it."""


def measure(
    equipment: Equipment,
    targets: Sequence[Target],
    rows: Sequence[Row],
    workloads: Sequence[str],
    say: Say = nobody_listens,
    cpu: str = CPU,
    effort: int = 1,
) -> Result:
    """Figures of all targets.

    ``say`` is told what is being done. ``effort`` times as many I/Os are done as usual.
    """
    figures, sums = list[Figure](), list[Workload]()
    for number, target in enumerate(targets, 1):
        archive = equipment.initramfs(target, rows, workloads, effort).archive()
        boot = partial(running, counting(cpu), equipment.kernel, archive)
        outcome = _agreed(boot, target.name, f"{number} of {len(targets)}: {target.name}", say)
        figures += outcome.figures
        sums += outcome.sums
    return Result(equipment.image.release, cpu, figures, sums)


@dataclass
class _Outcome:
    """What a guest came to."""

    figures: list[Figure] = field(default_factory=list)
    sums: list[Workload] = field(default_factory=list)


def _agreed(
    boot: Callable[[], AbstractContextManager[Machine]], target: str, who: str, say: Say
) -> _Outcome:
    """What two guests agree on. MeasuringFailed if no two do."""
    seen = list[_Outcome]()
    while len(seen) < _MOST_GUESTS:
        say(f"{who}: booting")
        with boot() as one, boot() as other:
            for machine in (one, other):
                outcome = _outcome(machine, target, who, say)
                if outcome in seen:
                    return outcome
                seen.append(outcome)
        say(f"{who}: two guests differ, so two more are asked")
    raise MeasuringFailed(f"{target} cost something else in each of {_MOST_GUESTS} guests")


def _outcome(machine: Machine, target: str, who: str, say: Say) -> _Outcome:
    outcome = _Outcome()
    for event in events(machine, target):
        match event:
            case {"event": "begin", "what": what}:
                say(f"{who}: {what}")
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
