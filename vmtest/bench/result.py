# SPDX-License-Identifier: MIT
"""What was measured, and the file that holds it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from vmtest.bench.plan import Row


@dataclass(frozen=True)
class Figure:
    """What an I/O of a target costs."""

    target: str
    row: Row
    instructions_per_io: float


@dataclass(frozen=True)
class Workload:
    """What a workload on a target costs."""

    target: str
    workload: str
    instructions: int


@dataclass(frozen=True)
class Result:
    """Figures in the order in which they were measured, in guests of one make."""

    #: Its release.
    kernel: str
    #: As QEMU calls it.
    cpu: str
    figures: list[Figure]
    workloads: list[Workload]

    def to_json(self) -> str:
        """The contents of ``build/bench.json``."""
        values = {
            "kernel": self.kernel,
            "cpu": self.cpu,
            "rows": [
                {
                    "target": figure.target,
                    **asdict(figure.row),
                    "instructions_per_io": figure.instructions_per_io,
                }
                for figure in self.figures
            ],
            "workloads": [asdict(workload) for workload in self.workloads],
        }
        return json.dumps(values, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """What ``to_json`` made."""
        values: dict[str, Any] = json.loads(text)
        figures = [_figure(**row) for row in values["rows"]]
        workloads = [Workload(**workload) for workload in values["workloads"]]
        return cls(values["kernel"], values["cpu"], figures, workloads)

    def updated(self, newer: Result) -> Result:
        """These figures, but for those that ``newer`` has."""
        again = {(figure.target, figure.row): figure for figure in newer.figures}
        figures = [again.get((figure.target, figure.row), figure) for figure in self.figures]
        sums = {(one.target, one.workload): one for one in newer.workloads}
        workloads = [sums.get((one.target, one.workload), one) for one in self.workloads]
        return replace(self, figures=figures, workloads=workloads)

    def cost(self, target: str, row: Row) -> float | None:
        """Instructions per I/O; None if that was not measured."""
        for figure in self.figures:
            if (figure.target, figure.row) == (target, row):
                return figure.instructions_per_io
        return None


def _figure(target: str, instructions_per_io: float, **row: Any) -> Figure:
    return Figure(target, Row(**row), instructions_per_io)
