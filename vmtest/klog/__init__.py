# SPDX-License-Identifier: MIT
"""Kernel log parser: finds the reports in a guest's console and gives them titles.

    parser = LogParser()
    for chunk in console:
        reports += parser.feed(chunk)
        if parser.death: ...        # a panic line, known before its report is complete
    reports += parser.finish()

`parse(text)` does the same for a whole log, `failing(reports)` keeps what fails a test.
"""

from vmtest.klog.parser import LogParser, parse
from vmtest.klog.report import (
    INFORMATIONAL,
    Death,
    DeathReason,
    Kind,
    Report,
    distinct,
    failing,
    lost_connection,
    no_output,
)

__all__ = [
    "INFORMATIONAL",
    "Death",
    "DeathReason",
    "Kind",
    "LogParser",
    "Report",
    "distinct",
    "failing",
    "lost_connection",
    "no_output",
    "parse",
]
