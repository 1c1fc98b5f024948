# SPDX-License-Identifier: MIT
"""Servers that are taken over from, or die amid a destroy, and who serves then."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from functools import partial
from typing import NamedTuple

import zosbd2
from zosbd2 import WireProtocol

from .control import destroy
from .disks import (
    BLOCK,
    FAIL,
    Submitter,
    answer_of,
    counter,
    pattern,
    reader,
    unwatched,
    writer,
)
from .outcomes import errno_name, outcome
from .patience import wait_until
from .servers import attached

_MANY = 64


def _kind(message: object) -> str:
    return type(message).__name__


def _told(server: zosbd2.Exchange, answer: zosbd2.Answer | None = None) -> str:
    """What a call of a server brings, as a word; in the main thread it ends within 5 s."""
    main = threading.current_thread() is threading.main_thread()
    try:
        return _kind(server.call(answer, timeout=5 if main else None))
    except OSError as error:
        return errno_name(error)


class Reads(NamedTuple):
    """A server that has fetched reads which nobody has answered."""

    server: zosbd2.Exchange
    requests: list[zosbd2.Request]
    submitters: list[Submitter]


def _with_reads(server: zosbd2.Exchange, count: int) -> Reads:
    submitters = [reader("testdisk", index * BLOCK) for index in range(count)]
    return Reads(server, [server.fetch_request() for _ in submitters], submitters)


def _intact(reads: Reads) -> bool:
    return [each.end() for each in reads.submitters] == [
        pattern(index * BLOCK, BLOCK) for index in range(len(reads.submitters))
    ]


def _retired(server: zosbd2.Exchange) -> None:
    """Wait until a take-over has begun: the server's only thread is told."""
    assert _told(server) == "ShutdownWanted"


def sent_away(protocol: WireProtocol) -> dict[str, object]:
    """An idle server is taken over from and goes on calling; then the new one leaves."""
    with zosbd2.Control() as control, unwatched(control) as handle:
        old = attached(control, handle, protocol)
        waiting = Submitter(lambda: _told(old))
        wait_until("the server waits", waiting.waits_for_the_module)
        new = attached(control, handle, protocol, take_over_ms=5000)
        told = [waiting.end(), *[Submitter(lambda: _told(old)).end() for _ in range(2)]]
        told += [_told(old) for _ in range(3)]
        served = counter("testdisk", "servers")
        new.node.close()
        one = reader("testdisk", 0)
        wait_until("the read", lambda: counter("testdisk", "queued") == 1)
        left = (counter("testdisk", "servers"), _told(old))
        newest = attached(control, handle, protocol)
        request = newest.fetch_request()
        newest.hand_in(answer_of(request))
        return {"told": told, "served": served, "left": left,
                "intact": one.end() == pattern(0, BLOCK)}  # fmt: skip


def meddling_for_good(kind: str) -> dict[str, object]:
    """A server that was taken over from answers its successor's request, and wrongly.

    ``kind`` is "read" or "write".
    """
    with zosbd2.Control() as control, unwatched(control) as handle:
        old = attached(control, handle, "classic")
        new = attached(control, handle, "classic", take_over_ms=5000)
        told = [_told(old), _told(old)]
        one = reader("testdisk", 0) if kind == "read" else writer("testdisk", bytes(BLOCK), 0)
        request = new.fetch_request()
        wrong = request.answer(b"\xee" * BLOCK) if kind == "read" else request.answer(error=-28)
        told.append(_told(old, wrong))
        found = {"late": counter("testdisk", "late_answers"),
                 "waiting": counter("testdisk", "in_flight")}  # fmt: skip
        new.hand_in(answer_of(request) if kind == "read" else request.answer())
        right = pattern(0, BLOCK) if kind == "read" else BLOCK
        return {"told": told, "intact": one.end() == right} | found


