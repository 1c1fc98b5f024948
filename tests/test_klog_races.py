# SPDX-License-Identifier: MIT
"""Whom a report of KCSAN is about."""

from __future__ import annotations

import pytest

from vmtest.klog import concerns, parse
from vmtest.klog.races import racing_modules

TASK = "write to 0xffff888000000000 of 8 bytes by task 7 on cpu 0:"
INTERRUPT = "read (marked) to 0xffff888000000000 of 8 bytes by interrupt on cpu 1:"
KERNEL = " xas_find_marked+0x1/0x2"
HELPER = " list_del+0x1/0x2"
OURS = " zosbd2_serve+0x1/0x2 [zosbd2]"
THEIRS = " ext4_end_bio+0x1/0x2 [ext4]"
ENTRY = " asm_sysvec_apic_timer_interrupt+0x1/0x2"
END = " bio_endio+0x1/0x2"


@pytest.mark.parametrize(
    ("stacks", "modules"),
    [
        ([TASK, OURS, KERNEL, TASK, KERNEL], {"zosbd2"}),
        ([TASK, KERNEL, INTERRUPT, HELPER, OURS], {"zosbd2"}),
        ([TASK, OURS], {"zosbd2"}),
        ([TASK, OURS, INTERRUPT, THEIRS, END, OURS], {"zosbd2", "ext4"}),
        ([TASK, KERNEL, OURS, TASK, KERNEL, OURS], {"zosbd2"}),
        ([TASK, KERNEL, OURS, TASK, KERNEL, THEIRS], set()),
        ([TASK, KERNEL, OURS], set()),
        ([TASK, KERNEL, OURS, TASK, KERNEL], set()),
        ([TASK, KERNEL, OURS, INTERRUPT, KERNEL, ENTRY, OURS], set()),
        ([TASK, KERNEL, OURS, TASK, KERNEL, END, OURS], set()),
    ],
)
def test_a_race_is_that_of_who_makes_an_access_or_has_all_made(
    stacks: list[str], modules: set[str]
) -> None:
    edge = "=" * 66
    log = ["", edge, "BUG: KCSAN: data-race in a / b", *stacks, edge, ""]
    (report,) = parse("\n[    1.000000][    T7] ".join(log))
    assert racing_modules(report) == modules


def test_a_module_in_the_headline_is_enough() -> None:
    (report,) = parse("BUG: KCSAN: data-race in a / b+0x1/0x2 [zosbd2]\n")
    assert racing_modules(report) == {"zosbd2"}


RACE = "BUG: KCSAN: data-race in a [{}] / b [{}]\n"
# Of 6.12, but for the lines that are left out.
LOOKUP = """\
[   53.392661][  T124] ------------[ cut here ]------------
[   53.393675][  T124] Cannot find frame for race_thread+0x6a/0xb0 [zosbd2] in stack trace
[   53.394637][  T124] WARNING: CPU: 1 PID: 124 at kernel/kcsan/report.c:343 replace_stack_entry.constprop.0+0xf1/0x100
[   53.402518][  T124] RIP: 0010:replace_stack_entry.constprop.0+0xf1/0x100
[   53.424460][  T124] Call Trace:
[   53.427814][  T124]  print_report+0x173/0x190
[   53.455384][  T124]  race_thread+0x90/0xb0 [zosbd2]
[   53.464320][  T124] ---[ end trace 0000000000000000 ]---
"""  # noqa: E501


@pytest.mark.parametrize(
    ("log", "ours"),
    [
        (RACE.format("zosbd2", "ext4"), True),
        (RACE.format("ext4", "ext4"), False),
        (LOOKUP, False),
        (LOOKUP.replace("replace_stack_entry.constprop.0", "print_report"), True),
        ("BUG: spinlock bad magic on CPU#0, x/7\n", True),
    ],
    ids=["our race", "their race", "lookup", "warning", "bug"],
)
def test_only_what_kcsan_says_of_others_is_of_no_concern(log: str, ours: bool) -> None:
    (report,) = parse(log)
    assert concerns(report, ["zosbd2"]) is ours
