# SPDX-License-Identifier: MIT
"""Messages are written to and read from memory as the protocol has them; no device needed."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from typing import cast

import pytest
import zosbd2
from zosbd2 import abi
from zosbd2.syscall import Memory

Module = Callable[[bytearray | memoryview], None]
"""Plays the module: changes the memory of a call as the module would."""


class FakeNode:
    """A node whose calls are answered by functions, one after the other."""

    path = "/dev/fake"

    def __init__(self, *script: Module) -> None:
        self.script = list(script)
        self.seen: list[bytes] = []

    def call(self, number: int, argument: Memory) -> int:
        assert number == 58
        self.seen.append(bytes(argument))
        self.script.pop(0)(argument)
        return 0


def exchange_with(*script: Module) -> tuple[zosbd2.Exchange, FakeNode]:
    node = FakeNode(*script)
    return zosbd2.Exchange(cast(zosbd2.Endpoint, node), handle=7), node


def request(
    operation: int,
    *segments: tuple[int, int],
    operation_id: int = 99,
    data: bytes = b"",
    flags: int = 0,
) -> Module:
    def write(memory: bytearray | memoryview) -> None:
        total = sum(length for _, length in segments)
        struct.pack_into("<I4xI4xQI4x", memory, 0, 7, operation, len(data), 0)
        struct.pack_into("<QII", memory, 32, total, len(segments), flags)
        for index, segment in enumerate(segments):
            struct.pack_into("<QQ", memory, 48 + 16 * index, *segment)
        struct.pack_into("<iI", memory, 4144, 0, operation_id)
        memory[4152 : 4152 + len(data)] = data

    return write


def message(operation: int, packet: int = 0) -> Module:
    def write(memory: bytearray | memoryview) -> None:
        struct.pack_into("<I", memory, 8, operation)
        struct.pack_into("<I", memory, 32, packet)

    return write


def interrupted(*, wrote_number: int | None) -> Module:
    def write(memory: bytearray | memoryview) -> None:
        if wrote_number is not None:
            struct.pack_into("<I", memory, 8, 40)
            struct.pack_into("<I", memory, 24, wrote_number)
        raise InterruptedError(errno.EINTR, "interrupted")

    return write


def test_first_call_has_nothing_to_answer() -> None:
    exchange, node = exchange_with(message(8086))
    assert exchange.call() == zosbd2.Gone(handle=7)
    assert struct.unpack_from("<I4xI", node.seen[0]) == (7, 30)


def test_write_request_comes_with_its_data() -> None:
    exchange, _ = exchange_with(request(42, (8192, 4096), (12288, 4096), data=b"ab" * 4096))
    assert exchange.call() == zosbd2.Request(
        operation=zosbd2.Operation.WRITE_REQUEST,
        operation_id=99,
        total_length=8192,
        segments=(zosbd2.Segment(8192, 4096), zosbd2.Segment(12288, 4096)),
        data=b"ab" * 4096,
    )


@pytest.mark.parametrize(("kind", "response"), [(41, 31), (42, 37), (43, 38), (45, 36)])
def test_right_answer_names_request_and_kind(kind: int, response: int) -> None:
    exchange, node = exchange_with(request(kind, (4096, 8192)), message(8086))
    exchange.call(exchange.fetch_request().answer())
    handed_in = node.seen[1]
    assert struct.unpack_from("<I4xI", handed_in) == (7, response)
    assert struct.unpack_from("<Q", handed_in, 32) == (8192,)
    assert struct.unpack_from("<iI", handed_in, 4144) == (0, 99)


def test_a_flush_covers_nothing_and_its_answer_neither() -> None:
    exchange, node = exchange_with(request(44), message(8086))
    flush = exchange.fetch_request()
    assert flush.operation is zosbd2.Operation.FLUSH_REQUEST
    assert (flush.segments, flush.offset, flush.total_length) == ((), 0, 0)
    exchange.call(flush.answer())
    assert struct.unpack_from("<I4xI", node.seen[1]) == (7, 39)
    assert struct.unpack_from("<Q", node.seen[1], 32) == (0,)
    assert struct.unpack_from("<iI", node.seen[1], 4144) == (0, 99)


@pytest.mark.parametrize(
    ("kind", "flags", "fua", "no_unmap"),
    [(42, 0, False, False), (42, 1, True, False), (45, 0, False, False), (45, 2, False, True)],
)
def test_a_request_comes_with_its_flags(kind: int, flags: int, fua: bool, no_unmap: bool) -> None:
    exchange, _ = exchange_with(request(kind, (0, 4096), flags=flags))
    fetched = exchange.fetch_request()
    assert (fetched.flags, fetched.fua, fetched.no_unmap) == (flags, fua, no_unmap)


def test_read_answer_carries_its_data() -> None:
    exchange, node = exchange_with(request(41, (0, 4096)), message(8086))
    exchange.call(exchange.fetch_request().answer(b"x" * 4096))
    assert node.seen[1][4152 : 4152 + 4096] == b"x" * 4096


def test_answer_can_be_wrong_in_every_field() -> None:
    exchange, node = exchange_with(request(41, (0, 4096)), message(8086))
    right = exchange.fetch_request().answer()
    wrong = right._replace(operation=37, operation_id=1, error=-5, total_length=3, handle=8)
    exchange.call(wrong)
    assert struct.unpack_from("<I4xI", node.seen[1]) == (8, 37)
    assert struct.unpack_from("<Q", node.seen[1], 32) == (3,)
    assert struct.unpack_from("<iI", node.seen[1], 4144) == (-5, 1)


def test_interruption_says_whether_the_answer_was_taken() -> None:
    exchange, _ = exchange_with(interrupted(wrote_number=10), interrupted(wrote_number=None))
    assert exchange.call() == zosbd2.Interrupted(signal_number=10, answer_taken=True)
    assert exchange.call() == zosbd2.Interrupted(signal_number=0, answer_taken=False)


def test_fetch_hands_an_answer_in_again_only_if_it_was_not_taken() -> None:
    exchange, node = exchange_with(
        request(43, (0, 4096)),
        interrupted(wrote_number=None),
        interrupted(wrote_number=10),
        request(41, (0, 4096)),
    )
    exchange.fetch_request(exchange.fetch_request().answer())
    operations = [struct.unpack_from("<I", seen, 8)[0] for seen in node.seen]
    assert operations == [30, 38, 38, 30]


def test_fetch_goes_on_after_an_empty_or_a_shutdown_message() -> None:
    exchange, _ = exchange_with(message(40), message(6502, 86), request(41, (0, 4096)))
    assert exchange.fetch_request().operation is zosbd2.Operation.READ_REQUEST


def test_fetch_says_when_the_device_is_gone() -> None:
    exchange, _ = exchange_with(message(8086))
    with pytest.raises(zosbd2.DeviceGone, match="/dev/fake was destroyed"):
        exchange.fetch_request()


def test_fetch_gives_up_at_its_deadline() -> None:
    exchange, _ = exchange_with(*[message(40)] * 1000)
    with pytest.raises(TimeoutError, match=r"no request came from /dev/fake within 0 s"):
        exchange.fetch_request(timeout=0)


def test_unknown_messages_are_passed_on() -> None:
    exchange, _ = exchange_with(message(4711))
    assert exchange.call() == zosbd2.Unknown(4711)


def test_more_segments_than_fit_are_not_read() -> None:
    exchange, _ = exchange_with(request(41, (0, 4096)))

    exchange.transact()
    struct.pack_into("<I", exchange.memory, 40, abi.MAX_SEGMENTS + 1000)
    taken = exchange.take()
    assert isinstance(taken, zosbd2.Request)
    assert len(taken.segments) == abi.MAX_SEGMENTS
