# SPDX-License-Identifier: MIT
"""``vmtest bench-parallel``: zosbd2 and ublk in turn, on several CPUs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vmtest import accel
from vmtest.bench import equipment, parallel
from vmtest.bench.plan import Row
from vmtest.bench.targets import named
from vmtest.errors import SetupError
from vmtest.images import TOP
from vmtest.progress import status

_out = Console(width=None if sys.stdout.isatty() else 120)
_err = Console(stderr=True)

_JSON = TOP / "build/bench-parallel.json"
_PATTERNS = ("randread", "randwrite")
_BLOCK_SIZE = 4096


def bench_parallel(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[BASE OTHER]", help="Default: ublk-ram zosbd2-ram."),
    ] = None,
    depths: Annotated[list[int] | None, typer.Option("--depth", help="Of each job.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Of fio, at a time.")] = 4,
    queues: Annotated[int, typer.Option(min=1, help="And threads that serve.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="In each of which both have a turn.")] = 7,
    seconds: Annotated[int, typer.Option(min=1, help="For a turn, and one to warm up.")] = 2,
    accelerator: Annotated[str, typer.Option("--accel", help="auto, kvm or tcg.")] = "auto",
) -> None:
    """Compare I/Os per second, A B A B, on 2 vCPUs; writes build/bench-parallel.json."""
    chosen = words or ["ublk-ram", "zosbd2-ram"]
    pair = [target for word in chosen for target in named([word])]
    if len(pair) != 2:
        names = ", ".join(target.name for target in pair)
        raise SetupError(f"two targets take turns, not {names}", hint="give the names of two")
    rows = [
        Row(pattern, _BLOCK_SIZE, depth) for pattern in _PATTERNS for depth in depths or (1, 16)
    ]
    with status(_err, "bench-parallel") as say:
        made = equipment.prepare(say)
        found = parallel.measure(
            made, accel.choose(accelerator, made.kernel), (pair[0], pair[1]), rows,
            rounds=rounds, jobs=jobs, queues=queues, seconds=seconds, say=say,
        )  # fmt: skip
    _out.print(table(found))
    _JSON.parent.mkdir(exist_ok=True)
    _JSON.write_text(found.to_json())
    _out.print(f"written: {_JSON.relative_to(TOP)}", highlight=False)


def table(found: parallel.Parallel) -> Table:
    """For people."""
    title = (
        f"4 KiB, {found.cpus} CPUs ({found.accelerator}), {found.jobs} jobs, {found.queues} queues;"
        f" medians of {found.rounds} rounds, percentiles in µs, context switches per I/O"
    )
    table = Table("", title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    headings = (
        "IOPS",
        *(f"p{percent}" for percent in parallel.PERCENTILES),
        "switches",
        "ratio",
        "spread",
    )
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found.rows():
        table.add_row(f"[bold]{row.pattern}, depth {row.queue_depth}[/]")
        for target in (found.base, found.other):
            times = [
                f"{found.percentile(target, row, percent) / 1000:,.0f}"
                for percent in parallel.PERCENTILES
            ]
            cells = [target, f"{found.iops(target, row).median:,.0f}", *times]
            cells.append(f"{found.switches(target, row):.2f}")
            if target == found.other:
                ratio = found.ratio(row)
                cells += [f"{ratio.median:.2f}", f"{ratio.least:.2f} … {ratio.greatest:.2f}"]
            table.add_row(*cells)
    return table
