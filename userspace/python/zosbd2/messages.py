# SPDX-License-Identifier: LGPL-2.1-or-later
"""What module and server say to each other on a block device or a session.

The values are named tuples, as Debian's python3-minimal has no dataclasses.
"""

from __future__ import annotations

from typing import NamedTuple

from .abi import REQUEST_FUA, REQUEST_NO_UNMAP, RESPONSE_TO, Operation


class Segment(NamedTuple):
    """A contiguous piece of the device, in bytes."""

    start: int
    length: int


class Answer(NamedTuple):
    """What goes to the module.  Any field may be wrong on purpose: see its ``_replace``."""

    operation: int
    operation_id: int = 0
    error: int = 0
    """0, or a negative errno that fails the request."""
    data: bytes | None = None
    """Goes behind the struct; None leaves there what is there."""
    total_length: int = 0
    """Of the response's packet, in bytes."""
    handle: int | None = None
    """None: the device's own."""


class Request(NamedTuple):
    """A read, write, discard, flush, or write of zeroes.

    A flush has no segments, no offset and no length.
    """

    operation: Operation
    operation_id: int
    total_length: int
    """Bytes of the device that it covers."""
    segments: tuple[Segment, ...]
    data: bytes = b""
    """What to write, if it is a write that was fetched with its data."""
    flags: int = 0
    """abi.REQUEST_*."""

    @property
    def offset(self) -> int:
        """Where it starts on the device, in bytes."""
        return self.segments[0].start if self.segments else 0

    @property
    def fua(self) -> bool:
        """Whether it is a write that must be durable before it is acknowledged."""
        return bool(self.flags & REQUEST_FUA)

    @property
    def no_unmap(self) -> bool:
        """Whether it is a write of zeroes that must keep the space allocated."""
        return bool(self.flags & REQUEST_NO_UNMAP)

    def answer(self, data: bytes | None = None, *, error: int = 0) -> Answer:
        """The right answer; *data* is for reads and is zeroes if left out."""
        if self.operation is Operation.READ_REQUEST and data is None and not error:
            data = bytes(self.total_length)
        return self.answer_in_place(error)._replace(data=data)

    def answer_in_place(self, error: int = 0) -> Answer:
        """The right answer for a read whose data is already where it has to be."""
        return Answer(
            operation=RESPONSE_TO[self.operation],
            operation_id=self.operation_id,
            error=error,
            total_length=self.total_length,
        )


class Interrupted(NamedTuple):
    """A signal ended the wait."""

    signal_number: int
    answer_taken: bool
    """Whether the module has the answer that went in with the call."""


class NoRequest(NamedTuple):
    """The wait ended without a request: call again."""

    signal_number: int


class ShutdownWanted(NamedTuple):
    """Somebody takes the device over: each thread is told once, and gets no more requests.

    What the server still has it is to hand in, and then to close.  A thread that calls
    again waits until the device is gone, or the take-over was given up: then it serves on.
    """

    signal_action: int


class Gone(NamedTuple):
    """The device was destroyed: do not call again."""

    handle: int


class Unknown(NamedTuple):
    """A message of a kind that this package does not know."""

    operation: int


Message = Request | Interrupted | NoRequest | ShutdownWanted | Gone | Unknown
