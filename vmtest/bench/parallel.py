# SPDX-License-Identifier: MIT
"""Two targets in turn, on several CPUs: which does more I/Os in the same time.

This takes real time, which is never the same twice. But what disturbs a turn of the one most often
disturbs the next turn of the other too: so what counts is the ratio within each round of two turns,
and the median of these.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from vmtest.accel import Accelerator
from vmtest.bench import machine
from vmtest.bench.equipment import Equipment
from vmtest.bench.measure import events
from vmtest.bench.plan import Row
from vmtest.bench.targets import TARGETS, Target
from vmtest.cache import Say, nobody_listens
from vmtest.errors import SetupError

#: In percent, as fio has them unless told otherwise.
PERCENTILES = ("50", "99", "99.9")


@dataclass(frozen=True)
class Turn:
    """What a target did with a row, once."""

    target: str
    row: Row
    iops: float
    #: Of the times that I/Os took, in nanoseconds.
    percentiles: dict[str, int]
    switches_per_io: float


@dataclass(frozen=True)
class Spread:
    """The median of some values, the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Parallel:
    """All turns, in the order in which they were taken."""

    kernel: str
    accelerator: str
    cpus: int
    jobs: int
    queues: int
    #: Names of targets: the second's figures are divided by the first's.
    base: str
    other: str
    turns: list[Turn]

    def to_json(self) -> str:
        """The contents of ``build/bench-parallel.json``."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @property
    def rounds(self) -> int:
        """How often each target had its turn with a row."""
        return len(self._of(self.base, self.turns[0].row))

    def rows(self) -> list[Row]:
        """The rows, in order."""
        return list(dict.fromkeys(turn.row for turn in self.turns))

    def iops(self, target: str, row: Row) -> Spread:
        """I/Os per second."""
        return Spread.of([turn.iops for turn in self._of(target, row)])

    def ratio(self, row: Row) -> Spread:
        """Of I/Os per second, within each round."""
        rounds = zip(self._of(self.base, row), self._of(self.other, row), strict=True)
        return Spread.of([after.iops / before.iops for before, after in rounds])

    def percentile(self, target: str, row: Row, percent: str) -> float:
        """The median of the rounds' percentiles, in nanoseconds."""
        return statistics.median(turn.percentiles[percent] for turn in self._of(target, row))

    def switches(self, target: str, row: Row) -> float:
        """Context switches per I/O, of all that ran; the median of the rounds."""
        return statistics.median(turn.switches_per_io for turn in self._of(target, row))

    def _of(self, target: str, row: Row) -> list[Turn]:
        return [turn for turn in self.turns if (turn.target, turn.row) == (target, row)]


def with_queues(target: Target, queues: int) -> Target:
    """The target with so many queues. SetupError if it cannot have them."""
    if not target.queues:
        several = ", ".join(one.name for one in TARGETS if one.queues)
        raise SetupError(f"{target.name} has one queue", hint=f"there are more in {several}")
    option = target.queues.format(queues)
    if not target.server:
        return replace(target, parameters=(*target.parameters, option))
    # Options come before what is served.
    program, *rest = target.server
    return replace(target, server=(program, option, *rest))


def measure(
    equipment: Equipment,
    accelerator: Accelerator,
    targets: tuple[Target, Target],
    rows: Sequence[Row],
    *,
    rounds: int,
    jobs: int,
    queues: int,
    seconds: int,
    cpus: int = 2,
    say: Say = nobody_listens,
) -> Parallel:
    """Let both take turns of so many ``seconds`` with each row, for so many ``rounds``."""
    base, other = (with_queues(target, queues) for target in targets)
    made = equipment.contest([base, other], rows, rounds, jobs, seconds)
    hardware = machine.parallel(accelerator, cpus)
    say("booting")
    with machine.running(hardware, equipment.kernel, made.archive()) as guest:
        turns = list(_turns(guest, f"{base.name} or {other.name}", say))
    return Parallel(
        equipment.image.release, accelerator.name, cpus, jobs, queues, base.name, other.name, turns
    )


def _turns(guest: machine.Machine, what: str, say: Say) -> Iterator[Turn]:
    for event in events(guest, what):
        match event:
            case {"event": "begin", "what": doing}:
                say(doing)
            case {"event": "turn", "target": name, "row": row, **outcome}:
                yield Turn(name, Row(**row), **outcome)
