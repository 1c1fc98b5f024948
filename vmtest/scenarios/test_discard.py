# SPDX-License-Identifier: MIT
"""Discards: what they free, what they leave alone, how they are cut up, what refuses them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmtest.guest import Guest, Process, mounted
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython
from vmtest.scenarios.conftest import RAMDISK
from vmtest.scenarios.guestlib import discards

from .equipment import ServerPython

BLOCK = 4096
MIB = 1 << 20
QUEUE = "/sys/block/zosbd2ramdisk/queue"
DISCARDED = "/sys/block/zosbd2ramdisk/zosbd2/discard_bytes"
# Few inodes: the kernel would go on to zero their tables after mount, and fill the disk's memory.
MKFS = ["mkfs.ext4", "-q", "-N", "64", "-O", "^has_journal"]


@pytest.fixture
def server(start_ramdisk: Callable[..., Process]) -> Process:
    """The process that serves a RAM disk of 256 MiB."""
    return start_ramdisk("--size", "256M")


@pytest.fixture
def disk(server: Process) -> str:
    """That RAM disk's node."""
    assert not server.ended
    return RAMDISK


def test_blkdiscard_of_the_whole_disk_gives_its_memory_back(
    guest: Guest, python: RemotePython, server: Process
) -> None:
    empty = python.call(discards.resident_bytes, server.pid)
    python.call(discards.fill, RAMDISK, 16 * MIB)
    full = python.call(discards.resident_bytes, server.pid)
    assert full - empty > 15 * MIB
    guest.run("blkdiscard", "--force", RAMDISK)
    left = python.call(discards.resident_bytes, server.pid)
    assert left - empty < 4 * MIB


def test_fstrim_gives_back_what_deleted_files_occupied(
    guest: Guest, python: RemotePython, server: Process
) -> None:
    guest.run(*MKFS, RAMDISK)
    with mounted(guest, RAMDISK, "/mnt/disk"):
        guest.run("dd", "if=/dev/zero", "of=/mnt/disk/file", "bs=1M", "count=16", "conv=fsync")
        full = python.call(discards.resident_bytes, server.pid)
        guest.run("sh", "-c", "rm /mnt/disk/file; sync; fstrim /mnt/disk")
        assert full - python.call(discards.resident_bytes, server.pid) > 15 * MIB


def test_mkfs_discards_what_was_there(guest: Guest, python: RemotePython, server: Process) -> None:
    python.call(discards.fill, RAMDISK, 16 * MIB)
    full = python.call(discards.resident_bytes, server.pid)
    guest.run(*MKFS, RAMDISK)
    assert full - python.call(discards.resident_bytes, server.pid) > 12 * MIB
    assert int(guest.read(DISCARDED)) >= 256 * MIB


def test_mount_option_discard_frees_blocks_of_a_deleted_file(guest: Guest, disk: str) -> None:
    guest.run(*MKFS, "-E", "nodiscard", disk)
    with mounted(guest, disk, "/mnt/disk", "-o", "discard"):
        guest.run("dd", "if=/dev/zero", "of=/mnt/disk/file", "bs=1M", "count=16", "conv=fsync")
        before = int(guest.read(DISCARDED))
        guest.run("rm", "/mnt/disk/file")
        guest.run("sync")
        assert int(guest.read(DISCARDED)) - before >= 16 * MIB


def test_a_discarded_range_reads_as_zero_and_its_neighbours_stay(
    python: RemotePython, disk: str
) -> None:
    for offset, blocks in [(0, 1), (BLOCK, 3), (MIB - BLOCK, 258), (4 * MIB - BLOCK, 1)]:
        python.call(discards.discard_a_range, disk, offset, blocks * BLOCK)


def test_a_discard_also_empties_the_page_cache(python: RemotePython, disk: str) -> None:
    python.call(discards.discard_what_is_cached, disk)


def test_zeroing_works_without_an_offload(python: RemotePython, disk: str) -> None:
    python.call(discards.zero_out, disk)


def test_wrong_discards_are_refused(python: RemotePython, disk: str) -> None:
    assert python.call(discards.refusals, disk) == {
        "offset of a sector": "EINVAL",
        "length of a sector": "EINVAL",
        "past the end": "EINVAL",
        "offset that wraps": "EINVAL",
        "opened for reading": "EBADF",
        "secure": "ENOTSUP",
    }


def test_the_queue_tells_the_limits(guest: Guest, disk: str) -> None:
    assert guest.exists(disk)
    names = ("discard_granularity", "discard_max_bytes", "discard_max_hw_bytes",
             "write_zeroes_max_bytes")  # fmt: skip
    values = guest.run("cat", *(f"{QUEUE}/{name}" for name in names)).stdout.split()
    assert dict(zip(names, map(int, values), strict=True)) == {
        "discard_granularity": BLOCK,
        "discard_max_bytes": 128 * MIB,
        "discard_max_hw_bytes": 128 * MIB,
        "write_zeroes_max_bytes": 0,
    }


def test_a_long_discard_comes_in_requests_within_the_limit(
    servers: ServerPython, module: KernelModule
) -> None:
    assert module.loaded
    pieces = servers.call(discards.requests_for, 3 * BLOCK, 300 * MIB)
    assert max(length for _, length in pieces) == 128 * MIB
    assert all(offset % BLOCK == 0 and length % BLOCK == 0 for offset, length in pieces)


def test_a_discard_of_half_a_tebibyte_ends_soon(
    guest: Guest, start_ramdisk: Callable[..., Process]
) -> None:
    start_ramdisk("--size", "512G")
    guest.run("blkdiscard", "--force", RAMDISK, timeout=20)
    assert int(guest.read(DISCARDED)) == 512 << 30
