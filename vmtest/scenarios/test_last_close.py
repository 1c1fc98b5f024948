# SPDX-License-Identifier: MIT
"""The end of an I/O may close a file for good: that must not be left to the server that answered.

One thread serves: what it waits for, it waits for in vain if that is an answer of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from zosbd2 import WireProtocol

from vmtest.guest import Guest, Process, mounted
from vmtest.remote_python import RemotePython
from vmtest.vm import VM

from .equipment import ServerPython
from .guestlib import last_close
from .guestlib.rawio import BLOCK
from .recovery import MOUNT_POINT, NODE, check_file_system, destroy, file_servers, make_file_system
from .tracing import traced

pytestmark = pytest.mark.usefixtures("module", "programs")

BACKING = "/var/tmp/last-close.img"


@pytest.fixture
def server(guest: Guest, protocol: WireProtocol) -> Iterator[Process]:
    """Of a file, with one thread; ended at the end, by whatever means it takes."""
    options = ("--threads=1", "--queues=1", "--partitions")
    with guest.start(*file_servers(BACKING, protocol, *options, size=64 << 20).first) as process:
        process.wait_for("ready")
        yield process
        guest.run("zosbd2ctl", "destroy", "--all", "--force", check=False)
        process.wait(30)
    guest.run("rm", BACKING)


def test_a_device_closed_amid_io_can_be_destroyed(
    guest: Guest, python: RemotePython, server: Process
) -> None:
    assert python.call(last_close.of_the_device, NODE, server.pid) == BLOCK
    destroy(guest)
    assert server.wait(30).status == 0


def test_a_device_closed_amid_io_can_be_scanned_for_partitions(
    python: RemotePython, server: Process
) -> None:
    assert python.call(last_close.before_a_partition_scan, NODE, server.pid) == "ended 0"


def test_a_file_deleted_and_closed_amid_io_is_freed(
    guest: Guest, python: RemotePython, server: Process
) -> None:
    make_file_system(guest, "ext4")
    files = [f"{MOUNT_POINT}/deleted", f"{MOUNT_POINT}/kept"]
    with mounted(guest, NODE, MOUNT_POINT):
        for file in files:
            guest.run("dd", "if=/dev/zero", f"of={file}", "bs=64k", "count=4")
    # It reads what is free when it has to, and does not write to what is stopped.
    with mounted(guest, NODE, MOUNT_POINT, "-o", "noatime,no_prefetch_block_bitmaps"):
        seen = python.call(last_close.of_a_deleted_file, *files, server.pid, NODE)
        assert seen == "ended 0"
    check_file_system(guest, "ext4")


@pytest.mark.parametrize("first_thread", ["lives", "has exited"])
def test_a_server_that_closes_its_device_amid_io_leaves_the_others_open(
    servers: ServerPython, first_thread: str
) -> None:
    busy = 3
    seen = servers.call(last_close.of_a_server, first_thread == "has exited")
    assert seen == {"read": BLOCK, "used": busy, "unused": 0}


@pytest.mark.usefixtures("module", "programs", "server")
@pytest.mark.needs_config("CONFIG_EVENT_TRACING")
def test_requests_end_as_they_would_in_an_interrupt(vm: VM, guest: Guest) -> None:
    """So file systems whose work at the end of an I/O may sleep leave it to a work queue."""
    realtime = "CONFIG_PREEMPT_RT" in vm.config.kernel.config
    numbers = guest.run("lsblk", "-ndo", "MAJ:MIN", NODE).stdout.strip().replace(":", ",")
    with traced(guest, "block/block_rq_complete") as events:
        guest.run("dd", f"if={NODE}", "of=/dev/null", "iflag=direct", "bs=64k", "count=16")
    ours = [event for event in events if f": {numbers} R" in event.text]
    assert len(ours) == 16
    assert {event.masked for event in ours} == {
        frozenset({"softirqs"} if realtime else {"softirqs", "irqs"})
    }
