# SPDX-License-Identifier: MIT
"""``vmtest bench``: what an I/O costs, counted in instructions."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from vmtest.bench import equipment, targets
from vmtest.bench.machine import CPU
from vmtest.bench.measure import measure
from vmtest.bench.plan import BLOCK_SIZES, PATTERNS, QUEUE_DEPTHS, WORKLOADS, Row
from vmtest.bench.profile import record
from vmtest.bench.profile import table as profile_table
from vmtest.images import TOP
from vmtest.progress import status

# Without a terminal, names of functions must not be cut at the 80th column.
_out = Console(width=None if sys.stdout.isatty() else 120)
_err = Console(stderr=True)

PatternsOption = Annotated[
    list[str] | None, typer.Option("--pattern", help=f"{', '.join(PATTERNS)}; default: all.")
]


def bench(
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET]...", help="Default: all.")
    ] = None,
    patterns: PatternsOption = None,
    sizes: Annotated[
        list[str] | None, typer.Option("--block-size", help="4k, 128k; default: both.")
    ] = None,
    depths: Annotated[
        list[int] | None, typer.Option("--depth", help="Queue depths; default: 1, 16 and 64.")
    ] = None,
    workloads: Annotated[
        bool, typer.Option(help="Also what a file system and files on it cost.")
    ] = True,
    profile: Annotated[
        bool, typer.Option("--profile", help="Of one row: where its instructions go.")
    ] = False,
    cpu: Annotated[str, typer.Option(help="Of the guest, as QEMU calls it.")] = CPU,
    functions: Annotated[
        int, typer.Option(min=1, help="How many functions of a profile to show.")
    ] = 60,
) -> None:
    """Count the instructions of an I/O, the same each time; writes build/bench.json."""
    chosen = targets.named(wanted or [])
    rows = [
        Row(pattern, block_size, depth)
        for block_size in BLOCK_SIZES
        for pattern in PATTERNS
        for depth in QUEUE_DEPTHS
        if (not patterns or pattern in patterns)
        and (not sizes or f"{block_size >> 10}k" in sizes)
        and (not depths or depth in depths)
    ]
    with status(_err, "bench") as say:
        made = equipment.prepare(say)
        if profile:
            found = record.record(made, chosen[0], rows[0], say, cpu)
        else:
            result = measure(made, chosen, rows, WORKLOADS if workloads else (), say, cpu)
    if profile:
        _out.print(profile_table.functions(found, functions))
        _out.print(profile_table.places(found))
        _out.print(f"measured beside it: {found.measured:,.1f}", highlight=False)
        target = TOP / "build" / "bench-profile.json"
        text = found.to_json()
    else:
        target = TOP / "build" / "bench.json"
        text = result.to_json()
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)
    _out.print(f"written: {target.relative_to(TOP)}", highlight=False)
