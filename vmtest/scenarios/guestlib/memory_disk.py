# SPDX-License-Identifier: MIT
"""Devices that the calling process serves itself, and that note each request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import zosbd2
from zosbd2 import WireProtocol

from . import rawio


class RequestLog:
    """Keeps no data; ``requests`` has (what, offset, length) in the order of their coming."""

    def __init__(self, _size: int) -> None:
        self.requests: list[tuple[str, int, int]] = []
        self._lock = threading.Lock()

    def read(self, offset: int, into: memoryview) -> None:
        """Zeroes."""
        self._note("read", offset, len(into))
        into[:] = bytes(len(into))

    def write(self, offset: int, data: memoryview) -> None:
        """Nothing is kept."""
        self._note("write", offset, len(data))

    def discard(self, offset: int, length: int) -> None:
        """Nothing was kept."""
        self._note("discard", offset, length)

    def of_kind(self, what: str) -> list[tuple[int, int]]:
        """(offset, length) of all requests of one kind, by offset."""
        with self._lock:
            return sorted(
                (offset, length) for kind, offset, length in self.requests if kind == what
            )

    def _note(self, what: str, offset: int, length: int) -> None:
        with self._lock:
            self.requests.append((what, offset, length))


class MemoryDisk(RequestLog):
    """Keeps all bytes too."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.data = bytearray(size)

    def read(self, offset: int, into: memoryview) -> None:
        """Fill ``into``."""
        super().read(offset, into)
        into[:] = self.data[offset : offset + len(into)]

    def write(self, offset: int, data: memoryview) -> None:
        """Store ``data``."""
        super().write(offset, data)
        self.data[offset : offset + len(data)] = data

    def discard(self, offset: int, length: int) -> None:
        """Zero the bytes."""
        super().discard(offset, length)
        self.data[offset : offset + length] = bytes(length)


_Disk = TypeVar("_Disk", bound=RequestLog)


@contextmanager
def serving(
    name: str, size: int, kind: type[_Disk], protocol: WireProtocol
) -> Iterator[tuple[str, _Disk]]:
    """Serve a disk of ``size`` bytes; yields its node, once udev has looked at it, and the disk."""
    disk = kind(size)
    with zosbd2.served(name, size, disk, threads=2, protocol=protocol):
        rawio.settle()
        disk.requests.clear()
        yield f"/dev/{name}", disk


def covers(pieces: list[tuple[int, int]], offset: int, length: int) -> None:
    """Raise AssertionError unless the pieces, sorted, cover the range once and nothing else."""
    at = offset
    for start, size in pieces:
        assert start == at, f"a piece starts at {start}, the one before ended at {at}"
        at += size
    assert at == offset + length, f"the pieces end at {at} instead of {offset + length}"
