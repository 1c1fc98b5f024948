# SPDX-License-Identifier: MIT
"""Requests reach the right method of a handler, also those that it need not have."""

from __future__ import annotations

import errno

import pytest
import zosbd2
from zosbd2 import Feature, Operation
from zosbd2.abi import REQUEST_FUA, REQUEST_NO_UNMAP
from zosbd2.handler import Calls, carry_out


class Classic:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def read(self, offset: int, into: memoryview) -> None:
        self.calls.append(("read", offset, len(into)))

    def write(self, offset: int, data: memoryview) -> None:
        self.calls.append(("write", offset, bytes(data)))

    def discard(self, offset: int, length: int) -> None:
        self.calls.append(("discard", offset, length))


class Flushing(Classic):
    def flush(self) -> None:
        self.calls.append(("flush",))


class Everything(Flushing):
    def write_durably(self, offset: int, data: memoryview) -> None:
        self.calls.append(("write_durably", offset, bytes(data)))

    def write_zeroes(self, offset: int, length: int, no_unmap: bool) -> None:
        self.calls.append(("write_zeroes", offset, length, no_unmap))


def calls_of(handler: Classic, operation: Operation, flags: int = 0) -> list[tuple[object, ...]]:
    is_flush = operation is Operation.FLUSH_REQUEST
    request = zosbd2.Request(
        operation=operation,
        operation_id=1,
        total_length=0 if is_flush else 4,
        segments=() if is_flush else (zosbd2.Segment(8, 4),),
        flags=flags,
    )
    carry_out(Calls(handler), request, memoryview(bytearray(b"datamore")))
    return handler.calls


@pytest.mark.parametrize(
    ("operation", "flags", "call"),
    [
        (Operation.READ_REQUEST, 0, ("read", 8, 4)),
        (Operation.WRITE_REQUEST, 0, ("write", 8, b"data")),
        (Operation.WRITE_REQUEST, REQUEST_FUA, ("write_durably", 8, b"data")),
        (Operation.DISCARD_REQUEST, 0, ("discard", 8, 4)),
        (Operation.FLUSH_REQUEST, 0, ("flush",)),
        (Operation.WRITE_ZEROES_REQUEST, 0, ("write_zeroes", 8, 4, False)),
        (Operation.WRITE_ZEROES_REQUEST, REQUEST_NO_UNMAP, ("write_zeroes", 8, 4, True)),
    ],
)
def test_each_request_has_its_method(
    operation: Operation, flags: int, call: tuple[object, ...]
) -> None:
    assert calls_of(Everything(), operation, flags) == [call]


def test_without_a_method_a_durable_write_is_a_write_and_a_flush() -> None:
    calls = calls_of(Flushing(), Operation.WRITE_REQUEST, REQUEST_FUA)
    assert calls == [("write", 8, b"data"), ("flush",)]


@pytest.mark.parametrize("operation", [Operation.FLUSH_REQUEST, Operation.WRITE_ZEROES_REQUEST])
def test_what_a_handler_lacks_fails_as_an_io_error(operation: Operation) -> None:
    with pytest.raises(OSError, match="Classic has no method") as failure:
        calls_of(Classic(), operation)
    assert failure.value.errno == errno.EIO


@pytest.mark.parametrize(
    ("handler", "features"),
    [
        (Classic(), Feature(0)),
        (Flushing(), Feature.FLUSH | Feature.FUA),
        (Everything(), zosbd2.SERVER_FEATURES),
    ],
)
def test_features_follow_from_methods(handler: Classic, features: Feature) -> None:
    assert zosbd2.features_of(handler) == features
