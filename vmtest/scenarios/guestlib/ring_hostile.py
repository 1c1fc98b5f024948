# SPDX-License-Identifier: MIT
"""Channels by hand: answers, positions and callers that are wrong, and rings full of nonsense."""

from __future__ import annotations

import contextlib
import errno
import itertools
import mmap
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NoReturn, TypedDict

import zosbd2
from zosbd2 import Feature, RingOperation, RingState, ring_abi
from zosbd2.abi import DeviceCall
from zosbd2.ring_abi import (
    ANSWER_COPY,
    ANSWER_END,
    ENTER_WAIT,
    RING_ANSWER,
    SERVER_OFFSET,
)

from .disks import (
    BLOCK,
    MIB,
    Store,
    Submitter,
    counter,
    discarder,
    opened,
    pattern,
    pread,
    pwrite,
    reader,
)
from .outcomes import outcome
from .patience import wait_until
from .ring import COPY_AND_END, NAME, Asked, Ring, device, ringed

_BYSTANDER = "bystander"


def _put_raw(
    ring: Ring,
    request: int,
    flags: int,
    reserved: int,
    error: int,
    length: int,
    offset: int,
    address: int,
) -> None:
    """An answer with all of its fields as they are."""
    channel = ring.channel
    at = channel.layout.answers + channel.answer_tail % channel.layout.entries * RING_ANSWER.size
    fields = (request, address, length, offset, error, flags, reserved)
    RING_ANSWER.pack_into(channel.memory, at, *fields)
    channel.answer_tail += 1


def _wrong_answers(asked: Asked, address: int) -> dict[str, tuple[int, ...]]:
    """Answers to a read of four blocks whose first is there."""
    copy, both = ANSWER_COPY, COPY_AND_END
    return {
        "no flag": (asked.id, 0, 0, 0, 0, BLOCK, address),
        "unknown flag": (asked.id, both | 4, 0, 0, 0, BLOCK, address),
        "last flag": (asked.id, 1 << 15, 0, 0, 0, BLOCK, address),
        "reserved": (asked.id, both, 1, 0, 0, BLOCK, address),
        "error and data": (asked.id, both, 0, -errno.EIO, 0, BLOCK, address),
        "error without end": (asked.id, copy, 0, -errno.EIO, 0, BLOCK, address),
        "a gap": (asked.id, copy, 0, 0, BLOCK, 2 * BLOCK, address),
        "an overlap": (asked.id, copy, 0, 0, BLOCK, 0, address),
        "a byte before": (asked.id, both, 0, 0, 0, BLOCK - 1, address),
        "behind the end": (asked.id, copy, 0, 0, 1, 4 * BLOCK, address),
        "far behind the end": (asked.id, copy, 0, 0, 0, 2**32 - BLOCK, address),
        "too long": (asked.id, both, 0, 0, 3 * BLOCK + 1, BLOCK, address),
        "much too long": (asked.id, both, 0, 0, 2**32 - 1, BLOCK, address),
        "no such id, no flag": (asked.id + 1, 0, 0, 0, 0, 0, address),
        "no such id, error and data": (0, both, 0, 5, 0, 0, address),
    }


def wrong_answers_to_a_read() -> tuple[dict[str, list[object]], bool]:
    """Each behind an answer that is right and before another one; then the right one instead."""
    found: dict[str, list[object]] = {}
    data = pattern(0, 4 * BLOCK)
    with ringed() as ring:
        submitter = reader(NAME, 0, 4 * BLOCK)
        (asked,) = ring.fetch(1)
        ring.put(asked, ANSWER_COPY, data, length=BLOCK)
        ring.channel.enter()
        for name, wrong in _wrong_answers(asked, ring.arena.address).items():
            before, behind = reader(NAME, 8 * BLOCK), reader(NAME, 9 * BLOCK)
            one, other = sorted(ring.fetch(2), key=lambda each: each.start)
            ring.put(one, COPY_AND_END, pattern(one.start, BLOCK), at=MIB)
            _put_raw(ring, *wrong)
            ring.put(other, COPY_AND_END, pattern(other.start, BLOCK), at=2 * MIB)
            head = ring.channel.answer_tail - 2
            ended = outcome(ring.channel.enter)
            right = before.end() == pattern(8 * BLOCK, BLOCK)
            at_it = ring.channel.answer_head == head and counter(NAME, "in_flight") == 2
            ring.take_back()
            ring.answer(other, pattern(other.start, BLOCK))
            right = right and behind.end() == pattern(9 * BLOCK, BLOCK)
            found[name] = [ended, at_it, right]
        ring.put(asked, COPY_AND_END, at=BLOCK, offset=BLOCK)
        ring.channel.enter()
        return found, submitter.end() == data


