# SPDX-License-Identifier: LGPL-2.1-or-later
"""The low level: one message at a time, right or wrong, as a test wants it."""

from __future__ import annotations

import time

from . import abi
from .abi import DeviceCall, Operation
from .endpoint import Endpoint
from .errors import DeviceGone
from .messages import (
    Answer,
    Gone,
    Interrupted,
    Message,
    NoRequest,
    Request,
    Segment,
    ShutdownWanted,
    Unknown,
)
from .syscall import Memory
from .wake import interrupt_after

_NOTHING_TO_ANSWER = Answer(Operation.NO_RESPONSE)


class Exchange:
    """The memory through which one server thread talks to the module.

    ``call`` is the whole protocol: it hands in an answer, or nothing, and waits for the
    next message.  One request can be fetched after the other without answering, and
    answered in any order, or never, or twice::

        first = exchange.fetch_request()
        second = exchange.fetch_request()
        exchange.hand_in(second.answer())
        exchange.hand_in(first.answer()._replace(operation=Operation.WRITE_RESPONSE))

    ``put``, ``transact`` and ``take`` are the parts of ``call``, for tests that change
    the memory in between.
    """

    def __init__(self, node: Endpoint, handle: int, memory: Memory | None = None) -> None:
        """Talk about device *handle* through *node*, which may be another device's.

        *node* is a DeviceNode or a Session.

        *memory* is as long as the protocol wants it if left out.  The module writes up
        to abi.BUFFER_SIZE bytes, so shorter memory has to be a GuardedMemory's view.
        """
        self.node = node
        self.handle = handle
        self.memory = memoryview(bytearray(abi.BUFFER_SIZE) if memory is None else memory)

    @property
    def data(self) -> memoryview:
        """The part of the memory that holds the data of reads and writes."""
        return self.memory[abi.DATA_OFFSET :]

    def call(self, answer: Answer | None = None, *, timeout: float | None = None) -> Message:
        """Hand *answer* in and wait for the next message, a write's data included.

        Returns Interrupted for any signal but SIGURG, and when *timeout* seconds are
        over.  Raises OSError if the module refuses the call.
        """
        self.put(_NOTHING_TO_ANSWER if answer is None else answer)
        try:
            with interrupt_after(timeout):
                self.transact()
        except InterruptedError:
            return self.interruption()
        message = self.take()
        if isinstance(message, Request) and message.operation is Operation.WRITE_REQUEST:
            return message._replace(data=bytes(self.data[: message.total_length]))
        return message

    def fetch_request(self, answer: Answer | None = None, *, timeout: float = 5.0) -> Request:
        """Hand *answer* in and wait for a request.

        Raises TimeoutError after *timeout* seconds, DeviceGone when the device is gone.
        """
        deadline = time.monotonic() + timeout
        while True:
            message = self.call(answer, timeout=max(deadline - time.monotonic(), 0))
            match message:
                case Request():
                    return message
                case Gone():
                    raise DeviceGone(self.node.path)
                case Interrupted(answer_taken=False):
                    pass
                case _:
                    answer = None
            if time.monotonic() >= deadline:
                raise TimeoutError(f"no request came from {self.node.path} within {timeout} s")

    def hand_in(self, answer: Answer, *, timeout: float = 0.05) -> Message:
        """Hand *answer* in without wanting another request.

        The protocol waits for the next request with the same call, so one that is there
        or comes within *timeout* seconds is returned, and is the caller's to answer.
        """
        while True:
            message = self.call(answer, timeout=timeout)
            if not isinstance(message, Interrupted) or message.answer_taken:
                return message

    def put(self, answer: Answer) -> None:
        """Write *answer* into the memory."""
        handle = self.handle if answer.handle is None else answer.handle
        abi.OPERATION_HEADER.pack_into(self.memory, 0, handle, answer.operation, 0, 0)
        abi.OPERATION_RESPONSE.pack_into(self.memory, abi.PACKET_OFFSET, answer.total_length)
        abi.OPERATION_TAIL.pack_into(
            self.memory, abi.TAIL_OFFSET, answer.error, answer.operation_id
        )
        if answer.data is not None:
            self.data[: len(answer.data)] = answer.data

    def transact(self) -> None:
        """Give the memory to the module and wait: one ioctl, errors as plain OSError."""
        self.node.call(DeviceCall.OPERATION, self.memory)

    def take(self) -> Message:
        """Read the message that is in the memory.  A write's data stays where it is."""
        handle, operation, _, number = abi.OPERATION_HEADER.unpack_from(self.memory, 0)
        match operation:
            case (
                Operation.READ_REQUEST
                | Operation.WRITE_REQUEST
                | Operation.DISCARD_REQUEST
                | Operation.FLUSH_REQUEST
                | Operation.WRITE_ZEROES_REQUEST
            ):
                return self._request(Operation(operation))
            case Operation.DEVICE_GONE:
                return Gone(handle)
            case Operation.NO_REQUEST:
                return NoRequest(number)
            case Operation.SIGNAL:
                (action,) = abi.OPERATION_SIGNAL.unpack_from(self.memory, abi.PACKET_OFFSET)
                return ShutdownWanted(action)
            case _:
                return Unknown(operation)

    def interruption(self) -> Interrupted:
        """Read what is in the memory after EINTR."""
        _, operation, _, number = abi.OPERATION_HEADER.unpack_from(self.memory, 0)
        taken = operation == Operation.NO_REQUEST
        return Interrupted(signal_number=number if taken else 0, answer_taken=taken)

    def _request(self, operation: Operation) -> Request:
        total, count, flags = abi.OPERATION_REQUEST.unpack_from(self.memory, abi.PACKET_OFFSET)
        _, operation_id = abi.OPERATION_TAIL.unpack_from(self.memory, abi.TAIL_OFFSET)
        end = abi.SEGMENTS_OFFSET + min(count, abi.MAX_SEGMENTS) * abi.SEGMENT.size
        segments = abi.SEGMENT.iter_unpack(self.memory[abi.SEGMENTS_OFFSET : end])
        return Request(
            operation=operation,
            operation_id=operation_id,
            total_length=total,
            segments=tuple(Segment(start, length) for start, length in segments),
            flags=flags,
        )
