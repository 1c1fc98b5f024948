# SPDX-License-Identifier: MIT
"""Rings are read and written, and requests served over them, as the protocol has it; no device."""

from __future__ import annotations

import ctypes
import errno
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from zosbd2 import ring_abi
from zosbd2.abi import REQUEST_FUA, REQUEST_NO_UNMAP
from zosbd2.channel import Channel, RingLayout
from zosbd2.handler import Calls
from zosbd2.ring_abi import ANSWER_COPY, ANSWER_END, RING_ANSWER, RING_REQUEST, RingOperation
from zosbd2.ring_worker import RingWorker
from zosbd2.worker import Service

READ, WRITE = RingOperation.READ, RingOperation.WRITE
PAGE = 4096
BLOCK = 512

Asked = tuple[int, int, int, int, int]
"""id, start_byte, length_bytes, operation, flags."""


class FakeModule(Channel):
    """A channel whose calls are carried out by an imitation of the module.

    ``requests`` are brought as they are wanted, a write's data being its id all over.  When
    there are none more the device is gone.
    """

    def __init__(self, entries: int = 8) -> None:
        layout = RingLayout(entries, PAGE, 2 * PAGE, 3 * PAGE)
        fd = os.memfd_create("channel")
        os.ftruncate(fd, layout.size)
        super().__init__(fd, Path("/dev/fake"), layout)
        self.requests: deque[Asked] = deque()
        self.brought: dict[int, Asked] = {}
        self.late: set[int] = set()
        """Requests that the server does not have any more when it asks for their data."""
        self.ends: dict[int, int | bytes] = {}
        """By id: the data of reads, and the errors of all others."""
        self.calls: list[tuple[int, int]] = []
        """Of each: the argument, and how many answers it carried out."""
        self.signals: set[int] = set()
        """Calls, counted from 0, that a signal interrupts."""
        self._head = 0
        self._tail = 0

    def start_at(self, position: int) -> None:
        """As if so many requests and answers had been exchanged."""
        self._head = self._tail = self.request_head = self.answer_tail = position

    def enter_raw(self, argument: int) -> int:
        most = argument & ring_abi.ENTER_MAX_REQUESTS
        answers = 0
        while self._head != self.answer_tail:
            self._carry_out((self._head & self._mask) * RING_ANSWER.size)
            self._head = (self._head + 1) & ring_abi.POSITION_MASK
            answers += 1
        self.calls.append((argument, answers))
        if len(self.calls) - 1 in self.signals:
            raise InterruptedError(errno.EINTR, "interrupted")
        used = (self._tail - self.request_head) & ring_abi.POSITION_MASK
        assert used <= self.layout.entries
        count = min(most, len(self.requests), self.layout.entries - used)
        for _ in range(count):
            asked = self.requests.popleft()
            self.brought[asked[0]] = asked
            at = (self._tail & self._mask) * RING_REQUEST.size
            RING_REQUEST.pack_into(self._requests, at, *asked)
            self._tail = (self._tail + 1) & ring_abi.POSITION_MASK
        if not count and argument & ring_abi.ENTER_WAIT:
            ring_abi.RING.pack_into(self.memory, 0, 0, 0, ring_abi.RingState.GONE, 0, 1, 0, 0)
            raise FileNotFoundError(errno.ENOENT, "gone")
        return count

    def _carry_out(self, at: int) -> None:
        request, address, length, offset, error, flags, reserved = RING_ANSWER.unpack_from(
            self._answers, at
        )
        assert (reserved, length, offset) == (0, 0, 0)
        _, _, total, operation, _ = self.brought[request]
        data: int | bytes = error
        if flags & ANSWER_COPY and request in self.late:
            RING_ANSWER.pack_into(self._answers, at, request, 0, 0, 0, -errno.ENOENT, flags, 0)
        elif flags & ANSWER_COPY and operation == WRITE:
            ctypes.memset(address, request, total)
        elif flags & ANSWER_COPY:
            data = ctypes.string_at(address, total)
        if flags & ANSWER_END:
            self.ends[request] = data
            del self.brought[request]


