# SPDX-License-Identifier: MIT
"""The table of several kernels: what it counts, what it says of kernels without a result."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from vmtest.report import Environment, Outcome, RunResult, TestResult
from vmtest.report.matrix import Column, State, read_matrix, write_matrix
from vmtest.report.matrix_table import headline, markdown, matrix

PASSED, FAILED, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED
NO_UBLK = "CONFIG_BLK_DEV_UBLK is not set in this kernel"


def column(kernel: str, *tests: tuple[str, Outcome, str], state: State = State.DONE) -> Column:
    results = tuple(
        TestResult(
            f"vmtest/scenarios/{nodeid}",
            outcome,
            31.0,
            message,
            dmesg=Path(f"/runs/{kernel}/dmesg.log") if outcome is FAILED else None,
        )
        for nodeid, outcome, message in tests
    )
    environment = Environment(f"{kernel} (1.2.3-{kernel})", "tcg", "no KVM")
    run = RunResult(
        environment, datetime(2026, 11, 25, tzinfo=UTC), 125.0, results, Path("/runs") / kernel,
        {"report.html": Path(f"/runs/{kernel}/report.html")},
    )  # fmt: skip
    return Column(kernel, state, run=run)


@pytest.fixture
def columns() -> list[Column]:
    """One of each: with skips, with a failure, without a boot."""
    return [
        column("old", ("test_mkfs.py::test_a", PASSED, ""), ("test_ublk.py::test_a", SKIPPED,
               NO_UBLK), ("test_ublk.py::test_b", SKIPPED, NO_UBLK)),
        column("new", ("test_mkfs.py::test_a", FAILED, "it | <b>broke</b>"),
               ("test_ublk.py::test_a", PASSED, ""), ("test_new.py::test_a", PASSED, "")),
        Column("rt", State.NOT_BOOTED, "BootFailed: no sshd\n  log: /x/console.log"),
    ]  # fmt: skip


def shown(columns: list[Column]) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=160, color_system=None).print(matrix(columns))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_the_table_has_a_row_for_each_group_and_a_column_for_each_kernel(
    columns: list[Column],
) -> None:
    lines = shown(columns)
    assert lines[:2] == ["old new", "scenarios (1.2.3-old) (1.2.3-new) rt"]
    assert "test_mkfs 1/0/0 31.0 s 0/1/0 31.0 s -" in lines
    assert "test_new - 1/0/0 31.0 s -" in lines
    assert "test_ublk 0/0/2 1 min 02 1/0/0 31.0 s -" in lines
    assert "all 1/0/2 2 min 05 2/1/0 2 min 05 does not boot" in lines


def test_reasons_failures_and_what_kept_a_kernel_are_said_below(columns: list[Column]) -> None:
    lines = shown(columns)
    assert f"old skipped 2: {NO_UBLK} (test_ublk)" in lines
    failure = lines.index("new failed: test_mkfs::test_a: it | <b>broke</b>")
    assert lines[failure + 1] == "kernel log: /runs/new/dmesg.log"
    assert "rt does not boot: BootFailed: no sshd" in lines
    assert "new report: /runs/new/report.html" in lines
    assert lines[-1] == "3 kernels: 3 passed, 1 failed, 2 skipped; rt: does not boot"


def test_a_skip_without_a_reason_says_so() -> None:
    lines = shown([column("one", ("test_a.py::test_a", SKIPPED, ""))])
    assert "one skipped 1: no reason was given (test_a)" in lines


def test_markdown_has_the_same_and_nothing_in_it_is_markup(columns: list[Column]) -> None:
    text = markdown(columns)
    lines = text.splitlines()
    assert lines[0].startswith("## ❌ 3 kernels")
    assert "| test\\_mkfs | 1/0/0 31.0 s | ❌ 0/1/0 31.0 s | - |" in lines
    assert "| **all** | 1/0/2 2 min 05 | ❌ 2/1/0 2 min 05 | does not boot |" in lines
    assert "&lt;b&gt;broke" in text
    assert "<b>" not in text
    assert {line.count("|") - line.count("\\|") for line in lines if line[:1] == "|"} == {5}


@pytest.mark.parametrize("state", [state for state in State if state is not State.DONE])
def test_only_a_whole_run_without_a_failure_is_good(state: State) -> None:
    good = column("one", ("test_a.py::test_a", PASSED, ""))
    assert not good.bad
    assert replace(good, state=state).bad
    assert column("one", ("test_a.py::test_a", FAILED, "")).bad
    assert headline([replace(good, state=state)]) == f"1 kernel: 1 passed; one: {state.value}"


def test_the_matrix_is_read_back_as_it_was(columns: list[Column], tmp_path: Path) -> None:
    write_matrix(columns, tmp_path / "sub" / "matrix.json")
    assert read_matrix(tmp_path / "sub" / "matrix.json") == columns


def test_tests_that_were_run_again_replace_what_they_were() -> None:
    before = column("one", ("test_a.py::test_a", FAILED, "x"), ("test_a.py::test_b", PASSED, ""))
    after = before.updated(column("one", ("test_a.py::test_a", PASSED, "")))
    assert not after.bad
    assert (after.total.passed, after.total.failed) == (2, 0)
    assert after.total.duration == 2 * before.total.duration
    assert before.updated(Column("one", State.NOT_BOOTED)).state is State.NOT_BOOTED