def data_for_what_has_none() -> dict[str, list[object]]:
    """COPY for a discard and a flush, then rightly."""
    found: dict[str, list[object]] = {}
    with ringed(features=Feature.FLUSH) as ring:

        def flush() -> None:
            with opened(NAME, os.O_RDWR) as fd:
                os.fsync(fd)

        # One begins when the other has ended: two threads come in any order.
        for begin in (partial(discarder, NAME, 0, BLOCK), partial(Submitter, flush)):
            submitter = begin()
            (asked,) = ring.fetch(1)
            ended = []
            for flags in (ANSWER_COPY, COPY_AND_END):
                ring.put(asked, flags)
                ended.append(outcome(ring.channel.enter))
                ring.take_back()
            ring.answer(asked)
            found[RingOperation(asked.operation).name] = [*ended, outcome(submitter.end)]
    return found


def wrong_positions() -> tuple[dict[str, list[str]], list[bool]]:
    """Heads and tails that cannot be, with a read under way, which is then answered."""
    with ringed(entries=4) as ring:
        channel = ring.channel
        submitter = reader(NAME, 0)
        (asked,) = ring.fetch(1)
        right = channel.request_head, channel.answer_tail
        found = {}
        for name, positions in {
            "answers beyond the ring": (right[0], right[1] + 5),
            "answers far beyond": (right[0], right[1] + 2**31),
            "answers before the first": (right[0], right[1] - 1),
            "requests that were not brought": (right[0] + 1, right[1]),
            "requests of long ago": (right[0] - 5, right[1]),
        }.items():
            channel.request_head, channel.answer_tail = (each % 2**32 for each in positions)
            found[name] = [
                outcome(partial(channel.enter_raw, argument)) for argument in (0, 1, 1 | ENTER_WAIT)
            ]
        channel.request_head, channel.answer_tail = right
        untouched = counter(NAME, "in_flight") == 1 and counter(NAME, "late_answers") == 0
        ring.answer(asked, pattern(0, BLOCK))
        return found, [untouched, submitter.end() == pattern(0, BLOCK)]


def wrong_positions_amid_a_take_over() -> dict[str, object]:
    """The same for a server that is being retired, which gets no requests any more."""
    with device() as (control, handle):
        ring = Ring(control, handle, entries=4)
        channel = ring.channel
        submitter = reader(NAME, 0)
        (asked,) = ring.fetch(1)
        taking = Submitter(partial(control.attach_queue, handle, take_over=True, timeout_ms=20000))

        def is_retired() -> bool:
            return channel.enter_raw(1) == 0 and channel.state == RingState.QUIESCING

        wait_until("the take-over", is_retired)
        right = channel.request_head, channel.answer_tail
        channel.request_head += 1
        of_requests = [channel.enter_raw(argument) for argument in (0, 1)]
        channel.request_head, channel.answer_tail = right[0], right[1] + 5
        of_answers = [outcome(partial(channel.enter_raw, argument)) for argument in (0, 1)]
        channel.answer_tail = right[1]
        ring.answer_last(asked, pattern(0, BLOCK))
        intact = submitter.end() == pattern(0, BLOCK)
        taking.end()
        return {"requests": of_requests, "answers": of_answers, "intact": intact}


def wrong_calls() -> dict[str, str]:
    """Arguments and numbers that a channel does not know."""
    with ringed() as ring:
        ring.channel.enter()
        call = partial(zosbd2.ioctl, ring.channel.fd)
        tries: dict[str, tuple[int, int | bytearray | None]] = {
            "next bit": (ring_abi.ENTER, 1 << 17),
            "last bit of 32": (ring_abi.ENTER, 1 << 31),
            "last bit": (ring_abi.ENTER, 1 << 63),
            "another number": (ring_abi.ENTER + 2, 0),
            "another size": (ring_abi.ENTER | 4 << 16, 0),
            "classic ping": (DeviceCall.PING, 0),
            "classic operation": (DeviceCall.OPERATION, bytearray(zosbd2.abi.BUFFER_SIZE)),
        }
        return {name: outcome(partial(call, *each)) for name, each in tries.items()}


