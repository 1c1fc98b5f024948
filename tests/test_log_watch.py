# SPDX-License-Identifier: MIT
"""Which of the kernel's reports fail the test that they come up in."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from vmtest.klog import Kind, Report
from vmtest.watch import KernelReported, LogWatch

RACE = Report(Kind.KCSAN, "KCSAN: data-race in a / b", "a", ("BUG: KCSAN: …", " a+0x1/0x2"), 1, 2)
OURS = replace(RACE, lines=("BUG: KCSAN: data-race in a / b [zosbd2]", *RACE.lines[1:]))
WARNING = Report(Kind.WARNING, "WARNING in a", "a", ("WARNING: …",), 1, 1)


def watch_of(*reports: Report) -> LogWatch:
    """The watch of a test in whose guest zosbd2.ko was loaded and the kernel said this."""
    vm = SimpleNamespace(
        alive=True,
        config=SimpleNamespace(kernel=SimpleNamespace(tree=None)),
        guest=SimpleNamespace(symbol_files={"zosbd2": None}),
        sync_log=lambda _word: None,
        console=SimpleNamespace(
            position=0, settle=lambda: None, take_reports=lambda: list(reports)
        ),
    )
    pooled: Any = SimpleNamespace(vm=vm, spoiled=None)
    watch = LogWatch(pooled, "test")
    watch._with_source_lines = lambda report: report  # type: ignore[method-assign]
    return watch


def test_a_race_of_the_kernel_with_itself_is_kept_and_no_failure() -> None:
    watch = watch_of(RACE)
    watch.check()
    assert watch.reports == [RACE]


@pytest.mark.parametrize("report", [OURS, WARNING])
def test_a_race_that_the_module_has_part_in_is_a_failure_as_anything_else(report: Report) -> None:
    with pytest.raises(KernelReported, match=report.title):
        watch_of(RACE, report).check()
