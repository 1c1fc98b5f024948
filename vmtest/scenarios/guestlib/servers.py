# SPDX-License-Identifier: MIT
"""Servers by hand, one message at a time, in either protocol."""

from __future__ import annotations

import contextlib

from zosbd2 import (
    SERVER_FEATURES,
    Answer,
    Arena,
    Channel,
    Control,
    Endpoint,
    Exchange,
    Feature,
    Gone,
    Interrupted,
    Message,
    NoRequest,
    Operation,
    Request,
    RingOperation,
    RingState,
    Segment,
    ShutdownWanted,
    WireProtocol,
    abi,
)
from zosbd2.ring_abi import ANSWER_COPY, ANSWER_END

_OPERATIONS = {
    RingOperation.READ: Operation.READ_REQUEST,
    RingOperation.WRITE: Operation.WRITE_REQUEST,
    RingOperation.DISCARD: Operation.DISCARD_REQUEST,
    RingOperation.FLUSH: Operation.FLUSH_REQUEST,
    RingOperation.WRITE_ZEROES: Operation.WRITE_ZEROES_REQUEST,
}


class RingExchange(Exchange):
    """A channel that is used as an exchange is, with the messages of the classic protocol.

    Each call brings one request at most. What of an answer the ring protocol does not have, its
    handle and its kind, is not looked at, but that the answer to a read copies its data.
    """

    def __init__(self, channel: Channel, handle: int) -> None:
        self.channel = channel
        self._arena = Arena(abi.BUFFER_SIZE)
        self._answer_address = self._arena.address + abi.DATA_OFFSET
        self._message: Message = NoRequest(0)
        self._gone = False
        super().__init__(_ChannelEndpoint(channel), handle, self._arena.view)

    def put(self, answer: Answer) -> None:
        """Write *answer* into the ring, and its data into the memory."""
        if answer.data is not None:
            self.data[: len(answer.data)] = answer.data
        if answer.operation == Operation.READ_RESPONSE and not answer.error:
            self.channel.put(
                answer.operation_id,
                ANSWER_COPY | ANSWER_END,
                address=self._answer_address,
                length=answer.total_length,
            )
        elif answer.operation != Operation.NO_RESPONSE:
            self.channel.put(answer.operation_id, ANSWER_END, answer.error)

    def transact(self) -> None:
        """As with the classic protocol, whoever is sent away hears of that once."""
        try:
            count = self.channel.enter(1, wait=True)
        except FileNotFoundError:
            if self._gone:
                raise
            self._gone = True
            self._message = Gone(self.handle)
            return
        if count:
            self._message = self._taken()
        else:
            self._message = ShutdownWanted(abi.SIGNAL_SHUTDOWN)

    def hand_in(self, answer: Answer, *, timeout: float = 0.0) -> Message:  # noqa: ARG002
        """Hand *answer* in, which needs no wait and brings no request."""
        self.put(answer)
        try:
            self.channel.enter()
        except FileNotFoundError:
            return Gone(self.handle)
        if self.channel.state == RingState.QUIESCING:
            return ShutdownWanted(abi.SIGNAL_SHUTDOWN)
        return self.interruption()

    def take(self) -> Message:
        """What the last call has brought."""
        return self._message

    def interruption(self) -> Interrupted:
        """A signal that comes later than the answers leaves no doubt."""
        return Interrupted(signal_number=0, answer_taken=True)

    def _taken(self) -> Message:
        """The request that was brought; a write's data is fetched into the memory."""
        ((name, start, length, operation, flags),) = self.channel.take(1)
        if operation == RingOperation.WRITE:
            position = self.channel.put(name, ANSWER_COPY, address=self._answer_address)
            with contextlib.suppress(FileNotFoundError):  # the next call tells
                self.channel.enter()
            if self.channel.error_at(position):
                return NoRequest(0)  # it is not this server's any more
        return Request(
            operation=_OPERATIONS[RingOperation(operation)],
            operation_id=name,
            total_length=length,
            segments=() if operation == RingOperation.FLUSH else (Segment(start, length),),
            flags=flags,
        )


class _ChannelEndpoint(Endpoint):
    """A channel in the place of a block device or a session."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel.fd, channel.path)
        self._channel = channel

    def close(self) -> None:
        self._channel.close()


def attached(
    control: Control,
    handle: int,
    protocol: WireProtocol,
    *,
    features: Feature = SERVER_FEATURES,
    take_over_ms: int | None = None,
) -> Exchange:
    """A server of the device, through a session or a channel; ``node.close()`` ends it.

    With *take_over_ms* it takes the device over, within so many milliseconds.
    """
    take_over = take_over_ms is not None
    timeout_ms = take_over_ms or 0
    if protocol == "ring":
        channel = control.attach_queue(
            handle, features=features, take_over=take_over, timeout_ms=timeout_ms
        )
        return RingExchange(channel, handle)
    session = control.attach(handle, features=features, take_over=take_over, timeout_ms=timeout_ms)
    return Exchange(session, handle)


def beside(control: Control, server: Exchange) -> Exchange:
    """The same server for another of its threads."""
    if isinstance(server, RingExchange):
        return attached(control, server.handle, "ring")
    return Exchange(server.node, server.handle)