def comes_meanwhile() -> dict[str, object]:
    """A server comes through the block device while another one is taken over from."""
    with zosbd2.Control() as control, unwatched(control) as handle:
        reads = _with_reads(attached(control, handle, "classic"), 1)
        taking = Submitter(partial(attached, control, handle, "classic", take_over_ms=20000))
        _retired(reads.server)
        one = reader("testdisk", 5 * BLOCK)
        wait_until("a read", lambda: counter("testdisk", "queued") == 1)
        with zosbd2.DeviceNode("testdisk") as node:
            late = zosbd2.Exchange(node, handle)
            # This thread has been told already.
            told = Submitter(lambda: _told(late)).end()
            reads.server.hand_in(answer_of(reads.requests[0]))
            new = taking.end()
            assert isinstance(new, zosbd2.Exchange)
            over = _told(late)
            new.hand_in(answer_of(new.fetch_request()))
            intact = _intact(reads) and one.end() == pattern(5 * BLOCK, BLOCK)
        return {"told": told, "over": over, "intact": intact}


def attaches_meanwhile(protocol: WireProtocol) -> dict[str, object]:
    """A server attaches while another one is taken over from, which is given up at last."""
    with zosbd2.Control() as control, unwatched(control) as handle:
        reads = _with_reads(attached(control, handle, protocol), 1)
        taking = Submitter(partial(attached, control, handle, protocol, take_over_ms=2000))
        _retired(reads.server)
        late = attached(control, handle, protocol)
        one = reader("testdisk", 5 * BLOCK)
        wait_until("a read", lambda: counter("testdisk", "queued") == 1)
        # This thread has been told already.
        told = Submitter(lambda: _told(late)).end()
        gave_up = outcome(taking.end)
        late.hand_in(answer_of(late.fetch_request()))
        reads.server.hand_in(answer_of(reads.requests[0]))
        return {"told": told, "gave up": gave_up,
                "intact": _intact(reads) and one.end() == pattern(5 * BLOCK, BLOCK)}  # fmt: skip


def one_after_the_other(protocol: WireProtocol) -> dict[str, object]:
    """Two take over from a server that has a request, and then hands it in: who serves at last."""
    with zosbd2.Control() as control, unwatched(control) as handle:
        reads = _with_reads(attached(control, handle, protocol), 1)
        take_over = partial(attached, control, handle, protocol, take_over_ms=20000)
        first = Submitter(take_over)
        _retired(reads.server)
        second = Submitter(take_over)
        wait_until("it waits", second.waits_for_the_module)
        reads.server.hand_in(answer_of(reads.requests[0]))
        old, new = first.end(), second.end()
        assert isinstance(old, zosbd2.Exchange)
        assert isinstance(new, zosbd2.Exchange)
        one = reader("testdisk", 5 * BLOCK)
        new.hand_in(answer_of(new.fetch_request()))
        told = Submitter(lambda: [_told(old), _told(old)]).end()
        assert isinstance(told, list)
        return {"told": told[-1] in ("Gone", "ENOENT"), "servers": counter("testdisk", "servers"),
                "intact": _intact(reads) and one.end() == pattern(5 * BLOCK, BLOCK)}  # fmt: skip


def several_answers(protocol: WireProtocol) -> dict[str, object]:
    """A server hands in three answers from one thread while it is taken over from."""
    with zosbd2.Control() as control, unwatched(control) as handle:
        reads = _with_reads(attached(control, handle, protocol), 3)
        taking = Submitter(partial(attached, control, handle, protocol, take_over_ms=20000))
        _retired(reads.server)
        told = [_kind(reads.server.hand_in(answer_of(each))) for each in reads.requests]
        intact = _intact(reads)
        return {"told": told[:2], "taken": taking.end() is not None, "intact": intact}


