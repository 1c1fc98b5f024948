# SPDX-License-Identifier: MIT
"""Guests that do not boot, cannot be reached, do not answer, or die; and tests that leak."""

from __future__ import annotations

import pytest

from vmtest.errors import GuestError
from vmtest.guest import Guest
from vmtest.vm import VM


@pytest.mark.vm(kernel_arguments=["root=/dev/nonexistent"])
def test_boot_failure(guest: Guest) -> None:
    """Never gets this far."""
    guest.run("true")


def test_healthy_first(guest: Guest) -> None:
    """The VM that the next test gets too."""
    guest.run("true")


def test_healthy_second(guest: Guest) -> None:
    """The same VM again."""
    guest.run("true")


def test_command_over_its_deadline(guest: Guest) -> None:
    """A guest in good health, and a command that takes too long."""
    guest.run("sleep", "600", timeout=0.5)


def test_command_with_a_wrong_status(guest: Guest) -> None:
    """A guest in good health, and a command that fails."""
    guest.run("sh", "-c", "echo its last words >&2; exit 3")


def test_leak(guest: Guest) -> None:
    """Fails in the middle of something, and leaves a mount."""
    guest.run("mkdir", "-p", "/mnt/leak")
    guest.run("mount", "-t", "tmpfs", "leak", "/mnt/leak")
    raise AssertionError("left without cleaning up")


def test_healthy_after_leak(guest: Guest) -> None:
    """Finds nothing of the leak."""
    assert "/mnt/leak" not in guest.read("/proc/mounts")


@pytest.mark.kills_vm
def test_no_sshd(guest: Guest) -> None:
    """The kernel is well, but nobody listens."""
    guest.run("sh", "-c", "kill -KILL $(pidof sshd sshd-session)")


@pytest.mark.kills_vm
def test_panic(clocked: VM) -> None:
    """A panic, as the exception shows it that the test's own call raises."""
    try:
        clocked.guest.run("sh", "-c", "echo c >/proc/sysrq-trigger")
    except GuestError as error:
        print(f"raised {type(error).__name__}: {error}")
        raise