def wrong_mappings() -> dict[str, str]:
    """mmap of a channel in ways that it is not made for."""
    with ringed() as ring:
        fd, size = ring.channel.fd, ring.channel.layout.size
        page = mmap.PAGESIZE
        return {
            "private": outcome(partial(mmap.mmap, fd, size, mmap.MAP_PRIVATE)),
            "a page more": outcome(partial(mmap.mmap, fd, size + page)),
            "behind the end": outcome(partial(mmap.mmap, fd, page, offset=size)),
            "from the second page on": outcome(partial(mmap.mmap, fd, size - page, offset=page)),
            "for reading": outcome(partial(mmap.mmap, fd, size, prot=mmap.PROT_READ)),
        }


def other_processes() -> dict[str, list[str]]:
    """A child calls channels of its parent, called before or not, and maps one; so does that."""
    with device() as (control, handle):
        mine, its = Ring(control, handle), Ring(control, handle)
        mine.channel.enter()

        def tried() -> list[str]:
            # A child has no mapping to write its positions into.
            call = [
                partial(zosbd2.ioctl, ring.channel.fd, ring_abi.ENTER, 0) for ring in (mine, its)
            ]
            size = mine.channel.layout.size
            return [*map(outcome, call), outcome(partial(mmap.mmap, mine.channel.fd, size))]

        return {"child": _in_child(tried), "parent": tried()}


def without_the_capability() -> list[str]:
    """The process that attached gives up its rights, and goes on."""
    with device() as (control, handle):
        submitter = reader(NAME, 0)

        def serve() -> list[str]:
            ring = Ring(control, handle)
            os.setresuid(65534, 65534, 65534)
            (asked,) = ring.fetch(1)
            return [outcome(partial(ring.answer, asked, pattern(0, BLOCK)))]

        ended = _in_child(serve)
        return [*ended, outcome(submitter.end)]


