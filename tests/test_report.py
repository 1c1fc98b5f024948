# SPDX-License-Identifier: MIT
"""What a run leaves behind, made from one run with every outcome in it."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from junitparser import JUnitXml
from rich.console import Console

from vmtest.klog import Report, parse
from vmtest.report import Environment, Outcome, RunResult, TestResult
from vmtest.report.github import active, command, error_commands, job_summary, write_job_summary
from vmtest.report.html import html
from vmtest.report.junit import add_properties
from vmtest.report.ktap import ktap
from vmtest.report.results import read_results, write_results
from vmtest.report.summary import print_summary

FIXTURES = Path(__file__).parent / "fixtures" / "klog"
MKFS = "vmtest/scenarios/test_mkfs.py"


def kernel_report() -> Report:
    [report] = parse((FIXTURES / "kasan-uaf-6.6-callers.log").read_text(encoding="utf-8"))
    return report


@pytest.fixture
def run(tmp_path: Path) -> RunResult:
    dmesg = tmp_path / "dmesg.txt"
    dmesg.write_text("[    1.000000] a <script>alert(1)</script> line of the log\n")
    return RunResult(
        environment=Environment("6.12.117", "tcg", "/dev/kvm hangs a test kernel", "42"),
        started=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        duration=81.25,
        tests=(
            TestResult(f"{MKFS}::test_mounts[ext4]", Outcome.PASSED, 1.5, dmesg=dmesg),
            TestResult(
                f"{MKFS}::test_mounts[xfs]",
                Outcome.FAILED,
                2.5,
                message="kernel report: <KASAN>\nsecond line",
                longrepr="def test(): ...",
                reports=(kernel_report(), kernel_report()),
                console_tail=("last, but one: 100%", "last line"),
                vm="vm0",
                dmesg=dmesg,
                file=MKFS,
                line=12,
            ),
            TestResult("vmtest/scenarios/test_ublk.py::test_runs", Outcome.SKIPPED, 0, "no ublk"),
            TestResult(
                "vmtest/scenarios/test_boot.py::TestBoot::test_boots", Outcome.ERROR, 9, "no sshd"
            ),
        ),
        directory=tmp_path,
        artefacts={"report": tmp_path / "report.html"},
    )


def test_headline_counts_every_outcome(run: RunResult) -> None:
    assert run.headline() == "1 passed, 1 failed, 1 errors, 1 skipped in 81.2 s"


def test_modules_keep_their_order_and_add_up(run: RunResult) -> None:
    rows = [(row.module, row.passed, row.failed, row.skipped) for row in run.modules()]
    assert rows == [("test_mkfs", 1, 1, 0), ("test_ublk", 0, 0, 1), ("test_boot", 0, 1, 0)]
    assert sum(row.duration for row in run.modules()) == 13


def test_failure_is_titled_by_the_kernel_before_the_exception(run: RunResult) -> None:
    failed, error = run.failures
    assert failed.title == "KASAN: slab-use-after-free Read in zosbd2_fetch"
    assert error.title == "no sshd"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.external: list[str] = []
        self.outcomes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.external.append(value or "")
            if name == "data-outcome":
                self.outcomes.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_whole_and_needs_nothing_else(run: RunResult) -> None:
    text = html(run)
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert page.external == []
    assert page.outcomes == ["passed", "failed", "skipped", "error"]
    for needed in ("6.12.117", "/dev/kvm hangs a test kernel", "kasan_report+0xda", "last line"):
        assert needed in text


def test_html_escapes_what_the_guest_printed(run: RunResult) -> None:
    text = html(run)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_html_says_that_a_log_is_missing(run: RunResult) -> None:
    assert run.tests[0].dmesg is not None
    run.tests[0].dmesg.unlink()
    assert "(no log: " in html(run)


def test_workflow_command_escapes_data_and_properties() -> None:
    text = command("error", "50%\r\nnext: a,b", file="a,b:c.py", line=3, title="")
    assert text == "::error file=a%2Cb%3Ac.py,line=3::50%25%0D%0Anext: a,b"


def test_each_failure_is_one_annotation_on_one_line(run: RunResult) -> None:
    commands = error_commands(run.tests)
    assert len(commands) == 2
    assert commands[0].startswith(f"::error file={MKFS},line=12,title=test_mounts[xfs]%3A KASAN")
    assert commands[0].count("KASAN: slab-use-after-free Read") == 1
    assert all("\n" not in one for one in commands)
    assert commands[1] == "::error title=TestBoot%3A%3Atest_boots%3A no sshd::no sshd"


def test_job_summary_is_appended_where_the_service_wants_it(run: RunResult, tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    write_job_summary(run, {"GITHUB_STEP_SUMMARY": str(path)})
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n## ❌ vmtest on 6.12.117: 1 passed, 1 failed")
    assert "| test\\_mkfs | 1 | 1 |  | 4.0 s |" in text
    assert "KASAN: slab-use-after-free Read in zosbd2\\_fetch" in text
    write_job_summary(run, {})


def test_code_fence_is_longer_than_any_in_the_log(run: RunResult) -> None:
    noisy = TestResult(f"{MKFS}::test_x", Outcome.FAILED, 1, "x", console_tail=("````",))
    text = job_summary(RunResult(run.environment, run.started, 1, (noisy,), run.directory))
    assert "\n`````\n````\n`````\n" in text


def test_workflow_is_recognised() -> None:
    assert active({"GITHUB_ACTIONS": "true"})
    assert not active({})


def test_ktap_nests_tests_in_modules(run: RunResult) -> None:
    assert ktap(run).splitlines() == [
        "KTAP version 1",
        "1..3",
        "  KTAP version 1",
        "  # Subtest: test_mkfs",
        "  1..2",
        "  ok 1 test_mounts[ext4]",
        "  # kernel report: <KASAN>",
        "  # second line",
        "  # KASAN: slab-use-after-free Read in zosbd2_fetch",
        "  not ok 2 test_mounts[xfs]",
        "not ok 1 test_mkfs",
        "  KTAP version 1",
        "  # Subtest: test_ublk",
        "  1..1",
        "  ok 1 test_runs # SKIP no ublk",
        "ok 2 test_ublk # SKIP all",
        "  KTAP version 1",
        "  # Subtest: test_boot",
        "  1..1",
        "  # no sshd",
        "  not ok 1 TestBoot::test_boots",
        "not ok 3 test_boot",
    ]


def test_summary_shows_failures_reasons_and_paths(run: RunResult) -> None:
    out = io.StringIO()
    print_summary(run, Console(file=out, width=200, color_system=None))
    text = out.getvalue()
    for needed in (
        "test_mounts[xfs]",
        "kernel: KASAN: slab-use-after-free Read in zosbd2_fetch",
        "last, but one: 100%",
        "skipped 1: no ublk",
        "tcg (/dev/kvm hangs a test kernel)",
        str(run.artefacts["report"]),
        run.headline(),
    ):
        assert needed in text
    assert text.count("kernel: KASAN") == 1


def test_junit_gets_kernel_titles_and_environment(run: RunResult, tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(
        "<testsuites><testsuite name='pytest' tests='2'>"
        "<testcase classname='vmtest.scenarios.test_mkfs' name='test_mounts[xfs]' time='2.5'>"
        "<failure message='x'>y</failure></testcase>"
        "<testcase classname='vmtest.scenarios.test_boot.TestBoot' name='test_boots' time='9'/>"
        "</testsuite></testsuites>"
    )
    add_properties(path, run.tests, run.environment)
    [suite] = list(JUnitXml.fromfile(str(path)))
    properties = suite.properties()  # type: ignore[no-untyped-call]
    assert {item.name: item.value for item in properties}["kernel"] == "6.12.117"
    text = path.read_text(encoding="utf-8")
    assert text.count('value="KASAN: slab-use-after-free Read in zosbd2_fetch"') == 1
    assert 'name="vm" value="vm0"' in text
    assert "<failure" in text


def test_results_are_read_back_as_they_were(run: RunResult, tmp_path: Path) -> None:
    write_results(run, tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == run
