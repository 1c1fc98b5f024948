# SPDX-License-Identifier: MIT
"""report.html: the whole run in one file that needs nothing else, logs included."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined

from vmtest.report.model import RunResult, TestResult

# A log beyond this is cut in the middle; the file on disk is whole.
_MAX_LOG = 200_000


def html(run: RunResult) -> str:
    """The page. Logs are read from the paths in the results; a missing one is said."""
    templates = Templates(
        loader=PackageLoader("vmtest.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("report.html.j2").render(run=run, dmesg=_dmesg)


def write_html(run: RunResult, path: Path) -> None:
    path.write_text(html(run), encoding="utf-8")


def _dmesg(test: TestResult) -> str:
    if test.dmesg is None:
        return ""
    try:
        text = test.dmesg.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"(no log: {error})"
    if len(text) > _MAX_LOG:
        half = _MAX_LOG // 2
        return f"{text[:half]}\n… {len(text) - _MAX_LOG} characters left out …\n{text[-half:]}"
    return text
