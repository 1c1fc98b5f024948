# SPDX-License-Identifier: MIT
"""Whose race it is that KCSAN reports."""

from __future__ import annotations

import pytest

from vmtest.klog import parse, racing_modules

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
