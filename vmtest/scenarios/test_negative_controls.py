# SPDX-License-Identifier: MIT
"""The harness proves itself: what is broken on purpose must turn its test red, and rightly so.

The broken things are the tests in ``inner/``: guests and servers here, kernels' faults in
test_negative_faults.py. They run once, in a pytest of their own, and are looked at here by what
that run left: its junit.xml and the kernel logs.
"""

from __future__ import annotations

import re

import pytest

from vmtest.pytest_plugin import Session
from vmtest.scenarios.negative_run import InnerRun, run_inner

pytestmark = pytest.mark.long(150)


@pytest.fixture(scope="session")
def inner(vmtest_session: Session) -> InnerRun:
    """The run of all that is broken but the kernel."""
    # guests.py begins with another VM than the rest needs, which would cost a spare later on.
    return run_inner(vmtest_session, "negative-controls", "guests.py", "servers.py")


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
    # Said by the initramfs; or by the kernel, where that has its drivers built in. The guest ends
    # as it panics, which may cut its last line.
    said = "Failed to mount /dev/nonexistent|Can't lookup blockdev|Unable to mount root fs"
    assert re.search(said, test.text)
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
