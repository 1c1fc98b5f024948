# SPDX-License-Identifier: MIT
"""Servers that need no memory for the data they take, and processes that take all there is."""

from __future__ import annotations

import mmap
import os
import sys
from array import array
from pathlib import Path

import zosbd2
from zosbd2 import WireProtocol

from . import rawio

MIB = 1 << 20

# Words of 8 bytes in a block.
_WORDS = rawio.BLOCK // 8


class StampDisk:
    """Keeps the first and the last 8 bytes of each block; reads return zeroes."""

    def __init__(self, size: int) -> None:
        self.first = array("Q", bytes(size // rawio.BLOCK * 8))
        self.last = array("Q", self.first)

    def read(self, _offset: int, into: memoryview) -> None:
        """Zeroes: the data is gone."""
        into[:] = bytes(len(into))

    def write(self, offset: int, data: memoryview) -> None:
        """Note what came where."""
        blocks = slice(offset // rawio.BLOCK, (offset + len(data)) // rawio.BLOCK)
        words = data.cast("Q")
        self.first[blocks] = array("Q", words[::_WORDS].tolist())
        self.last[blocks] = array("Q", words[_WORDS - 1 :: _WORDS].tolist())

    def discard(self, offset: int, length: int) -> None:
        """Nothing is kept."""


def write_more_than_memory(protocol: WireProtocol, times: float) -> dict[str, int]:
    """Write ``times`` as much as the guest's memory through the page cache, to a server in this
    very process; then look at the stamps that arrived."""
    total = int(_memory("MemTotal") * times) // MIB * MIB
    disk = StampDisk(total)
    _be_spared_by_the_oom_killer()
    chunk = bytearray(MIB)
    words = memoryview(chunk).cast("Q")
    with (
        zosbd2.served("pressure", total, disk, threads=2, protocol=protocol),
        rawio.opened("/dev/pressure", os.O_RDWR) as fd,
    ):
        for at in range(0, total, MIB):
            numbers = array("Q", range(at // rawio.BLOCK + 1, (at + MIB) // rawio.BLOCK + 1))
            words[::_WORDS] = memoryview(numbers)
            words[_WORDS - 1 :: _WORDS] = memoryview(numbers)
            assert os.write(fd, chunk) == MIB
        os.fsync(fd)
    wrong = sum(
        not stamp == first == last
        for stamp, (first, last) in enumerate(zip(disk.first, disk.last, strict=True), start=1)
    )
    return {"blocks": len(disk.first), "wrong": wrong}


def take_memory(leave: int) -> None:
    """Take memory until ``leave`` MiB are available; say so, and hold it until input ends."""
    taken = []
    while _memory("MemAvailable") > leave * MIB:
        memory = mmap.mmap(-1, 4 * MIB)
        memory[:: mmap.PAGESIZE] = b"x" * (len(memory) // mmap.PAGESIZE)
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