def _in_child(work: Callable[[], list[str]]) -> list[str]:
    """What *work* returns in a child."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.write(write_end, "\n".join(work()).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        said = pipe.read().split()
    os.waitpid(child, 0)
    return said


def two_threads() -> dict[str, object]:
    """One waits in a call of a channel, and another one calls too."""
    with ringed() as ring:
        waiting = Submitter(partial(ring.channel.enter_raw, 1 | ENTER_WAIT))
        wait_until("it waits", waiting.waits_for_the_module)
        ended = [outcome(partial(ring.channel.enter_raw, argument)) for argument in (0, 64)]
        submitter = reader(NAME, 0)
        brought = waiting.end()
        (asked,) = ring.channel.take(1)
        ring.answer(Asked(*asked), pattern(0, BLOCK))
        return {"ended": ended, "brought": brought, "right": submitter.end() == pattern(0, BLOCK)}


def closed_under_a_waiter() -> dict[str, str]:
    """The descriptor of a channel is closed while a thread waits; then its device goes."""
    with device() as (control, handle):
        ring = Ring(control, handle)
        waiting = Submitter(partial(ring.channel.enter_raw, 1 | ENTER_WAIT))
        wait_until("it waits", waiting.waits_for_the_module)
        os.close(ring.channel.fd)
        closed = outcome(partial(zosbd2.ioctl, ring.channel.fd, ring_abi.ENTER, 0))
        control.destroy(handle, force=True)
        ended = outcome(waiting.end)
        ring.channel.fd = -1
        return {"closed": closed, "waiter": ended}


class Scribbled(TypedDict):
    """What I/O saw while the rings of its server were written to at random."""

    victim: dict[str, int]
    calls: dict[str, int]
    rounds: int
    mismatches: int
    in_flight: int
    afterwards: bool


def scribbled(seed: int, seconds: float) -> Scribbled:
    """A process writes random bytes all over a channel's mapping while another one serves.

    Who uses that device may see anything; another device beside it must be right.
    """
    seen: Counter[str] = Counter()
    over = threading.Event()
    calls = mmap.mmap(-1, mmap.PAGESIZE)
    with (
        device(timeout_seconds=1) as (control, handle),
        zosbd2.served(_BYSTANDER, 4 * MIB, Store(4 * MIB), protocol="ring"),
    ):
        server = os.fork()
        if server == 0:
            _ScribbledServer(handle, seed, calls).run()
        wait_until("the server", lambda: counter(NAME, "servers") == 1)
        users = [Submitter(partial(_use, number, over)) for number in range(2)]
        verifier = Submitter(partial(_verify, over, seen))
        time.sleep(seconds)  # nothing tells when it has been enough
        over.set()
        verifier.end()
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        ring = Ring(control, handle)
        victim: Counter[str] = Counter()
        for each in users:
            _serve_until_ended(ring, each)
            found = each.end()
            assert isinstance(found, Counter)
            victim += found
        submitter = reader(NAME, 0)
        (asked,) = ring.fetch(1)
        ring.answer(asked, pattern(0, BLOCK))
        counts = memoryview(calls).cast("I")
        return {
            "victim": dict(victim),
            "calls": {errno.errorcode.get(number, "OK"): counts[number]
                      for number in range(len(counts)) if counts[number]},
            "rounds": seen["rounds"],
            "mismatches": seen["mismatches"],
            "in_flight": counter(NAME, "in_flight"),
            "afterwards": submitter.end() == pattern(0, BLOCK),
        }  # fmt: skip


def _use(number: int, over: threading.Event) -> Counter[str]:
    """Read and write until it is over: how that ended."""
    found: Counter[str] = Counter()
    with opened(NAME) as fd:
        for turn in itertools.count():
            offset = (turn * 7 + number) % 100 * 8 * BLOCK
            found[outcome(partial(pwrite, fd, bytes(8 * BLOCK), offset))] += 1
            found[outcome(partial(pread, fd, 8 * BLOCK, offset))] += 1
            if over.is_set():
                break
    return found


def _verify(over: threading.Event, seen: Counter[str]) -> None:
    """Write to the bystander and read back, until it is over."""
    with opened(_BYSTANDER) as fd:
        while not over.is_set():
            seen["rounds"] += 1
            data = pattern(0, 16 * BLOCK, seed=seen["rounds"])
            offset = seen["rounds"] % 16 * len(data)
            pwrite(fd, data, offset)
            seen["mismatches"] += pread(fd, len(data), offset) != data


def _serve_until_ended(ring: Ring, submitter: Submitter) -> None:
    while not submitter.seconds:
        for each in ring.channel.take(ring.channel.enter(64)):
            ring.answer(Asked(*each))
        time.sleep(0.01)


class _ScribbledServer:
    """Serves through a channel that another thread writes to at random; never returns.

    ``calls`` counts how the calls ended, by errno. A channel that gets nowhere any more is
    replaced by another one.
    """

    def __init__(self, handle: int, seed: int, calls: mmap.mmap) -> None:
        self._control = zosbd2.Control()
        self._handle = handle
        self._chance = random.Random(seed)
        self._calls = memoryview(calls).cast("I")

    def run(self) -> NoReturn:
        """Until it is killed, or its own memory is so wrong that it dies."""
        try:
            while True:
                ring = Ring(self._control, self._handle)
                enough = threading.Event()
                scribble = partial(self._scribble, ring.channel, self._chance.random(), enough)
                scribbler = threading.Thread(target=scribble)
                scribbler.start()
                self._serve(ring)
                enough.set()
                scribbler.join()
                ring.channel.close()
        finally:
            os._exit(1)

    def _serve(self, ring: Ring) -> None:
        """Until 50 calls in a row have failed."""
        channel = ring.channel
        failures = 0
        while failures < 50:
            try:
                # It must not wait for ever for requests that it cannot make room for.
                count = channel.enter(8)
            except OSError as error:
                self._calls[error.errno or 0] += 1
                failures += 1
                channel.answer_tail = channel.answer_head
                continue
            self._calls[0] += 1
            failures = 0
            for each in channel.take(count):
                asked = Asked(*each)
                flags = COPY_AND_END if asked.operation <= RingOperation.WRITE else ANSWER_END
                ring.put(asked, flags)
            if not count:
                time.sleep(0.001)

    def _scribble(self, channel: zosbd2.Channel, seed: float, enough: threading.Event) -> None:
        # Calls of the channel let it run meanwhile. A child would have no mapping.
        chance = random.Random(seed)
        memory = channel.memory
        places = [
            lambda: SERVER_OFFSET + chance.randrange(8),
            lambda: chance.randrange(128),
            lambda: channel.layout.requests + chance.randrange(16 * 32),
            lambda: channel.layout.answers + chance.randrange(16 * 32),
            lambda: chance.randrange(len(memory) - 64),
        ]
        while not enough.is_set():
            at = chance.choice(places)()
            data = chance.randbytes(chance.choice([1, 1, 2, 4, 32]))
            memory[at : at + len(data)] = data
            time.sleep(chance.choice([0, 0, 0.0005]))
