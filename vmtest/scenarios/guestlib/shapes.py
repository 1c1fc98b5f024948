# SPDX-License-Identifier: MIT
"""I/O of unusual shapes on a block device, and what must come of it."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable

from zosbd2 import WireProtocol

from . import memory_disk, model, rawio

MIB = 1 << 20


def errno_of(call: Callable[[], object]) -> str:
    """The errno's name that a call fails with, or "success"."""
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "success"


def direct_with(device: str, shift: int, offset: int, length: int) -> dict[str, str]:
    """O_DIRECT from memory ``shift`` bytes into a page; how a read and a write end."""
    with rawio.opened(device) as fd:
        memory = rawio.aligned(length, shift)
        return {
            "read": errno_of(lambda: os.preadv(fd, [memory], offset)),
            "write": errno_of(lambda: os.pwritev(fd, [memory], offset)),
        }


def direct_from_the_middle_of_a_page(device: str) -> None:
    """Memory that is aligned to 512 bytes only: each block lies in two pages."""
    length = 64 * rawio.BLOCK
    data = rawio.pattern(length)
    with rawio.opened(device) as fd:
        written = rawio.aligned(data, shift=512)
        assert os.pwritev(fd, [written], MIB) == length
        model.compare(rawio.read_at(fd, length, MIB), data)
        read = rawio.aligned(length, shift=1536)
        assert os.preadv(fd, [read], MIB) == length
        model.compare(bytes(read), data)


def mapped_writes_reach_the_server(device: str) -> None:
    """Store through a shared mapping, msync, look past the cache."""
    with rawio.opened(device, os.O_RDWR) as fd, rawio.opened(device) as direct:
        data = rawio.pattern(3 * rawio.BLOCK + 100)
        with mmap.mmap(fd, MIB, offset=4 * rawio.BLOCK) as mapping:
            mapping[50 : 50 + len(data)] = data
            mapping.flush()
            model.compare(rawio.read_at(direct, 4 * rawio.BLOCK, 4 * rawio.BLOCK)[50:][: len(data)],
                          data)  # fmt: skip


def mapped_reads_see_what_was_written(device: str) -> None:
    """Write past the cache, then read through a mapping, behind a fault a page."""
    data = rawio.pattern(MIB)
    with rawio.opened(device) as direct:
        rawio.write_at(direct, data, 0)
    with (
        rawio.opened(device, os.O_RDONLY) as fd,
        mmap.mmap(fd, MIB, mmap.MAP_SHARED, mmap.PROT_READ) as mapping,
    ):
        model.compare(mapping[:], data)


def large_write_is_split(protocol: WireProtocol, length: int) -> list[int]:
    """Write and read ``length`` bytes in one call each; the lengths of the write requests."""
    with (
        memory_disk.serving("shapes", 8 * MIB, memory_disk.MemoryDisk, protocol) as (device, disk),
        rawio.opened(device) as fd,
    ):
        data = rawio.pattern(length)
        rawio.write_at(fd, data, MIB)
        model.compare(bytes(disk.data[MIB : MIB + length]), data)
        model.compare(rawio.read_at(fd, length, MIB), data)
        for what in ("write", "read"):
            memory_disk.covers(disk.of_kind(what), MIB, length)
        return [size for _, size in disk.of_kind("write")]


def vectored_direct(device: str, pieces: int) -> None:
    """One call with ``pieces`` buffers of a block each, none of which touches another."""
    data = [rawio.pattern(rawio.BLOCK, index * rawio.BLOCK) for index in range(pieces)]
    with rawio.opened(device) as fd:
        assert os.pwritev(fd, [rawio.aligned(block) for block in data], 0) == pieces * rawio.BLOCK
        model.compare(rawio.read_at(fd, pieces * rawio.BLOCK, 0), b"".join(data))
        back = [rawio.aligned(rawio.BLOCK) for _ in range(pieces)]
        assert os.preadv(fd, back, 0) == pieces * rawio.BLOCK
        model.compare(b"".join(back), b"".join(data))


def vectored_buffered(device: str) -> None:
    """Buffers of odd lengths, at an odd offset; read back through the cache and past it."""
    lengths = [1, 4095, 7, 8193, 0, 513, 100_000]
    data, at = [], 0
    for length in lengths:
        data.append(rawio.pattern(length, at))
        at += length
    with rawio.opened(device, os.O_RDWR) as fd:
        assert os.pwritev(fd, data, 4001) == at
        os.fsync(fd)
        back = [bytearray(length) for length in reversed(lengths)]
        assert os.preadv(fd, back, 4001) == at
        model.compare(b"".join(back), b"".join(data))
    with rawio.opened(device) as direct:
        read = rawio.read_at(direct, 32 * rawio.BLOCK, 0)
    model.compare(read[4001 : 4001 + at], b"".join(data))


def end_of_device(device: str, direct: bool) -> dict[str, object]:
    """Reads and writes at the end, across it and past it."""
    flags = os.O_RDWR | (os.O_DIRECT if direct else 0)
    with rawio.opened(device, flags) as fd:
        size = rawio.device_size(fd)
        last = rawio.pattern(rawio.BLOCK, size - rawio.BLOCK)
        rawio.write_at(fd, last, size - rawio.BLOCK)
        two = rawio.aligned(2 * rawio.BLOCK)
        return {
            "last block": rawio.read_at(fd, rawio.BLOCK, size - rawio.BLOCK) == last,
            "read across the end": len(rawio.read_at(fd, 2 * rawio.BLOCK, size - rawio.BLOCK)),
            "read at the end": len(rawio.read_at(fd, rawio.BLOCK, size)),
            "read past the end": len(rawio.read_at(fd, rawio.BLOCK, size + MIB)),
            "write across the end": os.pwritev(fd, [two], size - rawio.BLOCK),
            "write at the end": errno_of(lambda: os.pwritev(fd, [two], size)),
            "write past the end": errno_of(lambda: os.pwritev(fd, [two], size + MIB)),
        }


def fill_and_check(device: str) -> int:
    """Write all of the device through the cache, read it past the cache; returns its size."""
    with rawio.opened(device, os.O_RDWR) as fd, rawio.opened(device) as direct:
        size = rawio.device_size(direct)
        data = rawio.pattern(size)
        at = 0
        while at < size:
            at += os.pwrite(fd, data[at : at + 1_000_003], at)
        os.fsync(fd)
        at = 0
        while at < size:
            read = rawio.read_at(direct, MIB, at)
            model.compare(read, data[at : at + MIB])
            at += len(read)
        return size


def read_ahead_stays_inside(protocol: WireProtocol, blocks: int) -> list[tuple[int, int]]:
    """Read a device of ``blocks`` blocks from end to end through the cache: the requests."""
    size = blocks * rawio.BLOCK
    with memory_disk.serving("shapes", size, memory_disk.MemoryDisk, protocol) as (device, disk):
        disk.data[:] = rawio.pattern(size)
        with rawio.opened(device, os.O_RDONLY) as fd:
            read = b""
            while piece := os.read(fd, 100_001):
                read += piece
        model.compare(read, bytes(disk.data))
        return disk.of_kind("read")


def sync_calls(device: str) -> None:
    """fsync, fdatasync, O_SYNC and O_DSYNC."""
    with rawio.opened(device, os.O_RDWR | os.O_DIRECT | os.O_DSYNC) as fd:
        rawio.write_at(fd, rawio.pattern(rawio.BLOCK), 0)
        os.fsync(fd)
        os.fdatasync(fd)
    with rawio.opened(device, os.O_RDWR | os.O_SYNC) as fd:
        os.pwrite(fd, b"x" * 10, 5)
