# SPDX-License-Identifier: MIT
"""Kernel log parser: finds the reports in a guest's console and gives them titles.

    parser = LogParser()
    for chunk in console:
        reports += parser.feed(chunk)
        if parser.death: ...        # a panic line, known before its report is complete
    reports += parser.finish()

`parse(text)` does the same for a whole log. Memory that runs out (the OOM killer, a failed
allocation) is no report: a test may cause it on purpose.
"""

from vmtest.klog.parser import LogParser, parse
from vmtest.klog.races import concerns
from vmtest.klog.report import (
    Death,
    DeathReason,
    Kind,
    Report,
    distinct,
    lost_connection,
    no_output,
)

__all__ = [
    "Death",
    "DeathReason",
    "Kind",
    "LogParser",
    "Report",
    "concerns",
    "distinct",
    "lost_connection",
    "no_output",
    "parse",
]
