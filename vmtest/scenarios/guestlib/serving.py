# SPDX-License-Identifier: MIT
"""Servers of every shape: several threads, processes and devices, signals, out of order."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import resource
import signal
import threading
import time
from collections import Counter
from functools import partial
from typing import TypedDict

import zosbd2
from zosbd2 import WireProtocol, abi
from zosbd2.abi import DeviceCall, Operation

from .disks import (
    BLOCK,
    MIB,
    Store,
    Submitter,
    by_hand,
    counter,
    created,
    discard,
    discarder,
    exchange,
    opened,
    pattern,
    pread,
    pwrite,
    reader,
    udev_held,
    writer,
)
from .outcomes import errno_name, outcome
from .patience import wait_until
from .servers import attached, beside

_SIZE = 16 * MIB


def several_devices(protocol: WireProtocol, count: int) -> dict[str, bool]:
    """Write something different to each of several devices at once; where it arrived."""
    with contextlib.ExitStack() as undo:
        stores = [Store(4 * MIB) for _ in range(count)]
        for number, store in enumerate(stores):
            undo.enter_context(zosbd2.served(f"disk{number}", 4 * MIB, store, protocol=protocol))
        contents = [pattern(0, 4 * MIB, seed=number + 1) for number in range(count)]

        def fill(number: int) -> None:
            with opened(f"disk{number}") as fd:
                for at in range(0, 4 * MIB, MIB):
                    pwrite(fd, contents[number][at : at + MIB], at)

        writers = [Submitter(lambda n=number: fill(n)) for number in range(count)]  # type: ignore[misc]
        for each in writers:
            each.end()
        return {
            f"disk{number}": bytes(store.memory) == contents[number]
            for number, store in enumerate(stores)
        }


class Shared(TypedDict):
    """Requests that several servers shared."""

    requests: int
    each_once: bool
    servers: int
    """How many of them got any."""


def threads_share_requests(protocol: WireProtocol, threads: int, requests: int) -> Shared:
    """Blocks are written through a device with several server threads: who got which."""
    got: list[list[int]] = [[] for _ in range(threads)]
    with zosbd2.Control() as control, exchange(control, "testdisk", protocol) as first:
        zosbd2.install_wake_handler()
        exchanges = [beside(control, first) for _ in range(threads)]

        def serve(number: int) -> None:
            mine = exchanges[number]
            answer = None
            while True:
                message = mine.call(answer)
                if not isinstance(message, zosbd2.Request):
                    return
                got[number].append(message.offset)
                # Keeps this thread busy, so that the others have to take the next ones.
                time.sleep(0.01)
                answer = message.answer()

        servers = [Submitter(lambda n=number: serve(n)) for number in range(threads)]  # type: ignore[misc]
        _write_blocks(requests)
        control.destroy(first.handle, force=True)
        for each in servers:
            each.end()
    return _shared(got, requests)


def processes_share_requests(protocol: WireProtocol, processes: int, requests: int) -> Shared:
    """The same with server processes; each tells its offsets through a pipe."""
    pipes: list[int] = []
    with udev_held(), zosbd2.Control() as control, created(control, "testdisk") as handle:
        for _ in range(processes):
            read_end, write_end = os.pipe()
            if os.fork() == 0:
                os.close(read_end)
                _serve_into_pipe(protocol, handle, write_end)
                os._exit(0)
            os.close(write_end)
            pipes.append(read_end)
        wait_until("all processes serve", lambda: counter("testdisk", "servers") == processes)
        _write_blocks(requests)
        control.destroy(handle, force=True)
        got = []
        for pipe in pipes:
            with os.fdopen(pipe) as lines:
                got.append([int(line) for line in lines])
            _, status = os.wait()
            assert status == 0
    return _shared(got, requests)


def _serve_into_pipe(protocol: WireProtocol, handle: int, pipe: int) -> None:
    with zosbd2.Control() as control, by_hand(control, "testdisk", handle, protocol) as mine:
        message = mine.call()
        while isinstance(message, zosbd2.Request):
            os.write(pipe, b"%d\n" % message.offset)
            time.sleep(0.01)
            message = mine.call(message.answer())


def _write_blocks(count: int) -> None:
    def write(first: int) -> None:
        with opened("testdisk") as fd:
            for number in range(first, count, 4):
                pwrite(fd, bytes(BLOCK), number * BLOCK)

    writers = [Submitter(lambda n=number: write(n)) for number in range(4)]  # type: ignore[misc]
    for each in writers:
        each.end()


def _shared(got: list[list[int]], requests: int) -> Shared:
    offsets = sorted(offset for one in got for offset in one)
    return {
        "requests": len(offsets),
        "each_once": offsets == [number * BLOCK for number in range(requests)],
        "servers": sum(bool(one) for one in got),
    }


def answers_in_reverse(protocol: WireProtocol, count: int) -> list[bool]:
    """Fetch several reads and answer the last one first; whether each got its own data."""
    with zosbd2.Control() as control, exchange(control, "testdisk", protocol) as server:
        readers = [reader("testdisk", number * BLOCK) for number in range(count)]
        fetched = [server.fetch_request() for _ in range(count)]
        for request in reversed(fetched):
            server.hand_in(request.answer(pattern(request.offset, BLOCK)))
        return [each.end() == pattern(number * BLOCK, BLOCK) for number, each in enumerate(readers)]


def in_flight_of_one_submitter(protocol: WireProtocol, length: int) -> int:
    """How many requests a single write of *length* bytes has in flight, none answered."""
    with zosbd2.Control() as control, exchange(control, "testdisk", protocol) as server:
        data = pattern(0, length)
        one = writer("testdisk", data, 0)
        fetched: list[zosbd2.Request] = []
        with contextlib.suppress(TimeoutError):
            while sum(request.total_length for request in fetched) < length:
                fetched.append(server.fetch_request(timeout=3))
        in_flight = counter("testdisk", "in_flight")
        assert in_flight == len(fetched)
        for request in fetched:
            assert request.data == data[request.offset : request.offset + request.total_length]
            server.hand_in(request.answer(), timeout=0.01)
        assert one.end() == length
        return in_flight


class Farewell(TypedDict):
    """What server threads saw when their device was destroyed."""

    first: list[str]
    again: list[str]
    seconds: float
    stranger: str
    ping: str


def farewells(protocol: WireProtocol, waiting: int, busy: int, force: bool) -> Farewell:
    """Destroy a device with *waiting* threads in the call and *busy* ones that hold a request.

    ``first`` is what each of them got, ``again`` what it got when it called once more.
    """
    first: list[str] = []
    again: list[str] = []
    destroyed = threading.Event()
    with zosbd2.Control() as control, exchange(control, "testdisk", protocol) as server:

        def transact(mine: zosbd2.Exchange, answer: zosbd2.Answer | None) -> str:
            try:
                message = mine.call(answer)
            except OSError as error:
                return errno_name(error)
            return type(message).__name__

        def serve(holds: bool) -> None:
            mine = beside(control, server)
            answer = None
            if holds:
                answer = mine.fetch_request().answer()
                destroyed.wait(20)
            first.append(transact(mine, answer))
            again.append(transact(mine, None))

        readers = [reader("testdisk", number * BLOCK) for number in range(busy)]
        zosbd2.install_wake_handler()
        threads = [Submitter(lambda: serve(True)) for _ in range(busy)]
        wait_until("the busy ones hold a request", lambda: _fetched() == busy)
        idle = [Submitter(lambda: serve(False)) for _ in range(waiting)]
        wait_until("the others wait", lambda: all(each.waits_for_the_module() for each in idle))
        began = time.monotonic()
        control.destroy(server.handle, force=force)
        destroyed.set()
        for each in (*threads, *idle):
            each.end()
        seconds = time.monotonic() - began
        for each in readers:
            with contextlib.suppress(OSError):
                each.end()
        # One that never served it.
        stranger = outcome(lambda: beside(control, server).call())
        ping = outcome(server.node.ping)
    return {
        "first": first,
        "again": again,
        "seconds": seconds,
        "stranger": stranger,
        "ping": ping,
    }


def _fetched() -> int:
    return counter("testdisk", "in_flight") - counter("testdisk", "queued")


def urgent_storm(signals: int) -> dict[str, int]:
    """Throw SIGURG at a waiting server, which then gets a request: what it noticed."""
    seen: Counter[str] = Counter()
    signal.signal(signal.SIGURG, lambda *_: seen.update(["handled"]))
    me = threading.get_ident()
    with zosbd2.Control() as control, exchange(control, "testdisk") as server:

        def storm() -> bytes:
            # The main thread is about to wait, or waits.
            for _ in range(signals):
                signal.pthread_kill(me, signal.SIGURG)
                time.sleep(0.0005)
            with opened("testdisk") as fd:
                return pread(fd, BLOCK, 0)

        one = Submitter(storm)
        server.put(zosbd2.Answer(Operation.NO_RESPONSE))
        try:
            server.transact()
        except InterruptedError:
            seen["interrupted"] += 1
            one.end()
            return dict(seen)
        request = server.take()
        assert isinstance(request, zosbd2.Request)
        server.hand_in(request.answer(pattern(0, BLOCK)))
        assert one.end() == pattern(0, BLOCK)
        # Pending all the while, it is delivered once the call is over.
        return {"interrupted": seen["interrupted"], "handled": min(seen["handled"], 1)}


def interrupted_by(number: int) -> dict[str, object]:
    """What the buffer says after a signal came while the server waited."""
    signal.signal(number, lambda *_: None)
    me = threading.get_ident()
    with zosbd2.Control() as control, exchange(control, "testdisk") as server:
        server.put(zosbd2.Answer(Operation.NO_RESPONSE))
        done = threading.Event()

        def poke() -> None:
            while not done.wait(0.02):
                signal.pthread_kill(me, number)

        one = Submitter(poke)
        ended = outcome(server.transact)
        done.set()
        one.end()
        _, operation, _, said = abi.OPERATION_HEADER.unpack_from(server.memory, 0)
        # And the server goes on.
        later = reader("testdisk", 0)
        server.hand_in(server.fetch_request().answer(pattern(0, BLOCK)))
        return {
            "outcome": ended,
            "operation": operation,
            "signal": said,
            "goes_on": later.end() == pattern(0, BLOCK),
        }


def resent_answer(protocol: WireProtocol) -> dict[str, object]:
    """An answer is handed in, the wait behind it interrupted, and the same answer sent again."""
    with zosbd2.Control() as control, exchange(control, "testdisk", protocol) as server:
        first = reader("testdisk", 0)
        request = server.fetch_request()
        answer = request.answer(pattern(0, BLOCK))
        interrupted = server.hand_in(answer)
        assert first.end() == pattern(0, BLOCK)
        second = reader("testdisk", BLOCK)
        wait_until("the second read", lambda: counter("testdisk", "queued") == 1)
        # With data that must not go anywhere.
        another = server.call(answer._replace(data=b"\xff" * BLOCK))
        assert isinstance(another, zosbd2.Request)
        late = counter("testdisk", "late_answers")
        server.hand_in(another.answer(pattern(BLOCK, BLOCK)))
        return {
            "first_call": type(interrupted).__name__,
            "late_answers": late,
            "offset": another.offset,
            "second": second.end() == pattern(BLOCK, BLOCK),
            "errors": counter("testdisk", "errors"),
        }


def shapes_of_requests(protocol: WireProtocol) -> dict[str, list[str]]:
    """Write, read and discard in lengths of all sizes; what is wrong with the requests."""
    wrong: dict[str, list[str]] = {"wrong": [], "kinds": []}
    kinds = set()
    with zosbd2.Control() as control, exchange(control, "testdisk", protocol) as server:
        store = bytearray(_SIZE)
        zosbd2.install_wake_handler()

        def serve() -> None:
            answer = None
            while isinstance(message := server.call(answer), zosbd2.Request):
                kinds.add(message.operation.name)
                wrong["wrong"] += _faults(message)
                start, end = message.offset, message.offset + message.total_length
                if message.operation is Operation.READ_REQUEST:
                    answer = message.answer(bytes(store[start:end]))
                    continue
                if message.operation is Operation.WRITE_REQUEST:
                    store[start:end] = message.data
                answer = message.answer()

        thread = Submitter(serve)
        data = pattern(0, _SIZE)
        with opened("testdisk") as fd:
            pwrite(fd, data, 0)
            assert pread(fd, _SIZE, 0) == data
            assert pread(fd, 5 * BLOCK, 3 * BLOCK) == data[3 * BLOCK : 8 * BLOCK]
        with opened("testdisk", os.O_RDWR) as fd:
            # Through the page cache: scattered pages, merged by the block layer.
            os.pwrite(fd, data[: 3 * MIB], 5 * MIB)
            os.fsync(fd)
            discard(fd, BLOCK, 9 * MIB)
        control.destroy(server.handle, force=True)
        thread.end()
    wrong["kinds"] = sorted(kinds)
    return wrong


def _faults(request: zosbd2.Request) -> list[str]:
    """What is wrong with a request."""
    found = []
    segments = request.segments
    if not 1 <= len(segments) <= abi.MAX_SEGMENTS:
        found.append(f"{len(segments)} segments")
    if sum(segment.length for segment in segments) != request.total_length:
        found.append(f"lengths {segments} of {request.total_length} bytes")
    for one, following in itertools.pairwise(segments):
        if one.start + one.length != following.start:
            found.append(f"a gap behind {one}")
    if any(segment.start % BLOCK or segment.length % BLOCK for segment in segments):
        found.append(f"not in blocks: {segments}")
    if request.offset + request.total_length > _SIZE:
        found.append(f"past the end: {segments}")
    is_discard = request.operation is Operation.DISCARD_REQUEST
    if not is_discard and request.total_length > abi.MAX_DATA_BYTES:
        found.append(f"{request.total_length} bytes at once")
    if request.operation is Operation.WRITE_REQUEST and len(request.data) != request.total_length:
        found.append("less data than length")
    return found


def counters_of_known_io(protocol: WireProtocol) -> dict[str, int]:
    """The counters after two writes, a read, a discard, and a read that the server failed."""
    with zosbd2.Control() as control, exchange(control, "testdisk", protocol) as server:
        submitters = [
            writer("testdisk", bytes(2 * BLOCK), 0),
            writer("testdisk", bytes(BLOCK), 8 * BLOCK),
            reader("testdisk", 16 * BLOCK, 4 * BLOCK),
            discarder("testdisk", 0, 32 * BLOCK),
        ]
        wait_until("four requests", lambda: counter("testdisk", "requests") == 4)
        assert counter("testdisk", "in_flight") == counter("testdisk", "queued") == 4
        # All of them first: handing in an answer takes the next request that is there.
        for request in [server.fetch_request() for _ in submitters]:
            server.hand_in(request.answer())
        for each in submitters:
            each.end()
        failing = reader("testdisk", 0)
        server.hand_in(server.fetch_request().answer(error=-errno.EIO))
        assert outcome(failing.end) == "EIO"
        names = (
            "requests", "read_bytes", "write_bytes", "discard_bytes", "errors", "timeouts",
            "late_answers", "queued", "in_flight", "servers",
        )  # fmt: skip
        return {name: counter("testdisk", name) for name in names}


def errors_of_servers(protocol: WireProtocol, errors: list[int]) -> list[str]:
    """What readers get when the server answers with these errors, and one beside them with none."""
    with zosbd2.Control() as control, exchange(control, "testdisk", protocol) as server:
        readers = [reader("testdisk", number * BLOCK) for number in range(len(errors))]
        for request in [server.fetch_request() for _ in readers]:
            error = errors[request.offset // BLOCK]
            server.hand_in(request.answer(error=error))
        return [outcome(each.end) for each in readers]


def ping_device() -> dict[str, str]:
    """DEVICE_PING, and numbers that are no calls of a device."""
    with zosbd2.Control() as control, exchange(control, "testdisk") as server:
        found = {"ping": outcome(server.node.ping)}
        for number in (12, 21, 52, 54, 57, 59, 60):
            found[str(number)] = outcome(partial(server.node.call, number))
        server.node.call(DeviceCall.PING, 0)
        return found


def attached_without_descriptors(protocol: WireProtocol) -> dict[str, object]:
    """A server attaches when its process may open nothing more, and again when it may."""
    with zosbd2.Control() as control, created(control, "testdisk") as handle:
        lowest_free = os.dup(0)
        os.close(lowest_free)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            refused = outcome(lambda: attached(control, handle, protocol))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        servers = [counter("testdisk", "servers")]
        with attached(control, handle, protocol).node:
            servers.append(counter("testdisk", "servers"))
        return {"refused": refused, "servers": servers}
