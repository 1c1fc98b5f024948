# SPDX-License-Identifier: MIT
"""A server that is honest until it is told to get one bit of one write wrong."""

from __future__ import annotations

import sys
import threading

import zosbd2

from . import rawio
from .memory_disk import MemoryDisk


class CorruptingDisk(MemoryDisk):
    """Honest until ``lie``."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._left: int | None = None
        self._least = 0
        self._counting = threading.Lock()

    def lie(self, skipped: int, least: int) -> None:
        """Corrupt one write of ``least`` bytes or more, once ``skipped`` such have been stored."""
        with self._counting:
            self._left, self._least = skipped, least

    def write(self, offset: int, data: memoryview) -> None:
        """Store, perhaps wrongly."""
        super().write(offset, data)
        if self._is_victim(len(data)):
            self.data[offset + len(data) // 2 + 1234] ^= 0x10

    def _is_victim(self, length: int) -> bool:
        with self._counting:
            if self._left is None or length < self._least:
                return False
            self._left -= 1
            return self._left == -1


def serve(name: str, size: int) -> None:
    """Serve until the device is destroyed; says "ready" when it can be used.

    A line "SKIPPED LEAST" on standard input is for `CorruptingDisk.lie`; it says "lying" then.
    """
    disk = CorruptingDisk(size)
    with zosbd2.served(name, size, disk, threads=2) as server:
        threading.Thread(target=_obey, args=(disk,), daemon=True).start()
        rawio.settle()
        print("ready", flush=True)
        server.wait()


def _obey(disk: CorruptingDisk) -> None:
    for line in sys.stdin:
        skipped, least = map(int, line.split())
        disk.lie(skipped, least)
        print("lying", flush=True)
