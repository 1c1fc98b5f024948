# SPDX-License-Identifier: MIT
"""Channels by hand: the numbers of the ring protocol, and the least that one can do with them."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from typing import NamedTuple, Self

import zosbd2
from zosbd2 import abi

ATTACH_QUEUE = 0xC040BD05
ENTER = 0xBD20
WAIT = 1 << 16
COPY = 1 << 0
END = 1 << 1

READ = 1
WRITE = 2
FLUSH = 3

# handle_id, flags, features, timeout_ms, queue, entries, then three of what comes out, generation.
_ATTACH = struct.Struct("=IIQIIIIIIQ16x")
_REQUEST = struct.Struct("=QQIHH8x")
_ANSWER = struct.Struct("=QQIIiHH")
_POSITION = struct.Struct("=I")

_REQUEST_TAIL, _ANSWER_HEAD = 0, 4
_REQUEST_HEAD, _ANSWER_TAIL = 64, 68


class Layout(NamedTuple):
    """A channel that was attached, and what its mapping is like, in bytes."""

    fd: int
    entries: int
    requests: int
    answers: int
    size: int


class Asked(NamedTuple):
    """A request as it stands in the ring."""

    id: int
    start: int
    length: int
    operation: int
    flags: int


def attach_queue(control: zosbd2.Control, handle: int, *, take_over: bool = False) -> Layout:
    """One call: a channel to the device's first queue."""
    flags = abi.ATTACH_TAKE_OVER if take_over else 0
    features = int(zosbd2.SERVER_FEATURES)
    buffer = bytearray(_ATTACH.pack(handle, flags, features, 5000, 0, 0, 0, 0, 0, 0))
    fd = control.call(ATTACH_QUEUE, buffer)
    _, _, _, _, _, entries, requests, answers, size, _ = _ATTACH.unpack(buffer)
    return Layout(fd, entries, requests, answers, size)


class Channel:
    """A channel that is mapped; a context manager that closes it."""

    def __init__(self, layout: Layout) -> None:
        self.fd = layout.fd
        self.ring = mmap.mmap(layout.fd, layout.size)
        self._layout = layout
        self._head = self._tail = 0

    @classmethod
    def attached(cls, control: zosbd2.Control, handle: int, *, take_over: bool = False) -> Self:
        """A new one."""
        return cls(attach_queue(control, handle, take_over=take_over))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The mapping first: it holds the file."""
        self.ring.close()
        os.close(self.fd)

    def enter(self, most: int = 0, *, wait: bool = False) -> int:
        """One call: carry the answers out, and bring so many requests at most."""
        return zosbd2.ioctl(self.fd, ENTER, most | (WAIT if wait else 0))

    def take(self) -> list[Asked]:
        """The requests that have come."""
        found = []
        while self._head != self._word(_REQUEST_TAIL):
            at = self._layout.requests + self._head % self._layout.entries * _REQUEST.size
            found.append(Asked(*_REQUEST.unpack_from(self.ring, at)))
            self._head += 1
        _POSITION.pack_into(self.ring, _REQUEST_HEAD, self._head)
        return found

    def put(self, asked: Asked, flags: int, address: int = 0) -> None:
        """Write an answer, for the next call."""
        at = self._layout.answers + self._tail % self._layout.entries * _ANSWER.size
        _ANSWER.pack_into(self.ring, at, asked.id, address, 0, 0, 0, flags, 0)
        self._tail += 1
        _POSITION.pack_into(self.ring, _ANSWER_TAIL, self._tail)

    @property
    def left(self) -> int:
        """Answers that have not been carried out."""
        return self._tail - self._word(_ANSWER_HEAD)

    def _word(self, at: int) -> int:
        word: int = _POSITION.unpack_from(self.ring, at)[0]
        return word


def serve_in(channel: Channel, memory: mmap.mmap, requests: list[Asked]) -> None:
    """Write the answers of a RAM disk: data is copied straight to and from its memory."""
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for asked in requests:
        if asked.operation in (READ, WRITE):
            channel.put(asked, COPY | END, base + asked.start)
            continue
        if asked.operation != FLUSH:
            memory.madvise(mmap.MADV_REMOVE, asked.start, asked.length)
        channel.put(asked, END)
