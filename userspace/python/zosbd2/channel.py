# SPDX-License-Identifier: LGPL-2.1-or-later
"""The low level of the ring protocol: one thread's way to a queue of a device."""

from __future__ import annotations

import contextlib
import fcntl
from pathlib import Path
from typing import Final, NamedTuple

from .descriptor import Descriptor
from .ring_abi import (
    ENTER,
    ENTER_WAIT,
    POSITION_MASK,
    RING,
    RING_ANSWER,
    RING_REQUEST,
    SERVER_OFFSET,
    SERVER_PART,
    WAKE,
)
from .syscall import HAVE_CTYPES, address_of

try:
    import mmap
except ImportError:
    _HAVE_MMAP = False
else:
    _HAVE_MMAP = True

HAVE_RINGS: Final = HAVE_CTYPES and _HAVE_MMAP
"""Whether this Python can serve over rings: Debian's python3-minimal cannot."""

RingRequest = tuple[int, int, int, int, int]
"""id, start_byte, length_bytes, operation (RingOperation), flags (abi.REQUEST_*)."""


class RingLayout(NamedTuple):
    """What is where in the mapping of a channel, in bytes from its start."""

    entries: int
    """Of each ring; a power of two."""
    requests: int
    answers: int
    size: int


class Channel(Descriptor):
    """What Control.attach_queue() returns; a context manager that closes it.

    Belongs to the process that attached it, and to one thread at a time.
    When it is closed, what was fetched through it and not answered is handed on, or fails.

    Answers are put into their ring, and carried out by the next ``enter``, which also makes
    room for them; so there are at most ``layout.entries`` at a time::

        channel.enter(1, wait=True)
        for name, start, length, operation, flags in channel.take(1):
            channel.put(name, ANSWER_COPY | ANSWER_END, address=...)
        channel.enter()
    """

    def __init__(self, fd: int, path: Path, layout: RingLayout) -> None:
        """Map *fd*, which is the channel's from now on."""
        super().__init__(fd)
        self.path = path
        """The block device, for messages."""
        self.layout = layout
        self.request_head = 0
        """Requests before it have been taken."""
        self.answer_tail = 0
        """Answers before it have been put."""
        self._mask = layout.entries - 1
        try:
            self._map = mmap.mmap(fd, layout.size)
        except OSError:
            self.close()
            raise
        self.memory = memoryview(self._map)
        """The whole mapping, which the module shares."""
        end = layout.entries * RING_REQUEST.size
        self._requests = self.memory[layout.requests : layout.requests + end]
        end = layout.entries * RING_ANSWER.size
        self._answers = self.memory[layout.answers : layout.answers + end]

    def close(self) -> None:
        """Unmap and close it; twice is fine.  No thread may be in a call."""
        if self.fd >= 0 and hasattr(self, "_map"):
            # The mapping would keep the channel open.
            for view in (self._requests, self._answers, self.memory):
                view.release()
            self._map.close()
        super().close()

    @property
    def state(self) -> int:
        """What the device was to the channel at the last call: see ring_abi.RingState."""
        state: int = RING.unpack_from(self.memory)[2]
        return state

    @property
    def generation(self) -> int:
        """What other channels of this server name, see Control.attach_queue()."""
        generation: int = RING.unpack_from(self.memory)[4]
        return generation

    @property
    def request_tail(self) -> int:
        """Requests before it have been brought."""
        tail: int = RING.unpack_from(self.memory)[0]
        return tail

    @property
    def answer_head(self) -> int:
        """Answers before it have been carried out."""
        head: int = RING.unpack_from(self.memory)[1]
        return head

    def enter(self, most: int = 0, *, wait: bool = False) -> int:
        """Have all answers carried out, and bring up to *most* requests; returns how many.

        Raises plain OSError: EBADMSG or EFAULT if the answer at answer_head is wrong, ENOBUFS
        if requests are asked for and there is no room for one;
        FileNotFoundError when the device is gone, or another's: see state;
        InterruptedError when a signal ended the wait, and all answers are carried out; EPERM
        in another process than the one that attached, EBUSY beside another thread.
        """
        return self.enter_raw(most | ENTER_WAIT if wait else most)

    def enter_raw(self, argument: int) -> int:
        """The same with the argument as the module gets it."""
        SERVER_PART.pack_into(self.memory, SERVER_OFFSET, self.request_head, self.answer_tail)
        # With a number it lets other threads run meanwhile.
        return fcntl.ioctl(self.fd, ENTER, argument)

    def wake(self) -> None:
        """Have the thread that waits in enter(), or else the next one that would, return 0."""
        fcntl.ioctl(self.fd, WAKE)

    def take(self, count: int) -> list[RingRequest]:
        """The next *count* requests; that many must have been brought."""
        first = self.request_head & self._mask
        last = first + count
        size = RING_REQUEST.size
        self.request_head = (self.request_head + count) & POSITION_MASK
        if last <= self.layout.entries:
            return list(RING_REQUEST.iter_unpack(self._requests[first * size : last * size]))
        last -= self.layout.entries
        return [
            *RING_REQUEST.iter_unpack(self._requests[first * size :]),
            *RING_REQUEST.iter_unpack(self._requests[: last * size]),
        ]

    def put(
        self,
        request: int,
        flags: int,
        error: int = 0,
        address: int = 0,
        length: int = 0,
        offset: int = 0,
    ) -> int:
        """Put an answer, unchecked, to the request of that id; returns its position.

        *error* is 0 or a negative errno; *length* and *offset* are in bytes.
        """
        position = self.answer_tail
        at = (position & self._mask) * RING_ANSWER.size
        RING_ANSWER.pack_into(self._answers, at, request, address, length, offset, error, flags, 0)
        self.answer_tail = (position + 1) & POSITION_MASK
        return position

    def error_at(self, position: int) -> int:
        """The error in an answer without ANSWER_END, once it has been carried out.

        -ENOENT if its request is not with this server any more.
        """
        at = (position & self._mask) * RING_ANSWER.size
        error: int = RING_ANSWER.unpack_from(self._answers, at)[4]
        return error


class Arena:
    """Memory for the data of requests, which the module copies to and from."""

    def __init__(self, size: int) -> None:
        self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.view = memoryview(self._map)
        self.address = address_of(self.view)
        self.size = size

    def close(self) -> None:
        """Release it, once all other views of it are gone."""
        self.view.release()
        with contextlib.suppress(BufferError):  # somebody has kept one
            self._map.close()
