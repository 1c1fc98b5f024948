# SPDX-License-Identifier: MIT
"""Figures, for people: beside what is least, and beside what is closest to ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table

from vmtest.bench.plan import Row
from vmtest.bench.result import Result
from vmtest.bench.targets import TARGETS

#: The block layer, fio, and next to nothing else.
LEAST = "null_blk"

_WORDS = {
    "randread": "random reads",
    "randwrite": "random writes",
    "read": "sequential reads",
    "write": "sequential writes",
}


def rival(target: str) -> str:
    """The target of ublk's that does the same as ``target``."""
    kept = {one.name: one.keeps_data for one in TARGETS}
    return "ublk-ram" if kept.get(target, True) else "ublk-null"


def tables(result: Result) -> Iterator[Table]:
    """A table for each way to do I/O, and one of workloads."""
    rows = [figure.row for figure in result.figures]
    for pattern, size in dict.fromkeys((row.pattern, row.block_size) for row in rows):
        depths = [r.queue_depth for r in rows if (r.pattern, r.block_size) == (pattern, size)]
        yield _table(result, pattern, size, dict.fromkeys(depths))
    if result.workloads:
        yield _workloads(result)


def _table(result: Result, pattern: str, size: int, depths: Iterable[int]) -> Table:
    title = f"instructions per I/O: {_WORDS[pattern]}, {size >> 10} KiB"
    table = Table("target", title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for depth in depths:
        for heading in (f"depth {depth}", "/ null", "/ ublk"):
            table.add_column(heading, justify="right", no_wrap=True)
    for target in dict.fromkeys(figure.target for figure in result.figures):
        cells = [target]
        for depth in depths:
            row = Row(pattern, size, depth)
            cost = result.cost(target, row)
            others = (result.cost(other, row) for other in (LEAST, rival(target)))
            cells += ["" if cost is None else f"{cost:,.0f}", *(_ratio(cost, o) for o in others)]
        table.add_row(*cells)
    return table


def _workloads(result: Result) -> Table:
    table = Table(
        "target", title="millions of instructions", title_justify="left", box=None,
        padding=(0, 2, 0, 0),
    )  # fmt: skip
    costs = {(one.target, one.workload): one.instructions for one in result.workloads}
    names = list(dict.fromkeys(name for _, name in costs))
    for name in names:
        for heading in (name, "/ ublk"):
            table.add_column(heading, justify="right", no_wrap=True)
    for target in dict.fromkeys(target for target, _ in costs):
        cells = [target]
        for name in names:
            cost = costs.get((target, name))
            cells.append("" if cost is None else f"{cost / 1e6:,.1f}")
            cells.append(_ratio(cost, costs.get((rival(target), name))))
        table.add_row(*cells)
    return table


def _ratio(cost: float | None, other: float | None) -> str:
    return f"{cost / other:.2f}" if cost and other else ""
