# SPDX-License-Identifier: MIT
"""Channels by hand: what only the ring protocol has, done rightly."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypedDict, Unpack

import zosbd2
from zosbd2 import Arena, Channel, Control, DeviceOptions, RingOperation, RingState, WireProtocol
from zosbd2.ring_abi import ANSWER_COPY, ANSWER_END
from zosbd2.wake import interrupt_after

from .disks import (
    BLOCK,
    MIB,
    Submitter,
    counter,
    opened,
    outlived,
    pattern,
    pread,
    reader,
    udev_held,
    writer,
)
from .outcomes import outcome
from .patience import wait_until
from .servers import attached

NAME = "testdisk"
SIZE = 16 * MIB

COPY_AND_END = ANSWER_COPY | ANSWER_END


class Asked(NamedTuple):
    """A request as it stands in the ring."""

    id: int
    start: int
    length: int
    operation: int
    flags: int


class Ring:
    """A channel, and memory for data; the calls are those of one thread."""

    def __init__(
        self,
        control: Control,
        handle: int,
        queue: int = 0,
        *,
        entries: int = 0,
        room: int = 4 * MIB,
    ) -> None:
        self.channel: Channel = control.attach_queue(handle, queue, entries=entries)
        self.arena = Arena(room)

    def fetch(self, count: int, *, most: int | None = None, timeout: float = 10.0) -> list[Asked]:
        """Wait for so many requests, in calls that bring *most* at most."""
        found: list[Asked] = []
        with interrupt_after(timeout):
            while len(found) < count:
                brought = self.channel.enter(most or count - len(found), wait=True)
                found += [Asked(*each) for each in self.channel.take(brought)]
        return found

    def put(
        self, asked: Asked, flags: int, data: bytes = b"", *, at: int = 0, **fields: int
    ) -> int:
        """Put an answer whose data is *at* some place of the memory; returns its position."""
        self.arena.view[at : at + len(data)] = data
        address = self.arena.address + at if flags & ANSWER_COPY else 0
        return self.channel.put(asked.id, flags, **{"address": address, **fields})

    def answer(self, asked: Asked, data: bytes = b"") -> None:
        """Answer one request rightly: a read with *data*."""
        copies = asked.operation == RingOperation.READ
        self.put(asked, COPY_AND_END if copies else ANSWER_END, data)
        self.channel.enter()

    def answer_last(self, asked: Asked, data: bytes = b"") -> None:
        """The same while it is taken over from, which may be complete before the call is over."""
        with contextlib.suppress(FileNotFoundError):
            self.answer(asked, data)

    def data_of(self, asked: Asked) -> bytes:
        """The data of a write."""
        position = self.put(asked, ANSWER_COPY)
        self.channel.enter()
        assert self.channel.error_at(position) == 0
        return bytes(self.arena.view[: asked.length])

    def take_back(self) -> int:
        """Of the answers that were not carried out, take all back; how many had been."""
        self.channel.answer_tail, tail = self.channel.answer_head, self.channel.answer_tail
        return tail - self.channel.answer_head


@contextlib.contextmanager
def device(**options: Unpack[DeviceOptions]) -> Iterator[tuple[Control, int]]:
    """/dev/testdisk, with nobody looking at it; destroyed by force at the end."""
    zosbd2.install_wake_handler()
    with udev_held(), zosbd2.Control() as control:
        handle = control.create(NAME, SIZE, **options)
        try:
            yield control, handle
        finally:
            outlived(control, handle)


@contextlib.contextmanager
def ringed(entries: int = 0, **options: Unpack[DeviceOptions]) -> Iterator[Ring]:
    """The same with a channel to its only queue."""
    with device(**options) as (control, handle):
        yield Ring(control, handle, entries=entries)


def pinned_reader(cpu: int, offset: int) -> Submitter:
    """Reads a block on a certain CPU."""

    def work() -> bytes:
        os.sched_setaffinity(0, {cpu})
        with opened(NAME) as fd:
            return pread(fd, BLOCK, offset)

    return Submitter(work)


class Reached(TypedDict):
    """How many CPUs and queues there are, and through which queues reads came."""

    cpus: int
    queues: int
    through: list[int]


def io_reaches_each_queue() -> Reached:
    """A read on each CPU: which queue it comes through."""
    cpus = sorted(os.sched_getaffinity(0))
    with device(queues=len(cpus)) as (control, handle):
        rings = [Ring(control, handle, queue) for queue in range(control.describe(handle).queues)]
        found = []
        for cpu in cpus:
            one = pinned_reader(cpu, cpu * BLOCK)
            wait_until("the read", lambda: counter(NAME, "queued") == 1)
            for queue, ring in enumerate(rings):
                for each in ring.channel.take(ring.channel.enter(64)):
                    ring.answer(Asked(*each), pattern(each[1], BLOCK))
                    found.append(queue)
            assert one.end() == pattern(cpu * BLOCK, BLOCK)
        return {"cpus": len(cpus), "queues": len(rings), "through": found}


def woken() -> dict[str, object]:
    """A thread is woken from its wait, and one before its wait; then a request comes."""
    with ringed() as ring:
        channel = ring.channel
        sleeper = Submitter(lambda: channel.enter(1, wait=True))
        wait_until("it waits", sleeper.waits_for_the_module)
        channel.wake()
        asleep = sleeper.end()
        channel.wake()
        before = Submitter(lambda: channel.enter(1, wait=True)).end()
        third = Submitter(lambda: channel.enter(1, wait=True))
        wait_until("the third waits", third.waits_for_the_module)
        one = reader(NAME, 0)
        brought = third.end()
        ring.answer(Asked(*channel.take(1)[0]), pattern(0, BLOCK))
        return {"asleep": asleep, "before": before, "brought": brought,
                "right": one.end() == pattern(0, BLOCK)}  # fmt: skip


def a_queue_without_a_channel() -> dict[str, object]:
    """Reads on all CPUs, and a channel to the first queue alone; later one to each other."""
    cpus = sorted(os.sched_getaffinity(0))
    with device(queues=len(cpus)) as (control, handle):
        first = Ring(control, handle)
        submitters = [pinned_reader(cpu, cpu * BLOCK) for cpu in cpus]
        wait_until("the reads", lambda: counter(NAME, "queued") == len(cpus))
        (one,) = first.fetch(1)
        first.answer(one, pattern(one.start, BLOCK))
        more = first.channel.enter(64)
        waiting = counter(NAME, "queued")
        for queue in range(1, len(cpus)):
            late = Ring(control, handle, queue)
            (each,) = late.fetch(1)
            late.answer(each, pattern(each.start, BLOCK))
        return {
            "more": more,
            "waiting": waiting == len(cpus) - 1 > 0,
            "right": [each.end() for each in submitters]
            == [pattern(cpu * BLOCK, BLOCK) for cpu in cpus],
        }


def channels_share_a_queue() -> dict[str, object]:
    """Two channels of one queue: each gets what it asks for, and nothing twice."""
    with device() as (control, handle):
        one, other = Ring(control, handle), Ring(control, handle)
        submitters = [reader(NAME, number * BLOCK) for number in range(8)]
        wait_until("the reads", lambda: counter(NAME, "queued") == 8)
        mine = [Asked(*each) for each in one.channel.take(one.channel.enter(5))]
        theirs = [Asked(*each) for each in other.channel.take(other.channel.enter(64))]
        for ring, requests in ((one, mine), (other, theirs)):
            for each in requests:
                ring.answer(each, pattern(each.start, BLOCK))
        right = [each.end() == pattern(n * BLOCK, BLOCK) for n, each in enumerate(submitters)]
        return {"shares": [len(mine), len(theirs)], "right": all(right)}


def answers_of_another_channel() -> dict[str, object]:
    """A channel answers what another one of its process has."""
    with device() as (control, handle):
        one, other = Ring(control, handle), Ring(control, handle)
        submitter = reader(NAME, 0)
        (asked,) = one.fetch(1)
        other.put(asked, COPY_AND_END, b"\xee" * BLOCK)
        position = other.put(asked, ANSWER_COPY)
        other.put(asked, ANSWER_END, error=-errno.EIO)
        other.channel.enter()
        late = counter(NAME, "late_answers")
        told = other.channel.error_at(position)
        one.answer(asked, pattern(0, BLOCK))
        return {"late": late, "told": told, "right": submitter.end() == pattern(0, BLOCK)}


def a_channel_is_closed() -> dict[str, object]:
    """One of two channels of a process is closed with two reads, and the other goes on."""
    with device() as (control, handle):
        one, other = Ring(control, handle), Ring(control, handle)
        (kept,) = [reader(NAME, 0)]
        (first,) = other.fetch(1)
        submitters = [reader(NAME, number * BLOCK) for number in (1, 2)]
        lost = one.fetch(2)
        one.channel.close()
        handed_on = counter(NAME, "handed_on")
        again = other.fetch(2)
        for each in (first, *again):
            other.answer(each, pattern(each.start, BLOCK))
        right = [each.end() for each in (kept, *submitters)] == [
            pattern(number * BLOCK, BLOCK) for number in range(3)
        ]
        return {
            "handed_on": handed_on,
            "new names": not {each.id for each in lost} & {each.id for each in again},
            "servers": counter(NAME, "servers"),
            "right": right,
        }


def is_ready(channel: Channel) -> bool:
    """What poll(2) says of a channel, at once."""
    poll = select.poll()
    poll.register(channel.fd, select.POLLIN)
    return bool(poll.poll(0))


def readiness() -> dict[str, object]:
    """When a channel polls readable."""
    found: dict[str, object] = {}
    with device() as (control, handle):
        ring = Ring(control, handle)
        found["before the first call"] = is_ready(ring.channel)
        ring.channel.enter(64)
        found["idle"] = is_ready(ring.channel)
        submitters = [reader(NAME, number * BLOCK) for number in range(2)]
        wait_until("the reads", lambda: counter(NAME, "queued") == 2)
        found["two queued"] = is_ready(ring.channel)
        (one,) = ring.fetch(1)
        found["one fetched"] = is_ready(ring.channel)
        (other,) = ring.fetch(1)
        found["both fetched"] = is_ready(ring.channel)
        taking = Submitter(partial(attached, control, handle, "ring", take_over_ms=20000))
        wait_until("it is taken over from", partial(is_ready, ring.channel))
        ring.channel.enter()
        found["taken over from"] = RingState(ring.channel.state).name
        ring.answer(one, pattern(one.start, BLOCK))
        ring.answer_last(other, pattern(other.start, BLOCK))
        taking.end()
        for number, each in enumerate(submitters):
            assert each.end() == pattern(number * BLOCK, BLOCK)
        newest = Ring(control, handle)
        newest.channel.enter()
        found["another"] = is_ready(newest.channel)
        control.destroy(handle, force=True)
        found["gone"] = is_ready(newest.channel)
    return found


def woken_by_requests(rounds: int) -> list[bool]:
    """A server that sleeps in epoll_wait(2) on two channels: whether each read was right."""
    found = []
    with device() as (control, handle), contextlib.closing(select.epoll()) as epoll:
        rings = {ring.channel.fd: ring for ring in (Ring(control, handle), Ring(control, handle))}
        for fd in rings:
            epoll.register(fd, select.EPOLLIN)
        for number in range(rounds):
            submitter = reader(NAME, number * BLOCK)
            served = 0
            while not served:
                ready = epoll.poll(10)
                assert ready, "a read woke nobody"
                for fd, _ in ready:
                    channel = rings[fd].channel
                    # Both are woken, and one of them finds nothing.
                    for each in channel.take(channel.enter(64)):
                        rings[fd].answer(Asked(*each), pattern(each[1], BLOCK))
                        served += 1
            found.append(submitter.end() == pattern(number * BLOCK, BLOCK))
    return found


def batches() -> dict[str, object]:
    """Eight reads, brought in batches and answered in one call."""
    with ringed() as ring:
        submitters = [reader(NAME, number * BLOCK) for number in range(8)]
        wait_until("the reads", lambda: counter(NAME, "queued") == 8)
        brought = [ring.channel.enter(most) for most in (3, 0, 0xFFFF, 64)]
        requests = [Asked(*each) for each in ring.channel.take(sum(brought))]
        for index, each in enumerate(requests):
            ring.put(each, COPY_AND_END, pattern(each.start, BLOCK), at=index * BLOCK)
        ring.channel.enter()
        right = [each.end() == pattern(n * BLOCK, BLOCK) for n, each in enumerate(submitters)]
        return {
            "brought": brought,
            "names": len({each.id for each in requests}),
            "positions": [ring.channel.request_tail, ring.channel.answer_head],
            "right": all(right),
        }


def small_rings(rounds: int) -> dict[str, object]:
    """Rings of 4 entries: no more is brought than there is room for, and positions go round."""
    with ringed(entries=4) as ring:
        right = []
        overfull = set()
        for turn in range(rounds):
            offsets = [(turn * 6 + number) % 100 * BLOCK for number in range(6)]
            submitters = [reader(NAME, offset) for offset in offsets]
            wait_until("the reads", lambda: counter(NAME, "queued") == 6)
            requests: list[Asked] = []
            for most in (64, 64, 64):
                brought = ring.channel.enter(most)
                overfull.add(outcome(partial(ring.channel.enter, 64)))
                requests += [Asked(*each) for each in ring.channel.take(brought)]
            for each in requests:
                ring.answer(each, pattern(each.start, BLOCK))
            right += [
                one.end() == pattern(offset, BLOCK)
                for one, offset in zip(submitters, offsets, strict=True)
            ]
        return {
            "entries": ring.channel.layout.entries,
            "overfull": sorted(overfull),
            "requests": ring.channel.request_tail,
            "right": all(right),
        }


def states() -> dict[str, object]:
    """What the ring says of a device in take-overs: one that gives up, and one that succeeds."""
    found: dict[str, object] = {}

    def state() -> str:
        return RingState(ring.channel.state).name

    with device() as (control, handle):
        ring = Ring(control, handle)
        submitter = reader(NAME, 0)
        (asked,) = ring.fetch(1)
        found["at work"] = state()
        giving_up = Submitter(partial(attached, control, handle, "ring", take_over_ms=300))
        found["told"] = [ring.channel.enter(64, wait=True), state()]
        # It waits for what becomes of that, and then for a request.
        later = Submitter(lambda: _read_after(giving_up))
        (second,) = ring.fetch(1)
        found["given up"] = [outcome(giving_up.end), state()]
        taking = Submitter(partial(attached, control, handle, "ring", take_over_ms=20000))
        found["told again"] = [ring.channel.enter(64, wait=True), state()]
        found["handed in"] = [ring.channel.enter(64), state()]
        ring.answer(asked, pattern(asked.start, BLOCK))
        found["one left"] = state()
        ring.put(second, COPY_AND_END, pattern(second.start, BLOCK))
        found["nothing left"] = [outcome(partial(ring.channel.enter, 64, wait=True)), state()]
        found["again"] = [outcome(partial(ring.channel.enter, 64)), state()]
        successor = taking.end()
        assert isinstance(successor, zosbd2.Exchange)
        found["right"] = [each.end() for each in (submitter, later)] == [
            pattern(0, BLOCK),
            pattern(BLOCK, BLOCK),
        ]
        newest = Ring(control, handle)
        newest.channel.enter()
        control.destroy(handle, force=True)
        found["destroyed"] = [
            outcome(partial(newest.channel.enter, 64, wait=True)),
            RingState(newest.channel.state).name,
        ]
    return found


def _read_after(event: Submitter) -> bytes:
    """A block, once something else has ended."""
    with contextlib.suppress(OSError):
        event.end()
    with opened(NAME) as fd:
        return pread(fd, BLOCK, BLOCK)


def gone_before_the_first_call() -> list[str]:
    """A channel is first called when its device is gone."""
    with device() as (control, handle):
        ring = Ring(control, handle)
        control.destroy(handle, force=True)
        ended = outcome(partial(ring.channel.enter, 64, wait=True))
        return [ended, RingState(ring.channel.state).name]


def interrupted() -> dict[str, object]:
    """A signal comes while a server waits, having handed an answer in with that call."""
    signal.signal(signal.SIGUSR1, lambda *_: None)
    me = threading.get_ident()
    with ringed() as ring:
        submitter = reader(NAME, 0)
        (asked,) = ring.fetch(1)
        ring.put(asked, COPY_AND_END, pattern(0, BLOCK))
        done = threading.Event()

        def poke() -> None:
            submitter.end()
            while not done.wait(0.02):
                signal.pthread_kill(me, signal.SIGUSR1)

        poker = Submitter(poke)
        ended = outcome(partial(ring.channel.enter, 64, wait=True))
        done.set()
        poker.end()
        later = reader(NAME, BLOCK)
        (asked,) = ring.fetch(1)
        ring.answer(asked, pattern(BLOCK, BLOCK))
        return {
            "ended": ended,
            "answered": submitter.value == pattern(0, BLOCK),
            "goes on": later.end() == pattern(BLOCK, BLOCK),
        }


def at_once_with_the_classic_protocol(blocks: int) -> dict[str, object]:
    """A session and a channel serve one device together: each block is written once."""
    written: dict[str, list[int]] = {"classic": [], "ring": []}
    zosbd2.install_wake_handler()
    with device() as (control, handle):
        servers = {
            protocol: attached(control, handle, protocol) for protocol in ("classic", "ring")
        }

        def serve(protocol: str) -> None:
            answer = None
            while isinstance(message := servers[protocol].call(answer), zosbd2.Request):
                assert message.data == pattern(message.offset, BLOCK)
                written[protocol].append(message.offset)
                time.sleep(0.005)  # the other one is to take the next
                answer = message.answer()

        threads = [Submitter(partial(serve, protocol)) for protocol in servers]
        submitters = [
            writer(NAME, pattern(number * BLOCK, BLOCK), number * BLOCK) for number in range(blocks)
        ]
        for each in submitters:
            each.end()
        control.destroy(handle, force=True)
        for thread in threads:
            thread.end()
    offsets = sorted(written["classic"] + written["ring"])
    return {
        "once": offsets == [number * BLOCK for number in range(blocks)],
        "both": all(written.values()),
    }


def taken_over_from(old: WireProtocol, new: WireProtocol) -> dict[str, object]:
    """A server of one protocol takes over from one of the other, which holds a read."""
    with device() as (control, handle):
        before = attached(control, handle, old)
        submitter = reader(NAME, 0)
        request = before.fetch_request()
        taking = Submitter(partial(attached, control, handle, new, take_over_ms=20000))
        told = type(before.call(timeout=10)).__name__
        before.hand_in(request.answer(pattern(0, BLOCK)))
        after = taking.end()
        assert isinstance(after, zosbd2.Exchange)
        later = reader(NAME, BLOCK)
        after.hand_in(after.fetch_request().answer(pattern(BLOCK, BLOCK)))
        return {
            "told": told,
            "right": [submitter.end() == pattern(0, BLOCK), later.end() == pattern(BLOCK, BLOCK)],
        }


def refused_to_the_classic_protocol(options: DeviceOptions) -> dict[str, str]:
    """Ways to serve such a device by the classic protocol."""
    with device(**options) as (control, handle), zosbd2.DeviceNode(NAME) as node:
        by_hand = zosbd2.Exchange(node, handle)
        return {
            "session": outcome(partial(control.attach, handle)),
            "block device": outcome(partial(by_hand.call, timeout=1)),
        }


def unloading_with_a_channel() -> dict[str, object]:
    """Unload the module while a channel is open, while only its mapping is left, and then."""

    def unload() -> int:
        return subprocess.run(["rmmod", "zosbd2"], capture_output=True).returncode

    found: dict[str, object] = {}
    with udev_held():
        with zosbd2.Control() as control:
            handle = control.create(NAME, SIZE)
            ring = Ring(control, handle)
            ring.channel.enter()
        found["open"] = unload() != 0
        with zosbd2.Control() as control:
            control.destroy(handle, force=True)
        found["of no device"] = unload() != 0
        with mmap.mmap(ring.channel.fd, ring.channel.layout.size):
            ring.channel.close()
            found["mapped"] = unload() != 0
        found["closed"] = unload()
    found["left"] = Path("/dev/zosbd2ctl").exists()
    return found