def given_up_beside_another(protocol: WireProtocol) -> dict[str, object]:
    """Two take over at once from a server that has a request; the first gives up soon."""
    with zosbd2.Control() as control, unwatched(control) as handle:
        reads = _with_reads(attached(control, handle, protocol), 1)
        first = Submitter(partial(attached, control, handle, protocol, take_over_ms=1000))
        _retired(reads.server)
        second = Submitter(partial(attached, control, handle, protocol, take_over_ms=20000))
        gave_up = outcome(first.end)
        _retired(reads.server)
        waits = second.seconds == 0.0
        last = _told(reads.server, answer_of(reads.requests[0]))
        new = second.end()
        assert isinstance(new, zosbd2.Exchange)
        one = reader("testdisk", 5 * BLOCK)
        new.hand_in(answer_of(new.fetch_request()))
        return {"first": gave_up, "second waits": waits,
                "told": last in ("ShutdownWanted", "Gone"),
                "intact": _intact(reads) and one.end() == pattern(5 * BLOCK, BLOCK)}  # fmt: skip


def goes_on_as_before(protocol: WireProtocol) -> dict[str, object]:
    """A take-over gives up: the thread that waited for the outcome serves what has queued up."""
    with zosbd2.Control() as control, unwatched(control) as handle:
        reads = _with_reads(attached(control, handle, protocol), 1)
        taking = Submitter(partial(attached, control, handle, protocol, take_over_ms=500))
        _retired(reads.server)
        one = reader("testdisk", 5 * BLOCK)
        request = reads.server.fetch_request()
        reads.server.hand_in(answer_of(request))
        reads.server.hand_in(answer_of(reads.requests[0]))
        return {"gave up": outcome(taking.end),
                "intact": _intact(reads) and one.end() == pattern(5 * BLOCK, BLOCK)}  # fmt: skip


def leaves_while_taken_over(protocol: WireProtocol, recovery: int) -> dict[str, object]:
    """The old server goes while it is taken over from, and then the new one is interrupted."""
    with zosbd2.Control() as control, unwatched(control, recovery) as handle:
        busy = _with_reads(attached(control, handle, protocol), 1)
        old = attached(control, handle, protocol)
        child = os.fork()
        if child == 0:
            outcome(partial(attached, control, handle, protocol, take_over_ms=60000))
            os._exit(0)
        _retired(busy.server)
        one = reader("testdisk", 5 * BLOCK)
        wait_until("a read", lambda: counter("testdisk", "queued") == 1)
        # The other process has both of them open as well.
        os.kill(child, signal.SIGSTOP)
        busy.server.node.close()
        old.node.close()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        wait_until("nobody serves", lambda: counter("testdisk", "servers") == 0)
        if recovery == FAIL:
            return {"outcomes": [outcome(each.end) for each in (*busy.submitters, one)]}
        newest = attached(control, handle, protocol)
        first = newest.fetch_request()
        second = newest.fetch_request(answer_of(first))
        newest.hand_in(answer_of(second))
        return {"intact": _intact(busy) and one.end() == pattern(5 * BLOCK, BLOCK)}


def killed_while_destroyed(protocol: WireProtocol, rounds: int, recovery: int) -> dict[str, int]:
    """A server with many requests is killed while its device is destroyed: how they end."""
    ended: Counter[str] = Counter()
    for _ in range(rounds):
        with zosbd2.Control() as control, unwatched(control, recovery) as handle:
            child = os.fork()
            if child == 0:
                server = attached(control, handle, protocol)
                while isinstance(server.call(), zosbd2.Request):
                    pass
                os._exit(0)
            wait_until("the server", lambda: counter("testdisk", "servers") == 1)
            submitters = [reader("testdisk", index * BLOCK) for index in range(_MANY)]
            wait_until(
                "all fetched",
                lambda: (
                    counter("testdisk", "in_flight") == _MANY and counter("testdisk", "queued") == 0
                ),
            )
            os.kill(child, signal.SIGKILL)
            destroy(control, handle, 1)
            os.waitpid(child, 0)
            ended.update(outcome(each.end) for each in submitters)
    return dict(ended)
