# SPDX-License-Identifier: MIT
"""Destroying devices that are loaded, mounted, dirty, abandoned, or destroyed by somebody else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from vmtest.guest import Guest, Process, mounted
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython

from .equipment import ServerPython
from .guestlib import destroy

pytestmark = pytest.mark.usefixtures("module")

RAMDISK = "/dev/zosbd2ramdisk"
PROMPT = 10.0


def test_a_forced_destroy_under_load_fails_the_io_and_hangs_nobody(servers: ServerPython) -> None:
    seen = servers.call(destroy.forced_under_load, 4)
    assert len(seen["errors"]) == 4
    # ENXIO or ENODEV: the capacity is gone before the next request is made.
    assert set(seen["errors"]) <= {"EIO", "ENXIO", "ENODEV", "ENOSPC"}
    assert seen["served"] == 50
    assert seen["seconds"] < PROMPT
    assert not seen["node"]


def test_a_forced_destroy_fails_requests_that_are_queued_or_with_the_server(
    servers: ServerPython,
) -> None:
    assert servers.call(destroy.forced_with_requests_everywhere) == {
        "destroyed": "OK 0",
        "outcomes": {"EIO": 8},
        "after": "Gone",
        "prompt": True,
    }


def test_fio_ends_with_errors_when_its_device_is_destroyed(
    guest: Guest, start_ramdisk: Callable[..., Process]
) -> None:
    server = start_ramdisk("--size=64M")
    fio = guest.start(
        "fio", "--name=load", f"--filename={RAMDISK}", "--rw=randrw", "--bs=4k", "--size=64M",
        "--direct=1", "--numjobs=2", "--thread", "--ioengine=psync", "--time_based",
        "--runtime=120", "--eta=never",
    )  # fmt: skip
    guest.wait_until(
        "fio's writes", 30, "sh", "-c",
        "test $(cat /sys/block/zosbd2ramdisk/zosbd2/write_bytes) -gt 0",
    )  # fmt: skip
    guest.run("zosbd2ctl", "destroy", "zosbd2ramdisk", "--force", timeout=PROMPT)
    assert fio.wait(20).status != 0
    assert server.wait(20).status == 0


def test_an_unforced_destroy_of_a_mounted_device_is_refused(guest: Guest, filesystem: str) -> None:
    refused = guest.run("zosbd2ctl", "destroy", "zosbd2ramdisk", status=3, timeout=30)
    assert "mounted" in refused.stderr
    guest.run("sh", "-c", f"echo still here > {filesystem}/file && sync {filesystem}/file")
    assert guest.read(f"{filesystem}/file") == "still here\n"


def test_a_mounted_device_can_be_destroyed_by_force_and_unmounted_then(
    guest: Guest, start_ramdisk: Callable[..., Process]
) -> None:
    server = start_ramdisk("--size=64M")
    guest.run("mkfs.ext4", "-q", RAMDISK, timeout=60)
    with mounted(guest, RAMDISK, "/mnt/disk"):
        guest.run("cp", "/bin/busybox", "/mnt/disk/", check=False)
        guest.run("zosbd2ctl", "destroy", "zosbd2ramdisk", "--force", timeout=PROMPT)
        assert server.wait(20).status == 0
        assert guest.run("dd", "if=/dev/zero", "of=/mnt/disk/new", "bs=4k", "count=1",
                         "conv=fsync", check=False).status != 0  # fmt: skip
    assert not guest.exists(RAMDISK)


@pytest.mark.parametrize("who", ["other", "own"])
def test_an_unforced_destroy_loses_nothing_that_was_written(
    servers: ServerPython, who: str
) -> None:
    written = servers.call(destroy.buffered_write_then_destroy, who)
    assert written == {"was_dirty": servers.protocol == "classic", "all_there": True}


def test_an_unforced_destroy_that_waits_for_its_server_can_be_interrupted(
    python: RemotePython,
) -> None:
    assert python.call(destroy.unforced_waits_for_a_slow_server) == {
        "fetched": "Request",
        "newcomer": "EBUSY",
        "interrupted": True,
        "then": "live",
        "forced": "OK 0",
    }


def test_of_two_forced_destroys_at_once_exactly_one_succeeds(python: RemotePython) -> None:
    assert python.call(destroy.two_at_once, 1, 10) == ["ENOENT and OK"]


def test_of_two_unforced_destroys_at_once_exactly_one_succeeds(python: RemotePython) -> None:
    assert set(python.call(destroy.two_at_once, 0, 10)) <= {"ENOENT and OK", "EBUSY and OK"}


def test_destroy_all_spares_only_what_is_open(python: RemotePython) -> None:
    assert python.call(destroy.all_but_the_busy_one) == {
        "unforced": "EBUSY",
        "spared": [1],
        "forced": "OK",
        "left": [],
    }


def test_destroy_all_sends_all_servers_home(servers: ServerPython) -> None:
    assert servers.call(destroy.several_served, 4) == {"destroyed": "OK", "left": []}


@pytest.mark.parametrize("force", [0, 1])
def test_an_idle_device_can_be_destroyed_after_its_server_was_killed(
    servers: ServerPython, force: int
) -> None:
    seen = servers.call(destroy.abandoned_when_idle, int(signal.SIGKILL), force)
    assert (seen["destroyed"], seen["left"]) == ("OK 0", [])
    assert seen["seconds"] < PROMPT


@pytest.mark.parametrize("force", [0, 1])
def test_an_idle_device_can_be_destroyed_while_its_server_is_stopped(
    servers: ServerPython, force: int
) -> None:
    seen = servers.call(destroy.abandoned_when_idle, int(signal.SIGSTOP), force)
    assert (seen["destroyed"], seen["left"]) == ("OK 0", [])
    assert seen["seconds"] < PROMPT


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_forced_destroy_fails_requests_whose_server_is_no_help(
    servers: ServerPython, fate: signal.Signals
) -> None:
    seen = servers.call(destroy.abandoned_with_requests, int(fate))
    assert seen["outcomes"] == ["EIO", "EIO", "EIO"]
    assert (seen["destroyed"], seen["left"]) == ("OK 0", [])
    assert seen["seconds"] < PROMPT


def test_the_module_can_go_right_after_its_last_device(
    module: KernelModule, servers: ServerPython
) -> None:
    assert servers.call(destroy.unload_right_after, 5, module.path, timeout=90) == []


def test_a_server_whose_parent_opened_the_device_is_no_user(python: RemotePython) -> None:
    assert python.call(destroy.served_by_a_child) == {
        "intact": True,
        "destroyed": "OK",
        "child": 0,
    }


@pytest.mark.parametrize(
    ("flags", "destroyed", "read"),
    [(os.O_RDONLY, "OK", "EIO"), (os.O_RDWR, "EBUSY", "EIO")],
    ids=["to-read", "to-write"],
)
def test_who_only_reads_before_a_server_comes_is_no_user(
    python: RemotePython, flags: int, destroyed: str, read: str
) -> None:
    """As udev does, when a device appears."""
    ended = python.call(destroy.read_before_a_server_comes, flags)
    assert ended == {"destroyed": destroyed, "read": read}
