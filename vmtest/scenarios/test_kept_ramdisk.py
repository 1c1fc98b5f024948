# SPDX-License-Identifier: MIT
"""zosbd2_sample_ramdisk --keep: content that outlives the server, but not the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from zosbd2 import WireProtocol

from vmtest.guest import Guest, Process
from vmtest.scenarios.conftest import RAMDISK

COMMAND, CTL = "zosbd2_sample_ramdisk", "zosbd2ctl"
OK, FAILED, BUSY, NAME_TAKEN = 0, 1, 3, 7
MIB = 1 << 20
SEGMENT = "/dev/shm/zosbd2.zosbd2ramdisk"
NOISE = "/tmp/noise"

Start = Callable[..., Process]


@pytest.fixture
def protocol() -> WireProtocol:
    """What is tested here does not depend on it."""
    return "ring"


@pytest.fixture
def kept(guest: Guest, start_ramdisk: Start) -> Iterator[Process]:
    """A kept RAM disk of 64 MiB, full of noise at its start."""
    server = start_ramdisk("--keep", "--size=64M")
    guest.run("dd", "if=/dev/urandom", f"of={NOISE}", "bs=1M", "count=4")
    guest.run("dd", f"if={NOISE}", f"of={RAMDISK}", "bs=1M", "oflag=direct")
    yield server
    guest.run(CTL, "destroy", "--all", "--force", check=False)
    guest.run("rm", "-f", SEGMENT)


def holds_noise(guest: Guest) -> bool:
    return guest.run("cmp", "-n", 4 * MIB, RAMDISK, NOISE, check=False).status == 0


def kill(server: Process) -> None:
    server.kill("KILL")
    server.wait(20)


def test_the_content_outlives_a_killed_server(
    guest: Guest, kept: Process, start_ramdisk: Start
) -> None:
    assert guest.run("stat", "-c", "%a", SEGMENT).stdout == "600\n"
    kill(kept)
    refused = guest.run(COMMAND, "--keep", status=NAME_TAKEN)
    assert "--reattach" in refused.stderr
    start_ramdisk("--keep", "--reattach")
    assert holds_noise(guest)


def test_the_content_goes_with_the_device(guest: Guest, kept: Process) -> None:
    guest.run(CTL, "destroy", "zosbd2ramdisk")
    assert kept.wait(20).status == OK
    assert not guest.exists(SEGMENT)


def test_destroy_removes_what_a_killed_server_left(guest: Guest, kept: Process) -> None:
    kill(kept)
    guest.run(COMMAND, "--destroy", "--force")
    assert not guest.exists(SEGMENT)


def test_what_was_left_over_is_no_content_of_a_new_disk(
    guest: Guest, kept: Process, start_ramdisk: Start
) -> None:
    kill(kept)
    guest.run(CTL, "destroy", "zosbd2ramdisk", "--force")
    assert guest.exists(SEGMENT)
    server = start_ramdisk("--keep", "--size=64M")
    server.wait_for("starting afresh")
    assert guest.run("cmp", "-n", 4 * MIB, RAMDISK, "/dev/zero").status == OK
    assert guest.run("stat", "-c", "%b", SEGMENT).stdout == "0\n"  # reading took no memory


def test_a_living_server_is_upgraded(guest: Guest, kept: Process, start_ramdisk: Start) -> None:
    start_ramdisk("--keep", "--take-over")
    ended = kept.wait(20)
    assert ended.status == OK
    assert "another server has taken /dev/zosbd2ramdisk over" in ended.stderr
    assert guest.exists(SEGMENT)
    assert holds_noise(guest)


def test_a_disk_that_is_not_kept_is_not_taken_over(guest: Guest, start_ramdisk: Start) -> None:
    server = start_ramdisk("--size=64M")
    refused = guest.run(COMMAND, "--keep", "--take-over", status=FAILED)
    assert "not served with --keep" in refused.stderr
    assert not server.ended


@pytest.mark.usefixtures("kept")
def test_discards_give_memory_back(guest: Guest) -> None:
    assert int(guest.run("stat", "-c", "%b", SEGMENT).stdout) * 512 == 4 * MIB
    guest.run("blkdiscard", "--force", RAMDISK)
    assert guest.run("stat", "-c", "%b", SEGMENT).stdout == "0\n"


def test_full_memory_is_an_error_of_the_write(guest: Guest, kept: Process) -> None:
    guest.run("mount", "-o", "remount,size=6M", "/dev/shm")
    write = ["dd", f"if={NOISE}", f"of={RAMDISK}", "bs=1M", "seek=8", "oflag=direct"]
    full = guest.run(*write, status=FAILED)
    assert "No space left on device" in full.stderr
    guest.run("mount", "-o", "remount,size=50%", "/dev/shm")
    guest.run(*write)
    assert not kept.ended


@pytest.mark.usefixtures("module", "programs")
def test_what_somebody_else_put_there_is_not_touched(guest: Guest) -> None:
    guest.run("ln", "-s", "/tmp/target", SEGMENT)
    try:
        refused = guest.run(COMMAND, "--keep", "--size=64M", status=FAILED)
        assert "not what this program makes" in refused.stderr
        assert not guest.exists("/tmp/target")
    finally:
        guest.run("rm", SEGMENT)
