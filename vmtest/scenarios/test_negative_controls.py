# SPDX-License-Identifier: MIT
"""The harness proves itself: what is broken on purpose must turn its test red, and rightly so.

The broken things are the tests in ``inner/``. They run once, in a pytest of their own, and are
looked at here by what that run left: its junit.xml and the kernel logs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from vmtest.faulty import FAULTS, Fault
from vmtest.klog import failing, parse
from vmtest.pytest_plugin import Session
from vmtest.scenarios.negative_run import InnerRun, InnerTest, run_inner

INNER = Path(__file__).parent / "inner"
FATAL = [fault for fault in FAULTS if fault.fatal]

#: Seconds that a test may outlive the panic of its guest.
PROMPTLY = 5.0

every_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
every_fatal_fault = pytest.mark.parametrize("fault", FATAL, ids=lambda fault: fault.name)


@pytest.fixture(scope="session")
def inner(request: pytest.FixtureRequest, vmtest_session: Session) -> InnerRun:
    """The run of all that is broken."""
    vmtest_session.say("running the negative controls, which takes some minutes")
    option = request.config.getoption
    options = ["--accel", vmtest_session.default.accelerator.name]
    if option("kernel"):
        options += ["--kernel", str(option("kernel"))]
    # guests.py begins with another VM than the rest needs, which would cost a spare later on.
    files = [INNER / name for name in ("guests.py", "servers.py", "faults.py")]
    return run_inner(files, vmtest_session.directory / "negative-controls", options)


def _of_fault(inner: InnerRun, fault: Fault, test: str = "test_fault") -> InnerTest:
    found = inner.test(f"{test}[{fault.name}]")
    if found.outcome == "skipped":
        pytest.skip(found.text)
    return found


@every_fault
def test_a_fault_turns_its_test_red_with_its_title(inner: InnerRun, fault: Fault) -> None:
    test = _of_fault(inner, fault)
    assert test.outcome == "failed", f"{test.outcome}: {test.text}"
    _, _, title = test.title.partition("KernelReported: ")
    assert fault.matches(title), f"{title!r} does not match {fault.title!r}\n{test.text}"


@every_fault
def test_the_whole_report_of_a_fault_is_in_the_failure(inner: InnerRun, fault: Fault) -> None:
    test = _of_fault(inner, fault)
    reports = [report for report in failing(parse(test.dmesg)) if fault.matches(report.title)]
    assert reports, f"no report of {fault.name} in its dmesg:\n{test.dmesg}"
    # A shown line may be longer: the place in the source is added.
    missing = [line for line in reports[0].lines if line.strip() not in test.text]
    assert not missing, "\n".join(missing[:10])
    assert "Call Trace:" in test.text


@every_fatal_fault
def test_a_dead_guest_fails_its_test_within_five_seconds(inner: InnerRun, fault: Fault) -> None:
    test = _of_fault(inner, fault)
    if not any(sign in test.dmesg for sign in ("Oops", "kernel BUG", "Kernel panic", "Call Trace")):
        pytest.fail(f"the kernel did not say a word:\n{test.dmesg}")
    if not any(sign in test.dmesg for sign in ("Oops", "kernel BUG", "Kernel panic")):
        pytest.skip("this kernel notices the fault without dying of it")
    assert test.died_at is not None, f"no panic line:\n{test.dmesg}"
    late = test.call_ended - test.died_at
    assert 0 <= late <= PROMPTLY, f"the test ended {late:.1f} s after the panic line"


@every_fault
def test_the_test_after_a_fault_gets_a_fresh_vm_and_passes(inner: InnerRun, fault: Fault) -> None:
    broken, healthy = _of_fault(inner, fault), _of_fault(inner, fault, "test_healthy_after")
    assert healthy.outcome == "passed", healthy.text
    assert healthy.vm != broken.vm


def test_a_run_with_failures_ends_with_status_1(inner: InnerRun) -> None:
    assert inner.status == 1, inner.output[-2000:]


def test_healthy_tests_in_a_row_share_a_vm(inner: InnerRun) -> None:
    first, second = inner.test("test_healthy_first"), inner.test("test_healthy_second")
    assert (first.outcome, second.outcome) == ("passed", "passed"), first.text + second.text
    assert first.vm == second.vm


def test_a_guest_that_cannot_boot_is_a_boot_failure(inner: InnerRun) -> None:
    test = inner.test("test_boot_failure")
    assert test.outcome == "error"
    assert "BootFailed: " in test.text
    assert "last console lines:" in test.text
    assert "Failed to mount /dev/nonexistent" in test.text
    assert "did not show" not in test.text, "it was awaited to the end of a deadline"


def test_a_dead_sshd_is_an_ssh_failure(inner: InnerRun) -> None:
    test = inner.test("test_no_sshd")
    assert test.outcome == "failed"
    assert test.title.startswith("SshFailed: ")
    assert "last console lines:" in test.text


def test_a_command_over_its_deadline_is_a_timeout(inner: InnerRun) -> None:
    test = inner.test("test_command_over_its_deadline")
    assert test.outcome == "failed"
    assert test.title.startswith("GuestTimeout: ")
    assert "sleep 600" in test.title
    assert "last console lines:" in test.text


def test_a_panic_is_a_panic_and_not_a_lost_connection(inner: InnerRun) -> None:
    test = inner.test("test_panic")
    assert test.outcome == "failed"
    assert "raised GuestPanicked: " in test.printed
    assert "last console lines:" in test.printed
    assert "kernel panic: sysrq triggered crash" in test.title


def test_a_wrong_exit_status_shows_what_the_command_printed(inner: InnerRun) -> None:
    test = inner.test("test_command_with_a_wrong_status")
    assert test.outcome == "failed"
    assert test.title.startswith("CommandFailed: ")
    assert "its last words" in test.text


def test_a_test_that_leaks_spoils_its_vm_for_the_next(inner: InnerRun) -> None:
    leaky, healthy = inner.test("test_leak"), inner.test("test_healthy_after_leak")
    assert leaky.outcome == "failed"
    assert "left without cleaning up" in leaky.text
    assert healthy.outcome == "passed", healthy.text
    assert healthy.vm != leaky.vm


def test_the_integrity_checks_pass_with_an_honest_server(inner: InnerRun) -> None:
    test = inner.test("test_honest_server")
    assert test.outcome == "passed", test.text


def test_one_wrong_byte_turns_the_fio_scenario_red(inner: InnerRun) -> None:
    test = inner.test("test_one_wrong_byte_in_random_writes")
    assert test.outcome == "failed"
    assert test.title.startswith("CommandFailed: ")
    assert "crc32c: verify failed" in test.text


def test_one_wrong_byte_turns_the_model_scenario_red(inner: InnerRun) -> None:
    test = inner.test("test_one_wrong_byte_against_the_model")
    assert test.outcome == "failed"
    assert "RemoteError: " in test.title
    assert "AssertionError: byte " in test.text


def test_one_wrong_byte_in_a_file_turns_the_files_scenario_red(inner: InnerRun) -> None:
    test = inner.test("test_one_wrong_byte_in_a_file")
    assert test.outcome == "failed"
    assert "differs from byte " in test.text
