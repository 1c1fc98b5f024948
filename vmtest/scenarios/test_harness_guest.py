# SPDX-License-Identifier: MIT
"""The harness's ways into a guest: shell, functions, deadlines, and what goes on from snapshots."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from vmtest import guest_process
from vmtest.errors import CommandFailed, GuestTimeout, SshFailed
from vmtest.guest import Guest
from vmtest.pytest_plugin import Session
from vmtest.remote_python import RemotePython
from vmtest.scenarios.guestlib import forking
from vmtest.snapshot import Snapshot
from vmtest.vm import VM, VmConfig

#: What a guest's init says at the end of a boot.
BOOTED = "vmtest-init: sshd is up"


def test_the_shell_returns_what_a_command_printed(guest: Guest) -> None:
    assert guest.shell.run("printf", "%s|", "one word", "a'quote", "two\nlines") == (
        "one word|a'quote|two\nlines|"
    )
    assert guest.shell.script("echo out; echo err >&2; echo no newline | tr -d '\n'") == (
        "out\nerr\nno newline"
    )


def test_the_shell_tells_when_a_command_fails_and_what_it_said(guest: Guest) -> None:
    with pytest.raises(CommandFailed, match=r"status 3\n  it printed: its last words"):
        guest.shell.script("echo its last words; (exit 3)")
    assert guest.shell.run("echo", "still there") == "still there"


def test_a_shell_that_has_ended_is_replaced(guest: Guest) -> None:
    with pytest.raises(SshFailed, match="the guest's shell has ended"):
        guest.shell.script("exit 1")
    assert guest.shell.run("echo", "another one") == "another one"


def test_a_child_that_a_function_forks_does_not_answer_for_it(python: RemotePython) -> None:
    assert python.call(forking.status_of_a_failing_child) == 1


@pytest.fixture
def hasty(vmtest_session: Session, tmp_path: Path) -> Iterator[VM]:
    """A guest whose deadlines are a tenth of what they are under KVM."""
    with VM(vmtest_session.default, tmp_path) as vm:
        vm.guest.slowness = 0.1
        yield vm


def test_a_guest_that_stands_still_is_given_up_after_one_deadline(hasty: VM) -> None:
    hasty.monitor("stop")
    with pytest.raises(GuestTimeout, match=r"cannot start true: its sshd did not answer"):
        hasty.guest.run("true")
    began = time.monotonic()
    for attempt in (hasty.guest.run, hasty.guest.shell.run):
        with pytest.raises(GuestTimeout, match=r"given up after this: cannot start true"):
            attempt("sync")
    assert time.monotonic() - began < 1


def test_a_guest_that_stands_still_as_a_program_starts_is_not_waited_for(
    hasty: VM, monkeypatch: pytest.MonkeyPatch
) -> None:
    exec_command = paramiko.Channel.exec_command

    def stopped(channel: paramiko.Channel, line: str) -> None:
        hasty.monitor("stop")
        exec_command(channel, line)

    monkeypatch.setattr(paramiko.Channel, "exec_command", stopped)
    with pytest.raises(GuestTimeout, match=r"cannot start true: its sshd did not answer"):
        hasty.guest.run("true")


def test_a_program_that_does_not_read_its_input_is_not_waited_for(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_process, "INPUT_TIMEOUT", 1.0)
    refused = pytest.raises(GuestTimeout, match=r"sleep 1000 read no input for \d+ s")
    with guest.start("sleep", "1000") as process, refused:
        process.send(bytes(16 << 20))
    assert guest.run("echo", "still there").stdout == "still there\n"


@pytest.fixture
def config(vmtest_session: Session) -> VmConfig:
    """Guests of a make that no other test has, so that nothing of them is in the cache for long."""
    default = vmtest_session.default
    if default.accelerator.name != "tcg":
        pytest.skip("guests are saved under emulation only, and this is KVM")
    if default.kernel.tree is not None:
        pytest.skip("no guest of a kernel tree is saved: QEMU cannot, with a 9p share in use")
    if default.cold:
        pytest.skip("no guest is saved with --cold-boot")
    return replace(default, memory=default.memory // 2 + 64)


def test_a_guest_goes_on_where_one_like_it_had_booted(
    config: VmConfig, vmtest_session: Session, tmp_path: Path
) -> None:
    with VM(config, tmp_path) as first:
        assert BOOTED in first.console.text()
        snapshot = first.snapshot
        first.guest.run("sleep", "4")  # the snapshot grows old
    assert snapshot is not None
    try:
        began = time.time()
        with VM(config, tmp_path) as second:
            assert BOOTED not in second.console.text()
            # Its clock stood still meanwhile, and was set as it went on.
            assert began < float(second.guest.run("date", "+%s.%N").stdout) < time.time()
            vmtest_session.say(f"booted in {first.boot_seconds:.1f} s, went on in "
                               f"{second.boot_seconds:.1f} s")  # fmt: skip
            assert second.boot_seconds < first.boot_seconds
    finally:
        snapshot.discard()


def test_a_snapshot_that_cannot_be_read_is_thrown_away_and_the_guest_boots(
    config: VmConfig, tmp_path: Path
) -> None:
    with VM(config, tmp_path) as first:
        assert BOOTED in first.console.text()
        snapshot = first.snapshot
    assert snapshot is not None
    try:
        _spoil(snapshot)
        with VM(config, tmp_path) as second:
            assert BOOTED in second.console.text()
        assert snapshot.exists, "the guest that booted was not saved"
    finally:
        snapshot.discard()


def _spoil(snapshot: Snapshot) -> None:
    snapshot.path.write_bytes(snapshot.path.read_bytes()[:100_000])
