# SPDX-License-Identifier: MIT
"""``vmtest bench``: what an I/O costs, counted in instructions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vmtest.bench import equipment, plot, table
from vmtest.bench.machine import CPU
from vmtest.bench.measure import measure
from vmtest.bench.plan import BLOCK_SIZES, PATTERNS, QUEUE_DEPTHS, WORKLOADS, Row
from vmtest.bench.profile import record
from vmtest.bench.profile import table as profile_table
from vmtest.bench.result import Result
from vmtest.bench.targets import Target, named
from vmtest.errors import SetupError
from vmtest.images import TOP
from vmtest.progress import status

# Without a terminal, tables must not be cut at the 80th column.
_out = Console(width=None if sys.stdout.isatty() else 120)
_err = Console(stderr=True)

_BUILD = TOP / "build"
_JSON = _BUILD / "bench.json"
_SIZES = [f"{size >> 10}k" for size in BLOCK_SIZES]


def bench(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET]...", help="Or parts of names.")
    ] = None,
    patterns: Annotated[
        list[str] | None, typer.Option("--pattern", help=f"{', '.join(PATTERNS)}.")
    ] = None,
    sizes: Annotated[
        list[str] | None, typer.Option("--block-size", help=f"{', '.join(_SIZES)}.")
    ] = None,
    depths: Annotated[
        list[int] | None,
        typer.Option("--depth", help=f"{', '.join(map(str, QUEUE_DEPTHS))}, or another."),
    ] = None,
    workloads: Annotated[bool, typer.Option(help="Also what a file system costs.")] = True,
    effort: Annotated[int, typer.Option(min=1, help="Do so many times as many I/Os.")] = 1,
    cpu: Annotated[str, typer.Option(help="Of the guest, as QEMU calls it.")] = CPU,
    profile: Annotated[
        bool, typer.Option("--profile", help="Of one row: where its instructions go.")
    ] = False,
    functions: Annotated[int, typer.Option(min=1, help="So many of them, in a profile.")] = 50,
) -> None:
    """Count the instructions of an I/O, the same each time; writes build/bench.json.

    What is not named is measured whole: all targets, patterns, block sizes and depths.
    """
    targets = named(words or [])
    if profile:
        # A row that is not named is the simplest.
        rows = _rows(patterns or ["randread"], sizes or ["4k"], depths or [1])
        _profile(targets, rows, cpu, functions)
        return
    rows = _rows(patterns or PATTERNS, sizes or _SIZES, depths or QUEUE_DEPTHS)
    with status(_err, "bench") as say:
        made = equipment.prepare(say)
        result = measure(made, targets, rows, WORKLOADS if workloads else (), say, cpu, effort)
    for one in table.tables(result):
        _out.print(one, "")
    _write(_JSON, result.to_json())


def bench_plot(
    figures: Annotated[Path, typer.Argument(help="What vmtest bench wrote.")] = _JSON,
    picture: Annotated[Path, typer.Argument(help="What to draw.")] = TOP / "docs/bench.svg",
) -> None:
    """Draw what an I/O costs at each queue depth, as SVG."""
    if not figures.is_file():
        raise SetupError(f"{figures} is not there", hint="make bench writes it")
    plot.draw(Result.from_json(figures.read_text()), picture)
    _out.print(f"written: {picture}", highlight=False, soft_wrap=True)


def _profile(targets: list[Target], rows: list[Row], cpu: str, most: int) -> None:
    if (len(targets), len(rows)) != (1, 1):
        raise SetupError(
            f"a profile is of one row of one target, not of {len(rows)} of {len(targets)}",
            hint="as in: vmtest bench --profile zosbd2-classic --pattern randread --depth 16",
        )
    with status(_err, "profile") as say:
        made = equipment.prepare(say)
        profile = record.record(made, targets[0], rows[0], say, cpu)
    _out.print(profile_table.functions(profile, most), "", profile_table.places(profile))
    _out.print(f"measured meanwhile: {profile.measured:,.0f}", highlight=False)
    _write(_BUILD / "bench-profile.json", profile.to_json())


def _rows(patterns: Sequence[str], sizes: Sequence[str], depths: Sequence[int]) -> list[Row]:
    for what, given, known in (("pattern", patterns, PATTERNS), ("block size", sizes, _SIZES)):
        if unknown := set(given) - set(known):
            names = ", ".join(sorted(unknown))
            raise SetupError(f"no {what} {names}", hint=f"there are: {', '.join(known)}")
    return [
        Row(pattern, size, depth)
        for size, name in zip(BLOCK_SIZES, _SIZES, strict=True)
        for pattern in PATTERNS
        for depth in sorted(set(depths))
        if name in sizes and pattern in patterns
    ]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    _out.print(f"written: {path.relative_to(TOP)}", highlight=False)
