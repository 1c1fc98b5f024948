# SPDX-License-Identifier: MIT
"""Measures targets: one guest after the other, each from its power-on to its end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
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
    figures, sums = [], []
    for number, target in enumerate(targets, 1):
        who = f"{number} of {len(targets)}: {target.name}"
        say(f"{who}: booting")
        archive = equipment.initramfs(target, rows, workloads, effort).archive()
        with running(counting(cpu), equipment.kernel, archive) as machine:
            for event in events(machine, target.name):
                match event:
                    case {"event": "begin", "what": what}:
                        say(f"{who}: {what}")
                    case {"event": "row", "row": row, "instructions": count}:
                        figures.append(Figure(target.name, Row(**row), round(count, 1)))
                    case {"event": "workload", "name": name, "instructions": count}:
                        sums.append(Workload(target.name, name, count))
    return Result(equipment.image.release, cpu, figures, sums)


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
