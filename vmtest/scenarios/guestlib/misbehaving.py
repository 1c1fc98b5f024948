# SPDX-License-Identifier: MIT
"""Servers that answer in every way but the right one, and clients that die in the middle of I/O."""

from __future__ import annotations

import errno
import os
import random
import signal
import time
from collections import Counter

import zosbd2
from zosbd2 import WireProtocol

from .disks import BLOCK, pattern, reader, writer
from .failing import load
from .lasting import NAME, LastingDisk, lasting
from .outcomes import outcome
from .patience import wait_until
from .servers import attached


def answers_of_every_kind(protocol: WireProtocol) -> dict[str, object]:
    """Errors, a short answer, two answers, answers in the wrong order, and none."""
    with lasting(protocol, timeout_seconds=2) as disk:
        server = attached(disk.control, disk.handle, protocol)
        return {
            "errors": [_error(server, error) for error in ("EIO", "ENOSPC", "EROFS")],
            "short": _short(server),
            "twice": _twice(server, disk),
            "wrong_order": _wrong_order(server),
            "never": _never(server),
            "in_flight": disk.counter("in_flight"),
        }


def _error(server: zosbd2.Exchange, name: str) -> str:
    one = reader(NAME, 0)
    request = server.fetch_request()
    server.hand_in(request.answer(error=-getattr(errno, name)))
    return outcome(one.end)


def _short(server: zosbd2.Exchange) -> list[str]:
    """Half of the data; where that is refused, all of it."""
    one = reader(NAME, 0, 2 * BLOCK)
    request = server.fetch_request()
    half, whole = pattern(0, BLOCK), pattern(0, 2 * BLOCK)
    ended = outcome(lambda: server.hand_in(request.answer(half)._replace(total_length=BLOCK)))
    if ended != "OK":
        server.hand_in(request.answer(whole))
    found: dict[object, str] = {whole: "whole", half + bytes(BLOCK): "zeroes behind"}
    return [ended, found.get(one.end(), "wrong")]


def _twice(server: zosbd2.Exchange, disk: LastingDisk) -> list[object]:
    before = disk.counter("late_answers")
    one = reader(NAME, 0)
    request = server.fetch_request()
    server.hand_in(request.answer(pattern(0, BLOCK)))
    other = reader(NAME, BLOCK)
    second = server.fetch_request()
    server.hand_in(request.answer(b"\xff" * BLOCK))
    server.hand_in(second.answer(pattern(BLOCK, BLOCK)))
    right = one.end() == pattern(0, BLOCK) and other.end() == pattern(BLOCK, BLOCK)
    return [right, disk.counter("late_answers") - before]


def _wrong_order(server: zosbd2.Exchange) -> bool:
    readers = {number * BLOCK: reader(NAME, number * BLOCK) for number in range(3)}
    requests = [server.fetch_request() for _ in readers]
    for request in reversed(requests):
        server.hand_in(request.answer(pattern(request.offset, BLOCK)))
    return all(one.end() == pattern(offset, BLOCK) for offset, one in readers.items())


def _never(server: zosbd2.Exchange) -> str:
    one = reader(NAME, 0)
    server.fetch_request()
    return outcome(one.end)


def clients_that_die(protocol: WireProtocol, seed: int, rounds: int) -> dict[str, object]:
    """Processes are killed in the middle of reads and writes; the device goes on."""
    rng = random.Random(seed)
    ends: Counter[str] = Counter()
    with lasting(protocol) as disk:
        disk.start()
        disk.start()
        for _ in range(rounds):
            clients = [_client() for _ in range(3)]
            wait_until("load", lambda: disk.counter("in_flight") > 0)
            time.sleep(rng.uniform(0, 0.02))  # the moment is what is random here
            for pid in clients:
                os.kill(pid, signal.SIGKILL)
            for pid in clients:
                ends[signal.Signals(os.waitpid(pid, 0)[1]).name] += 1
        wait_until("all requests have ended", lambda: disk.counter("in_flight") == 0)
        written = pattern(0, BLOCK, seed=5)
        writer(NAME, written, 0).end()
        return {
            "ends": dict(ends),
            "usable": reader(NAME, 0).end() == written,
            "errors": disk.counter("errors"),
        }


def _client() -> int:
    pid = os.fork()
    if pid == 0:
        try:
            load(0)
        finally:
            os._exit(1)
    return pid
