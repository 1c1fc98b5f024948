# SPDX-License-Identifier: MIT
"""The matrix as people read it: on a terminal, and in GitHub's Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vmtest.report.github import markdown_cell
from vmtest.report.matrix import Column, State, groups_of
from vmtest.report.model import ModuleCount

_CAPTION = "passed/failed/skipped, time"


def matrix(columns: Sequence[Column]) -> Group:
    """The table; below it why kernels have no result, why tests were skipped, and each failure."""
    table = Table("scenarios", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(Text(_heading(column)), justify="right", no_wrap=True)
    for name in groups_of(columns):
        counts = [column.groups.get(name) for column in columns]
        red = any(one is not None and one.failed for one in counts)
        table.add_row(Text(name, style="red" if red else ""), *map(_cell, counts))
    table.add_section()
    table.add_row(Text("all", style="bold"), *map(_total, columns), style="bold")
    parts: list[RenderableType] = [table, Text(f"({_CAPTION})", style="dim")]
    for column in columns:
        parts += _remarks(column)
    parts.append(Text(headline(columns), style="bold red" if _bad(columns) else "bold green"))
    return Group(*parts)


def markdown(columns: Sequence[Column]) -> str:
    """The same for a job summary."""
    out = [f"## {'❌' if _bad(columns) else '✅'} {headline(columns)}", ""]
    heads = [markdown_cell(_heading(column)) for column in columns]
    out += [f"| scenarios | {' | '.join(heads)} |", "|---|" + "--:|" * len(columns)]
    for name in groups_of(columns):
        cells = [_plain_cell(column.groups.get(name)) for column in columns]
        out.append(f"| {markdown_cell(name)} | {' | '.join(cells)} |")
    totals = [
        " ".join(([column.state.value] if column.state is not State.DONE else []) +
                 ([_plain_cell(column.total)] if column.run else []))
        for column in columns
    ]  # fmt: skip
    out += [f"| **all** | {' | '.join(totals)} |", "", f"({_CAPTION})", ""]
    for column in columns:
        out += [f"- {markdown_cell(text.plain)}" for text in _remarks(column)]
    return "\n".join(out) + "\n"


def headline(columns: Sequence[Column]) -> str:
    """ "4 kernels: 812 passed, 1 failed, 12 skipped; bookworm does not boot" """
    totals = [column.total for column in columns]
    parts = [f"{sum(one.passed for one in totals)} passed"]
    if failed := sum(one.failed for one in totals):
        parts.append(f"{failed} failed")
    if skipped := sum(one.skipped for one in totals):
        parts.append(f"{skipped} skipped")
    states = [f"{one.kernel}: {one.state}" for one in columns if one.state is not State.DONE]
    kernels = "1 kernel" if len(columns) == 1 else f"{len(columns)} kernels"
    return "; ".join([f"{kernels}: {', '.join(parts)}", *states])


def _bad(columns: Sequence[Column]) -> bool:
    return not columns or any(column.bad for column in columns)


def _heading(column: Column) -> str:
    """ "bookworm (6.1.0-50-amd64)", as the run itself calls its kernel."""
    return column.run.environment.kernel.replace(" (", "\n(") if column.run else column.kernel


def _cell(count: ModuleCount | None) -> Text:
    if count is None:
        return Text("-", style="dim")
    text = Text.assemble(
        (str(count.passed), "green" if count.passed else "dim"),
        ("/", "dim"),
        (str(count.failed), "red" if count.failed else "dim"),
        ("/", "dim"),
        (str(count.skipped), "yellow" if count.skipped else "dim"),
    )
    return text.append(f" {_seconds(count.duration):>7}")


def _plain_cell(count: ModuleCount | None) -> str:
    if count is None:
        return "-"
    mark = "❌ " if count.failed else ""
    return f"{mark}{count.passed}/{count.failed}/{count.skipped} {_seconds(count.duration)}"


def _total(column: Column) -> Text:
    parts = [Text(column.state.value, style="red")] if column.state is not State.DONE else []
    return Text("\n").join([*parts, *([_cell(column.total)] if column.run else [])])


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02}" if minutes else f"{seconds:.1f} s"


def _remarks(column: Column) -> list[Text]:
    """What the table cannot hold, a line each."""
    remarks = []
    if column.problem:
        remarks.append(Text(f"{column.kernel} {column.state}: {column.problem}", style="red"))
    for reason, count, groups in column.skips():
        skipped = f"{column.kernel} skipped {count}: {reason} ({', '.join(groups)})"
        remarks.append(Text(skipped, style="yellow"))
    for test in column.failures:
        text = f"{column.kernel} failed: {test.module}::{test.name}: {test.title}"
        for name, path in (("kernel log", test.dmesg), ("console", test.console)):
            if path:
                text += f"\n    {name}: {path}"
        remarks.append(Text(text, style="red"))
    if column.run and "report.html" in column.run.artefacts:
        report = column.run.artefacts["report.html"]
        remarks.append(Text(f"{column.kernel} report: {report}", style="dim"))
    return remarks
