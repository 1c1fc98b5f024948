# SPDX-License-Identifier: MIT
"""Servers of a file that break a promise on purpose: what the crash scenarios must notice."""

from __future__ import annotations

import os

import zosbd2

from . import rawio

# How many writes a server that answers early is behind.
_LATER = 24

# Flushes that one that drops them carries out at first: there shall be a file system to lose.
_HONEST = 10


class HonestFile:
    """Keeps every promise: what passes with it fails with the others because of what they do."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def read(self, offset: int, into: memoryview) -> None:
        """Zeroes behind the end."""
        got = os.preadv(self._fd, [into], offset)
        into[got:] = bytes(len(into) - got)

    def write(self, offset: int, data: memoryview) -> None:
        """All of it."""
        assert os.pwrite(self._fd, data, offset) == len(data)

    def discard(self, offset: int, length: int) -> None:
        """Nothing: the bytes may stay."""

    def flush(self) -> None:
        """Make it durable."""
        os.fdatasync(self._fd)


class DroppedFlushes(HonestFile):
    """After some time answers flushes and does not flush."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        # Not in this system's page cache, which is another one than that which is to lose things.
        self._durable = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
        self._flushes = 0

    def read(self, offset: int, into: memoryview) -> None:
        """Past the page cache."""
        into[:] = rawio.read_at(self._durable, len(into), offset)

    def write(self, offset: int, data: memoryview) -> None:
        """Past the page cache."""
        rawio.write_at(self._durable, bytes(data), offset)

    def flush(self) -> None:
        """The first ones only."""
        self._flushes += 1
        if self._flushes <= _HONEST:
            super().flush()


class EarlyAnswers(HonestFile):
    """Answers a write before it is carried out, which is some writes later."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._pending: list[tuple[int, bytes]] = []

    def read(self, offset: int, into: memoryview) -> None:
        """As if all were written."""
        super().read(offset, into)
        for start, data in self._pending:
            first, last = max(start, offset), min(start + len(data), offset + len(into))
            if first < last:
                into[first - offset : last - offset] = data[first - start : last - start]

    def write(self, offset: int, data: memoryview) -> None:
        """Later."""
        self._pending.append((offset, bytes(data)))
        if len(self._pending) > _LATER:
            start, oldest = self._pending.pop(0)
            super().write(start, memoryview(oldest))


class LostAfterReattach(HonestFile):
    """Says of the first write that it gets that it has been carried out."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._lost = False

    def write(self, offset: int, data: memoryview) -> None:
        """All but the first."""
        if self._lost:
            super().write(offset, data)
        self._lost = True


LIES = {
    "none": HonestFile,
    "drops flushes": DroppedFlushes,
    "answers early": EarlyAnswers,
    "loses a write after reattach": LostAfterReattach,
}


def serve(lie: str, name: str, path: str, size: int, again: bool) -> None:
    """Serve a file or block device until the device is gone; ``again``: the device exists.

    Says "ready". Only a successor lies in the way that is about reattaching.
    """
    if again:
        with zosbd2.reattached(name, LIES[lie](path)) as server:
            print("ready", flush=True)
            server.wait()
        return
    first = HonestFile(path) if lie == "loses a write after reattach" else LIES[lie](path)
    features = zosbd2.Feature.FLUSH
    with zosbd2.served(name, size, first, features=features) as server:
        print("ready", flush=True)
        server.wait()
