# SPDX-License-Identifier: MIT
"""A profile: what it holds, and what it sums up to."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass

from vmtest.bench.plan import Row
from vmtest.bench.profile.symbols import Function


@dataclass(frozen=True)
class Cost:
    """What a function costs: instructions per I/O, and how often it is called per I/O."""

    function: Function
    instructions: float
    calls: float


@dataclass(frozen=True)
class Profile:
    """How often each instruction is executed per I/O."""

    target: str
    row: Row
    #: Instructions per I/O, as the guest measured them meanwhile.
    measured: float
    #: (the instruction's address, the function that it is in, times per I/O)
    counts: list[tuple[int, Function, float]]

    @property
    def total(self) -> float:
        """Instructions per I/O."""
        return sum(count for _, _, count in self.counts)

    def functions(self) -> list[Cost]:
        """All functions, the most expensive first."""
        instructions: defaultdict[Function, float] = defaultdict(float)
        calls: defaultdict[Function, float] = defaultdict(float)
        for address, function, count in self.counts:
            instructions[function] += count
            if address == function.start:
                calls[function] += count
        costs = [Cost(function, count, calls[function]) for function, count in instructions.items()]
        return sorted(costs, key=lambda cost: (-cost.instructions, cost.function.name))

    def places(self) -> list[tuple[str, float]]:
        """The kernel, its modules and the programs with their instructions per I/O."""
        sums: defaultdict[str, float] = defaultdict(float)
        for _, function, count in self.counts:
            sums[function.where] += count
        return sorted(sums.items(), key=lambda item: (-item[1], item[0]))

    def to_json(self) -> str:
        """The contents of ``build/bench-profile.json``."""
        values = {
            "target": self.target,
            **asdict(self.row),
            "instructions_per_io": round(self.total, 1),
            "functions": [
                {
                    "where": cost.function.where,
                    "name": cost.function.name,
                    "instructions_per_io": round(cost.instructions, 2),
                    "calls_per_io": round(cost.calls, 3),
                }
                for cost in self.functions()
            ],
        }
        return json.dumps(values, indent=1) + "\n"