class Noting:
    """A handler that notes its calls; a read gives the block's number all over."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.raises: dict[int, Exception] = {}
        """By offset."""
        self.before: Callable[[], object] = lambda: None

    def read(self, offset: int, into: memoryview) -> None:
        self._note("read", offset, len(into))
        into[:] = bytes([offset // BLOCK]) * len(into)

    def write(self, offset: int, data: memoryview) -> None:
        assert data.readonly
        self._note("write", offset, len(data), *set(bytes(data)))

    def write_durably(self, offset: int, data: memoryview) -> None:
        self._note("write_durably", offset, len(data), *set(bytes(data)))

    def discard(self, offset: int, length: int) -> None:
        self._note("discard", offset, length)

    def write_zeroes(self, offset: int, length: int, no_unmap: bool) -> None:
        self._note("write_zeroes", offset, length, no_unmap)

    def flush(self) -> None:
        self._note("flush", 0)

    def _note(self, what: str, offset: int, *more: object) -> None:
        self.before()
        self.calls.append((what, offset, *more))
        if offset in self.raises:
            raise self.raises[offset]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModule]:
    # On a busy machine a batch may take longer than answers wait for its end.
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    made = FakeModule()
    yield made
    made.close()


def serve(
    module: FakeModule,
    handler: Noting,
    *requests: Asked,
    batch: int = 64,
    is_stopping: Callable[[], bool] = lambda: False,
) -> tuple[str, list[Exception]]:
    """Serve the requests; how it ended, and what else the handler raised."""
    failures: list[Exception] = []
    module.requests.extend(requests)
    worker = RingWorker(module, PAGE, batch)
    ended = worker.serve(Service(Calls(handler), is_stopping, failures.append))
    worker.close()
    return ended, failures


def read(block: int, request: int, length: int = BLOCK) -> Asked:
    return (request, block * BLOCK, length, READ, 0)


def write(block: int, request: int, length: int = BLOCK, flags: int = 0) -> Asked:
    return (request, block * BLOCK, length, WRITE, flags)


def test_requests_are_taken_across_the_end_of_their_ring(module: FakeModule) -> None:
    module.start_at(ring_abi.POSITION_MASK - 2)
    module.requests.extend(read(block, block + 1) for block in range(6))
    assert module.enter(6) == 6
    assert module.take(6) == [read(block, block + 1) for block in range(6)]
    assert module.request_head == 3


def test_answers_lie_in_the_ring_as_they_were_put(module: FakeModule) -> None:
    module.start_at(7)
    assert module.put(5, ANSWER_COPY, -3, 1 << 40, 512, 1024) == 7
    assert module.put(6, ANSWER_END) == 8
    ring = bytes(module.memory[2 * PAGE :])
    assert RING_ANSWER.unpack_from(ring, 7 * 32) == (5, 1 << 40, 512, 1024, -3, ANSWER_COPY, 0)
    assert RING_ANSWER.unpack_from(ring, 0) == (6, 0, 0, 0, 0, ANSWER_END, 0)
    assert module.error_at(7) == -3


def test_a_batch_of_reads_takes_one_call_and_its_answers_the_next(module: FakeModule) -> None:
    handler = Noting()
    ended, failures = serve(module, handler, *(read(block, block + 1) for block in range(5)))
    assert (ended, failures) == ("destroyed", [])
    assert handler.calls == [("read", block * BLOCK, BLOCK) for block in range(5)]
    assert module.ends == {block + 1: bytes([block]) * BLOCK for block in range(5)}
    assert [answers for _, answers in module.calls] == [0, 5]


def test_the_data_of_all_writes_of_a_batch_is_fetched_in_one_call(module: FakeModule) -> None:
    handler = Noting()
    serve(module, handler, write(0, 1), read(9, 2), write(1, 3, 2 * BLOCK))
    assert handler.calls == [
        ("write", 0, BLOCK, 1),
        ("read", 9 * BLOCK, BLOCK),
        ("write", BLOCK, 2 * BLOCK, 3),
    ]
    assert module.ends == {1: 0, 2: bytes([9]) * BLOCK, 3: 0}
    assert [answers for _, answers in module.calls] == [0, 2, 3]


def test_each_request_has_its_method(module: FakeModule) -> None:
    handler = Noting()
    serve(
        module,
        handler,
        write(1, 1, flags=REQUEST_FUA),
        (2, 0, 0, RingOperation.FLUSH, 0),
        (3, BLOCK, BLOCK, RingOperation.DISCARD, 0),
        (4, BLOCK, BLOCK, RingOperation.WRITE_ZEROES, 0),
        (5, BLOCK, BLOCK, RingOperation.WRITE_ZEROES, REQUEST_NO_UNMAP),
        (6, BLOCK, BLOCK, 99, 0),
    )
    assert handler.calls == [
        ("write_durably", BLOCK, BLOCK, 1),
        ("flush", 0),
        ("discard", BLOCK, BLOCK),
        ("write_zeroes", BLOCK, BLOCK, False),
        ("write_zeroes", BLOCK, BLOCK, True),
    ]
    assert module.ends == {1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: -errno.EIO}


def test_a_batch_whose_data_has_no_room_is_served_in_parts(module: FakeModule) -> None:
    # There is room for four of a page.
    handler = Noting()
    serve(
        module,
        handler,
        *(write(8 * block, block + 1, PAGE) for block in range(3)),
        *(read(8 * block, block + 1, PAGE) for block in range(3, 7)),
    )
    assert [call[1] for call in handler.calls] == [PAGE * block for block in range(7)]
    assert [call[3] for call in handler.calls[:3]] == [1, 2, 3]
    assert module.ends == {
        1: 0, 2: 0, 3: 0,
        **{block + 1: bytes([8 * block]) * PAGE for block in range(3, 7)},
    }  # fmt: skip
    assert [answers for _, answers in module.calls] == [0, 3, 4, 3]


def test_a_write_that_is_somebody_elses_by_now_is_left_alone(module: FakeModule) -> None:
    handler = Noting()
    module.late = {2}
    serve(module, handler, write(0, 1), write(1, 2), write(2, 3))
    assert [call[1] for call in handler.calls] == [0, 2 * BLOCK]
    assert module.ends == {1: 0, 3: 0}


def test_what_a_handler_raises_fails_that_request_alone(module: FakeModule) -> None:
    handler = Noting()
    broken = ValueError("broken")
    handler.raises = {0: OSError(errno.ENOSPC, "full"), BLOCK: broken, 2 * BLOCK: OSError("odd")}
    _, failures = serve(module, handler, write(0, 1), read(1, 2), read(2, 3), read(3, 4))
    assert failures == [broken]
    assert module.ends == {
        1: -errno.ENOSPC,
        2: -errno.EIO,
        3: -errno.EIO,
        4: bytes([3]) * BLOCK,
    }


def test_answers_do_not_wait_for_a_request_that_takes_long(
    module: FakeModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Noting()
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def take_long() -> None:
        now[0] += 0.01

    handler.before = take_long
    serve(module, handler, read(0, 1), read(1, 2), read(2, 3))
    assert [answers for _, answers in module.calls] == [0, 1, 1, 1]


def test_a_signal_takes_no_answer_back(module: FakeModule) -> None:
    handler = Noting()
    module.signals = {0, 2}
    ended, _ = serve(module, handler, read(0, 1), read(1, 2), batch=1)
    assert ended == "destroyed"
    assert module.ends == {1: bytes(BLOCK), 2: bytes([1]) * BLOCK}
    assert [answers for _, answers in module.calls] == [0, 0, 1, 0, 1]


def test_a_server_that_stops_hands_in_what_it_has(module: FakeModule) -> None:
    handler = Noting()
    ended, _ = serve(
        module, handler, read(0, 1), read(1, 2), batch=1, is_stopping=lambda: bool(handler.calls)
    )
    assert ended == "stopped"
    assert module.ends == {1: bytes(BLOCK)}
    assert len(module.requests) == 1
