# SPDX-License-Identifier: MIT
"""``vmtest bench-compare``: whether a revision of zosbd2 costs more than another."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vmtest.bench import equipment
from vmtest.bench.compare import Change, Comparison, checked_out, compare
from vmtest.bench.plan import BLOCK_SIZES, PATTERNS, QUEUE_DEPTHS, WORKLOADS, Row
from vmtest.bench.targets import named
from vmtest.errors import SetupError
from vmtest.progress import status

_out = Console()
_err = Console(stderr=True)

# What differs by less is not worth a line.
_NOTABLE = 0.005


def bench_compare(
    base: Annotated[str, typer.Argument(help="A commit, branch or tag to compare with.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET]...", help="Default: all of zosbd2.")
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, help="So many percent more is worse.")] = 2.0,
) -> None:
    """Measure zosbd2 of BASE and of this checkout; ends with status 1 if any figure is worse."""
    targets = [target for target in named(words or ["zosbd2"]) if target.ours]
    if not targets:
        raise SetupError("only zosbd2's targets change with its revisions", hint="leave them out")
    rows = [
        Row(pattern, size, depth)
        for size in BLOCK_SIZES
        for pattern in PATTERNS
        for depth in QUEUE_DEPTHS
    ]
    with checked_out(base) as top, status(_err, "bench-compare") as say:
        before, after = equipment.prepare(say, top), equipment.prepare(say)
        found = compare(before, after, targets, rows, WORKLOADS, threshold / 100, say)
    _show(found, base, threshold / 100)
    if found.worse(threshold / 100):
        raise typer.Exit(1)


def _show(found: Comparison, base: str, threshold: float) -> None:
    if not found.changes and not found.new:
        _out.print(f"what is measured is the same as in {base}", highlight=False)
        return
    notable = [change for change in found.changes if abs(change.growth) > _NOTABLE]
    if notable:
        table = Table("target", "", box=None, padding=(0, 2, 0, 0))
        for heading in (base, "now", "change"):
            table.add_column(heading, justify="right")
        for change in sorted(notable, key=lambda one: -one.growth):
            style = "red" if change.growth > threshold else None
            cells = (f"{change.before:,.0f}", f"{change.after:,.0f}", f"{change.growth:+.1%}")
            table.add_row(change.target, _what(change), *cells, style=style)
        _out.print(table)
    others = len(found.changes) - len(notable)
    _out.print(f"{others} figures differ by at most {_NOTABLE:.1%}", highlight=False)
    for name in found.new:
        _out.print(f"{name} is new: {base} does not have it", highlight=False)
    worse = found.worse(threshold)
    _out.print(
        f"[red]{len(worse)} figures are worse by over {threshold:.0%}[/]"
        if worse
        else f"[green]no figure is worse by over {threshold:.0%}[/]"
    )


def _what(change: Change) -> str:
    row = change.what
    if isinstance(row, str):
        return row
    return f"{row.pattern}, {row.block_size >> 10} KiB, depth {row.queue_depth}"
