# SPDX-License-Identifier: MIT
"""Who takes part in a data race that KCSAN reports."""

from __future__ import annotations

import re

from vmtest.klog.frames import is_interrupt_entry, parse_frame
from vmtest.klog.lines import parse_line
from vmtest.klog.report import Report

# "BUG: KCSAN: data-race in f [module] / g [module]", "BUG: KCSAN: data-race in f+0x1/0x2 [module]"
_HEADER = re.compile(r"BUG: KCSAN: ")
_MODULE = re.compile(r"\[(\w+)\]")
# "read (marked) to 0xffff88807dc20058 of 8 bytes by interrupt on cpu 1:" (kernel/kcsan/report.c)
_ACCESS = re.compile(r".* by (?:task \d+|interrupt) on cpu \d+")
# Calls bi_end_io(), which is the owner's (block/bio.c).
_END = "bio_endio"


def racing_modules(report: Report) -> frozenset[str]:
    """The modules that the racing accesses were made in, or on behalf of.

    The stack of an interrupt goes on with what it interrupted, which has no part in the race; nor
    has a driver in what the owner of a bio does with it, once the driver has ended it.
    """
    modules: set[str] = set()
    others = False
    for line in report.lines:
        text = parse_line(line).text
        if _HEADER.match(text):
            modules.update(_MODULE.findall(text))
        elif _ACCESS.match(text):
            others = False
        elif frame := parse_frame(text):
            others = others or frame.function == _END or is_interrupt_entry(frame.function)
            if frame.module and not others:
                modules.add(frame.module)
    return frozenset(modules)
