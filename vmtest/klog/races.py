# SPDX-License-Identifier: MIT
"""Whom a report of KCSAN is about."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import takewhile

from vmtest.klog.frames import Frame, innermost, is_interrupt_entry, parse_frame
from vmtest.klog.lines import parse_line
from vmtest.klog.report import Kind, Report

# "BUG: KCSAN: data-race in f [module] / g [module]", "BUG: KCSAN: data-race in f+0x1/0x2 [module]"
_HEADER = re.compile(r"BUG: KCSAN: ")
_MODULE = re.compile(r"\[(\w+)\]")
# "read (marked) to 0xffff88807dc20058 of 8 bytes by interrupt on cpu 1:" (kernel/kcsan/report.c)
_ACCESS = re.compile(r".* by (?:task \d+|interrupt) on cpu \d+")
# Calls bi_end_io(), which is the owner's (block/bio.c).
_END = "bio_endio"
# Warns, once, that a reordered access is missing in the stack (kernel/kcsan/report.c).
_LOOKUP = "replace_stack_entry"


def concerns(report: Report, modules: Collection[str]) -> bool:
    """Whether a test of `modules` fails for it: for all but what KCSAN says of the kernel alone.

    The kernel has many races with itself; and that KCSAN fails to name a function is its own bug.
    """
    if report.kind is Kind.KCSAN:
        return not racing_modules(report).isdisjoint(modules)
    return not (report.kind is Kind.WARNING and report.function == _LOOKUP)


def racing_modules(report: Report) -> frozenset[str]:
    """The modules whose race it is: one of the accesses is their own, or all are made for them.

    An access is a module's own where a helper makes it (a list's, a copy's). One access for it is
    not enough: the kernel has many races with itself in what everybody calls.
    """
    named: set[str] = set()
    accesses: list[list[Frame]] = []
    for line in report.lines:
        text = parse_line(line).text
        if _HEADER.match(text):
            named.update(_MODULE.findall(text))
        elif _ACCESS.match(text):
            accesses.append([])
        elif accesses and (frame := parse_frame(text)):
            accesses[-1].append(frame)
    stacks = [list(takewhile(_on_behalf, access)) for access in accesses]
    guilty = (innermost(stack) for stack in stacks)
    named.update(frame.module for frame in guilty if frame and frame.module)
    if len(stacks) > 1:
        named |= set.intersection(*({f.module for f in stack if f.module} for stack in stacks))
    return frozenset(named)


def _on_behalf(frame: Frame) -> bool:
    """Whether what calls this function has a part in what it does.

    The stack of an interrupt goes on with what it interrupted; and what the owner of a bio does
    with it, once it has ended, is nothing of the driver's that ended it.
    """
    return frame.function != _END and not is_interrupt_entry(frame.function)
