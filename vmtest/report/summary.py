# SPDX-License-Identifier: MIT
"""The end of a run on the terminal: counts and times per scenario, failures, where to look."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from vmtest.klog import distinct
from vmtest.report.model import Outcome, RunResult, TestResult

_CONSOLE_LINES = 12


def print_summary(run: RunResult, console: Console | None = None) -> None:
    """Print the run to `console` (standard output by default)."""
    (console or Console()).print(summary(run))


def summary(run: RunResult) -> Group:
    parts: list[RenderableType] = [_scenarios(run)]
    parts += [_failure(test) for test in run.failures]
    parts += _skips(run)
    parts.append(_facts(run))
    style = "bold red" if run.failures else "bold green"
    parts.append(Text(run.headline(), style=style))
    return Group(*parts)


def _scenarios(run: RunResult) -> Table:
    table = Table("scenario", title=None, box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("passed", "failed", "skipped", "time"):
        table.add_column(name, justify="right")
    for row in run.modules():
        table.add_row(
            Text(row.module, style="red" if row.failed else ""),
            _number(row.passed, "green"),
            _number(row.failed, "red"),
            _number(row.skipped, "yellow"),
            f"{row.duration:.1f} s",
        )
    return table


def _number(count: int, style: str) -> Text:
    return Text(str(count), style=style) if count else Text("-", style="dim")


def _failure(test: TestResult) -> Panel:
    body: list[RenderableType] = []
    if test.message:
        body.append(Text(test.message))
    for report in distinct(test.reports):
        body.append(Text(f"kernel: {report.title}", style="bold"))
    if test.console_tail:
        body.append(Text("last console lines:", style="dim"))
        body += [Text("  " + line, style="dim") for line in test.console_tail[-_CONSOLE_LINES:]]
    for name, path in (("kernel log", test.dmesg), ("console", test.console)):
        if path:
            body.append(Text(f"{name}: {path}"))
    return Panel(
        Group(*body), title=Text(test.nodeid), title_align="left", border_style="red", expand=True
    )


def _skips(run: RunResult) -> list[RenderableType]:
    """Each reason for skipping once, with the number of tests it took."""
    reasons: dict[str, int] = {}
    for test in run.tests:
        if test.outcome is Outcome.SKIPPED:
            reasons[test.message] = reasons.get(test.message, 0) + 1
    return [Text(f"skipped {count}: {why}", style="yellow") for why, count in reasons.items()]


def _facts(run: RunResult) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in run.environment.rows():
        table.add_row(Text(name, style="dim"), Text(value))
    for name, path in run.artefacts.items():
        table.add_row(Text(name, style="dim"), Text(str(path)))
    return table
