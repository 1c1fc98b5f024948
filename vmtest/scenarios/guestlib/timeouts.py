# SPDX-License-Identifier: MIT
"""Requests that are answered late or never."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TypedDict

import zosbd2
from zosbd2 import WireProtocol

from .disks import (
    BLOCK,
    Submitter,
    answer_of,
    by_hand,
    counter,
    created,
    exchange,
    opened,
    pattern,
    pread,
    reader,
    udev_held,
    unwatched,
    writer,
)
from .outcomes import outcome
from .patience import wait_until
from .servers import attached

_TIMEOUT = 1
"""Seconds, the shortest that there is."""


class Expiry(TypedDict):
    """How requests that nobody answered ended."""

    outcomes: list[str]
    seconds: list[float]
    timeouts: int
    errors: int
    in_flight: int
    usable: bool


def _expiry(submitters: list[Submitter], server: zosbd2.Exchange) -> Expiry:
    """Wait for the submitters, then have one read answered."""
    outcomes = [outcome(each.end) for each in submitters]
    found = {name: counter("testdisk", name) for name in ("timeouts", "errors", "in_flight")}
    return {
        "outcomes": outcomes,
        "seconds": [each.seconds for each in submitters],
        "timeouts": found["timeouts"],
        "errors": found["errors"],
        "in_flight": found["in_flight"],
        "usable": _serves(server),
    }


def _serves(server: zosbd2.Exchange) -> bool:
    """Whether a read gets its data."""
    one = reader("testdisk", 5 * BLOCK)
    request = server.fetch_request()
    server.hand_in(request.answer(pattern(request.offset, BLOCK)))
    return request.offset == 5 * BLOCK and one.end() == pattern(5 * BLOCK, BLOCK)


def never_fetched(protocol: WireProtocol) -> Expiry:
    """A read and a write, and no server until they have ended."""
    with (
        udev_held(),
        zosbd2.Control() as control,
        created(control, "testdisk", timeout_seconds=_TIMEOUT) as handle,
    ):
        submitters = [reader("testdisk", 0), writer("testdisk", bytes(BLOCK), 8 * BLOCK)]
        wait_until("both are queued", lambda: counter("testdisk", "queued") == 2, 5)
        for each in submitters:
            outcome(each.end)
        with by_hand(control, "testdisk", handle, protocol) as server:
            return _expiry(submitters, server)


def never_answered(protocol: WireProtocol) -> Expiry:
    """A read and a write that a server fetched and keeps."""
    with (
        zosbd2.Control() as control,
        exchange(control, "testdisk", protocol, timeout_seconds=_TIMEOUT) as server,
    ):
        submitters = [reader("testdisk", 0), writer("testdisk", bytes(BLOCK), 8 * BLOCK)]
        for _ in submitters:
            server.fetch_request()
        return _expiry(submitters, server)


class Late(TypedDict):
    """What became of an answer that came after its request had timed out."""

    first: str
    late_answers: int
    second_waits: bool
    second: bool
    errors: int


def answered_late(protocol: WireProtocol) -> Late:
    """The answer to a read that has timed out comes while the next read is with the server.

    With a queue depth of 1 the second request has the tag of the first.
    """
    with (
        zosbd2.Control() as control,
        exchange(control, "testdisk", protocol, timeout_seconds=2 * _TIMEOUT) as server,
    ):
        first = reader("testdisk", 0)
        expired = server.fetch_request()
        ended = outcome(first.end)
        second = reader("testdisk", BLOCK)
        request = server.fetch_request()
        server.hand_in(expired.answer(b"\xff" * BLOCK))
        late, waits = counter("testdisk", "late_answers"), counter("testdisk", "in_flight") == 1
        server.hand_in(request.answer(pattern(BLOCK, BLOCK)))
        return {
            "first": ended,
            "late_answers": late,
            "second_waits": waits,
            "second": outcome(second.end) == "OK" and second.value == pattern(BLOCK, BLOCK),
            "errors": counter("testdisk", "errors"),
        }


def just_in_time(protocol: WireProtocol) -> dict[str, object]:
    """One request is answered before its time is up, beside one that never is."""
    with (
        zosbd2.Control() as control,
        exchange(control, "testdisk", protocol, timeout_seconds=2 * _TIMEOUT) as server,
    ):
        never, answered = reader("testdisk", 0), reader("testdisk", BLOCK)
        for request in (server.fetch_request(), server.fetch_request()):
            if request.offset == BLOCK:
                server.hand_in(request.answer(pattern(BLOCK, BLOCK)))
        return {
            "answered": answered.end() == pattern(BLOCK, BLOCK),
            "never": outcome(never.end),
            "timeouts": counter("testdisk", "timeouts"),
        }


def submitter_with_signals(protocol: WireProtocol) -> dict[str, object]:
    """A reader that gets a signal every few milliseconds: when its request times out, and how."""
    signal.signal(signal.SIGUSR1, lambda *_: None)
    me = threading.get_ident()
    with (
        zosbd2.Control() as control,
        exchange(control, "testdisk", protocol, timeout_seconds=_TIMEOUT),
        opened("testdisk") as fd,
    ):
        done = threading.Event()

        def poke() -> None:
            while not done.wait(0.02):
                signal.pthread_kill(me, signal.SIGUSR1)

        poker = Submitter(poke)
        began = time.monotonic()
        ended = outcome(lambda: pread(fd, BLOCK, 0))
        seconds = time.monotonic() - began
        done.set()
        poker.end()
        return {"outcome": ended, "seconds": seconds}


def killed_submitter(protocol: WireProtocol) -> dict[str, object]:
    """A reader that is killed while it waits: whether it goes, and how the request ends."""
    with (
        zosbd2.Control() as control,
        exchange(control, "testdisk", protocol, timeout_seconds=_TIMEOUT) as server,
    ):
        child = os.fork()
        if child == 0:
            with opened("testdisk") as fd:
                pread(fd, BLOCK, 0)
            os._exit(1)
        server.fetch_request()
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        wait_until("the request's end", lambda: counter("testdisk", "in_flight") == 0, 10)
        return {"signal": os.WTERMSIG(status), "usable": _serves(server)}


class HandedOn(TypedDict):
    """How two requests ended, the first of which had lost its server."""

    outcomes: list[str]
    seconds: list[float]
    timeouts: int


def _leaves_late(server: zosbd2.Exchange) -> tuple[Submitter, Submitter]:
    """A server closes after 3 s with a read, while another one is queued; returns both."""
    first = reader("testdisk", 0)
    server.fetch_request()
    second = reader("testdisk", BLOCK)
    wait_until("the second is queued", lambda: counter("testdisk", "queued") == 1)
    time.sleep(3 * _TIMEOUT)
    server.node.close()
    return first, second


def handed_on(protocol: WireProtocol) -> HandedOn:
    """A read loses its server after 3 s of 4; another one is queued all the while."""
    with zosbd2.Control() as control, unwatched(control, timeout_seconds=4 * _TIMEOUT) as handle:
        first, second = _leaves_late(attached(control, handle, protocol))
        outcomes = [outcome(each.end) for each in (first, second)]
        return {
            "outcomes": outcomes,
            "seconds": [each.seconds for each in (first, second)],
            "timeouts": counter("testdisk", "timeouts"),
        }


def behind_what_was_handed_on(protocol: WireProtocol) -> dict[str, object]:
    """A server of two closes after 3 s of 4 with a read, which goes before one that is queued.

    The other one asks for nothing until that has ended.
    """
    with zosbd2.Control() as control, unwatched(control, timeout_seconds=4 * _TIMEOUT) as handle:
        server = attached(control, handle, protocol)
        other = attached(control, handle, protocol)
        first, second = _leaves_late(server)
        ended = outcome(second.end)
        other.hand_in(answer_of(other.fetch_request()))
        return {
            "second": ended,
            "first": first.end() == pattern(0, BLOCK),
            "usable": _serves(other),
        }
