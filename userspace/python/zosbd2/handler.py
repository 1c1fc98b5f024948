# SPDX-License-Identifier: LGPL-2.1-or-later
"""What serves a device: an object with read, write, discard, and more if it can."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Protocol

from .abi import Feature, Operation
from .messages import Request


class Handler(Protocol):
    """What a server does.  Called from all of its threads at once.

    Raise OSError to fail a request with its errno; any other exception fails it with
    EIO, and comes out of Server.wait().  Offsets and lengths are in bytes, multiples of
    the block size.
    """

    def read(self, offset: int, into: memoryview) -> None:
        """Fill *into* with the device's bytes from *offset* on."""

    def write(self, offset: int, data: memoryview) -> None:
        """Store *data*, which is not valid after the call.

        On a device with Feature.FLUSH it need not be durable yet, on others it must be.
        """

    def discard(self, offset: int, length: int) -> None:
        """The bytes are not needed any more."""


class ExtendedHandler(Handler, Protocol):
    """What a handler may have beyond that, for devices with features; each is optional."""

    def flush(self) -> None:
        """Make durable whatever was acknowledged before: for Feature.FLUSH and FUA.

        What is being written meanwhile, by other threads, is not part of it.
        """

    def write_durably(self, offset: int, data: memoryview) -> None:
        """Store *data* durably: for Feature.FUA.  Without it write() and flush() do it."""

    def write_zeroes(self, offset: int, length: int, no_unmap: bool) -> None:
        """The bytes must read as zeroes: for Feature.WRITE_ZEROES.

        With *no_unmap* the space must stay allocated.
        """


def features_of(handler: Handler) -> Feature:
    """The features of a server that *handler* has the methods for."""
    found = Feature(0)
    if _method(handler, "flush"):
        found |= Feature.FLUSH | Feature.FUA
    if _method(handler, "write_zeroes"):
        found |= Feature.WRITE_ZEROES
    return found


class Calls:
    """The methods of a handler, looked up once; those that it lacks raise EIO."""

    def __init__(self, handler: Handler) -> None:
        self.read = handler.read
        self.write = handler.write
        self.discard = handler.discard
        self.flush: Callable[[], Any] = _optional(handler, "flush")
        self.write_zeroes: Callable[[int, int, bool], Any] = _optional(handler, "write_zeroes")
        self.write_durably: Callable[[int, memoryview], Any] = (
            _method(handler, "write_durably") or self._write_and_flush
        )

    def _write_and_flush(self, offset: int, data: memoryview) -> None:
        self.write(offset, data)
        self.flush()


def carry_out(calls: Calls, request: Request, data: memoryview) -> None:
    """Do what *request* wants; *data* is what it reads into or writes."""
    start, length = request.offset, request.total_length
    match request.operation:
        case Operation.READ_REQUEST:
            calls.read(start, data[:length])
        case Operation.WRITE_REQUEST if request.fua:
            calls.write_durably(start, data[:length].toreadonly())
        case Operation.WRITE_REQUEST:
            calls.write(start, data[:length].toreadonly())
        case Operation.DISCARD_REQUEST:
            calls.discard(start, length)
        case Operation.FLUSH_REQUEST:
            calls.flush()
        case Operation.WRITE_ZEROES_REQUEST:
            calls.write_zeroes(start, length, request.no_unmap)
        case other:
            raise OSError(errno.EIO, f"a request that is none: {other.name}")


def _method(handler: Handler, name: str) -> Callable[..., Any] | None:
    found: Callable[..., Any] | None = getattr(handler, name, None)
    return found


def _optional(handler: Handler, name: str) -> Callable[..., Any]:
    def refuse(*_arguments: object) -> None:
        # Not EOPNOTSUPP: an fsync whose flush ends with that succeeds.
        raise OSError(errno.EIO, f"{type(handler).__name__} has no method {name}")

    return _method(handler, name) or refuse
