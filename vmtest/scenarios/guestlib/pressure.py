# SPDX-License-Identifier: MIT
"""Servers that need no memory for the data they take, and processes that take all there is."""

from __future__ import annotations

import mmap
import os
import sys
import threading
import zlib
from pathlib import Path

import zosbd2

from . import rawio

MIB = 1 << 20


class ChecksumDisk:
    """Keeps one CRC a block; reads return zeroes."""

    def __init__(self, size: int) -> None:
        self.checksums = [0] * (size // rawio.BLOCK)
        self.written = 0
        self._lock = threading.Lock()

    def read(self, _offset: int, into: memoryview) -> None:
        """Zeroes: the data is gone."""
        into[:] = bytes(len(into))

    def write(self, offset: int, data: memoryview) -> None:
        """Note what came where."""
        first = offset // rawio.BLOCK
        for index in range(len(data) // rawio.BLOCK):
            block = data[index * rawio.BLOCK : (index + 1) * rawio.BLOCK]
            self.checksums[first + index] = zlib.crc32(block)
        with self._lock:
            self.written += len(data)

    def discard(self, offset: int, length: int) -> None:
        """Nothing is kept."""


def write_more_than_memory(times: float) -> dict[str, int]:
    """Write ``times`` as much as the guest's memory through the page cache, to a server in this
    very process; check each block that arrived."""
    total = int(_memory("MemTotal") * times) // MIB * MIB
    disk = ChecksumDisk(total)
    _be_spared_by_the_oom_killer()
    # A seed block, told apart by its first bytes: making random data would take longer than I/O.
    seed = rawio.pattern(rawio.BLOCK)
    with (
        zosbd2.served("pressure", total, disk, threads=2),
        rawio.opened("/dev/pressure", os.O_RDWR) as fd,
    ):
        for at in range(0, total, MIB):
            chunk = b"".join(
                (at + inner).to_bytes(8, "little") + seed[8:]
                for inner in range(0, MIB, rawio.BLOCK)
            )
            assert os.write(fd, chunk) == MIB
        os.fsync(fd)
    wrong = [
        block
        for block, checksum in enumerate(disk.checksums)
        if checksum != zlib.crc32((block * rawio.BLOCK).to_bytes(8, "little") + seed[8:])
    ]
    return {"total": total, "written": disk.written, "wrong blocks": len(wrong)}


def take_memory(leave: int) -> None:
    """Take memory until ``leave`` MiB are available; say so, and hold it until input ends."""
    taken = []
    while (left := _memory("MemAvailable") - leave * MIB) > 0:
        memory = mmap.mmap(-1, min(max(left, MIB), 16 * MIB))
        for at in range(0, len(memory), mmap.PAGESIZE):
            memory[at] = 1
        taken.append(memory)
    print(f"taken: {sum(map(len, taken)) // MIB} MiB", flush=True)
    sys.stdin.read()


def _memory(field: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise AssertionError(f"/proc/meminfo has no {field}")


def _be_spared_by_the_oom_killer() -> None:
    Path("/proc/self/oom_score_adj").write_text("-1000")
