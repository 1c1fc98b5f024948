# SPDX-License-Identifier: MIT
"""GitHub Actions: failures as annotations on the code, the run as a job summary."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from vmtest.klog import distinct
from vmtest.report.model import RunResult, TestResult

# An annotation's text is cut by the service at 64 KiB; people read the first lines.
_MAX_MESSAGE = 4000
_MAX_SUMMARY_REPORT_LINES = 60


def active(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this runs inside a workflow."""
    return environment.get("GITHUB_ACTIONS") == "true"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def command(name: str, message: str, **properties: str | int) -> str:
    """A workflow command: ::error file=a.py,line=3::message."""
    given = ",".join(
        f"{key}={_escape_property(str(value))}" for key, value in properties.items() if value
    )
    head = f"::{name} {given}" if given else f"::{name}"
    return f"{head}::{_escape_data(message)}"


def error_commands(tests: Iterable[TestResult]) -> list[str]:
    """One ::error for each failed test."""
    commands = []
    for test in tests:
        if not test.bad:
            continue
        lines = [test.message or test.outcome.value]
        lines += [f"kernel: {report.title}" for report in distinct(test.reports)]
        lines += list(test.console_tail[-10:])
        message = "\n".join(lines)[:_MAX_MESSAGE]
        title = f"{test.name}: {test.title}" if test.title else test.name
        commands.append(
            command("error", message, file=test.file, line=test.line, title=title[:200])
        )
    return commands


def job_summary(run: RunResult) -> str:
    """The run in GitHub's Markdown."""
    mark = "❌" if run.failures else "✅"
    out = [f"## {mark} vmtest on {markdown_cell(run.environment.kernel)}: {run.headline()}", ""]
    out += ["| | |", "|---|---|"]
    out += [
        f"| {markdown_cell(name)} | {markdown_cell(value)} |"
        for name, value in run.environment.rows()
    ]
    out += ["", "| scenario | passed | failed | skipped | time |", "|---|--:|--:|--:|--:|"]
    for row in run.modules():
        counts = f"{row.passed} | {row.failed or ''} | {row.skipped or ''}"
        out.append(f"| {markdown_cell(row.module)} | {counts} | {row.duration:.1f} s |")
    for test in run.failures:
        out += [
            "",
            f"### `{test.nodeid.replace('`', '')}`",
            "",
            markdown_cell(test.title or test.message),
        ]
        body = [line for report in distinct(test.reports) for line in report.lines]
        body = body[:_MAX_SUMMARY_REPORT_LINES] or list(test.console_tail)
        if body:
            out += ["", "<details><summary>kernel log</summary>", ""]
            out += [_fenced(body), "", "</details>"]
    return "\n".join(out) + "\n"


def write_job_summary(run: RunResult, environment: Mapping[str, str] = os.environ) -> None:
    """Append the run to the file in $GITHUB_STEP_SUMMARY, if there is one."""
    append_summary(job_summary(run), environment)


def append_summary(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Append Markdown to the file in $GITHUB_STEP_SUMMARY, if there is one."""
    path = environment.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(text)


def markdown_cell(text: str) -> str:
    """`text` for a table cell or a paragraph: nothing in it is markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "\\`*_[]|#":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())


def _fenced(lines: list[str]) -> str:
    """A code block whose fence is longer than any in the text."""
    text = "\n".join(lines)
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
