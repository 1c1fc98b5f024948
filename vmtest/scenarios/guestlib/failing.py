# SPDX-License-Identifier: MIT
"""Devices whose requests fail: their server is gone, or they are destroyed under load."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TypedDict

from zosbd2 import Operation, Recovery

from .control import destroy
from .disks import BLOCK, Submitter, opened, pattern, pread, pwrite, reader, wait_until, writer
from .lasting import NAME, lasting
from .outcomes import outcome

_ALL = frozenset({Operation.READ_REQUEST, Operation.WRITE_REQUEST, Operation.FLUSH_REQUEST})


def _fsync() -> None:
    with opened(NAME) as fd:
        os.fsync(fd)


def fails_at_once() -> dict[str, object]:
    """Kill the only server, which has a read, a write and a flush; try more; a new one comes."""
    with lasting(recovery=Recovery.FAIL) as disk:
        disk.memory[: 64 * BLOCK] = pattern(0, 64 * BLOCK)
        server = disk.start(hold=_ALL)
        held = [reader(NAME, 0), writer(NAME, bytes(BLOCK), 8 * BLOCK), Submitter(_fsync)]
        server.expect("holding", 3)
        began = time.monotonic()
        server.kill()
        ends = [outcome(each.end) for each in held]
        seconds = time.monotonic() - began
        began = time.monotonic()
        new = [outcome(reader(NAME, BLOCK).end), outcome(writer(NAME, bytes(BLOCK), 0).end)]
        disk.start()
        return {
            "held": ends,
            "new": new,
            "within_a_second": max(seconds, time.monotonic() - began) < 1,
            "handed_on": disk.counter("handed_on"),
            "back": reader(NAME, BLOCK).end() == pattern(BLOCK, BLOCK),
        }


def fails_only_what_the_dead_had() -> dict[str, object]:
    """Two servers have a read each, one is killed; a third read waits all the while."""
    with lasting(recovery=Recovery.FAIL) as disk:
        disk.memory[: 64 * BLOCK] = pattern(0, 64 * BLOCK)
        first = disk.start(hold=_ALL)
        lost = reader(NAME, 0)
        first.expect("holding")
        second = disk.start()
        first.kill()
        ended = outcome(lost.end)
        kept = reader(NAME, BLOCK).end() == pattern(BLOCK, BLOCK)
        second.kill()
        return {"lost": ended, "kept": kept, "then": outcome(reader(NAME, BLOCK).end)}


def waits_before_the_first_server() -> bool:
    """Nobody has served the device yet: a read waits for the first server, and is answered."""
    with lasting(recovery=Recovery.FAIL) as disk:
        disk.memory[:BLOCK] = pattern(0, BLOCK)
        early = reader(NAME, 0)
        wait_until("the read waits", lambda: disk.counter("queued") == 1)
        disk.start()
        return early.end() == pattern(0, BLOCK)


def gives_up_after_the_time_out() -> dict[str, object]:
    """Policy "wait", and nobody comes in time; a server that comes later finds a usable device."""
    with lasting(timeout_seconds=1) as disk:
        disk.memory[: 64 * BLOCK] = pattern(0, 64 * BLOCK)
        server = disk.start(hold=_ALL)
        held = reader(NAME, 0)
        server.expect("holding")
        server.kill()
        ended = outcome(held.end)
        waited = held.seconds > 0.9
        began = time.monotonic()
        given_up = outcome(reader(NAME, BLOCK).end)
        at_once = time.monotonic() - began < 1
        disk.start()
        back = reader(NAME, BLOCK).end() == pattern(BLOCK, BLOCK)
        return {"held": ended, "waited": waited, "given_up": given_up, "at_once": at_once,
                "back": back}  # fmt: skip


class UnderLoad(TypedDict):
    """How a destroy under load, the load's threads and the server ended."""

    destroyed: str
    threads: int
    ends: list[str]
    seconds: float
    server: int


def destroyed_under_load(policy: str) -> UnderLoad:
    """Four threads read and write; the device is destroyed by force with its server at work."""
    ends: Counter[str] = Counter()
    with lasting(recovery=Recovery[policy]) as disk:
        server = disk.start()
        threads = [Submitter(lambda n=number: load(n, ends)) for number in range(4)]  # type: ignore[misc]
        wait_until("load", lambda: disk.counter("requests") > 50)
        began = time.monotonic()
        destroyed = destroy(disk.control, disk.handle, 1)
        for each in threads:
            each.end()
        return {
            "destroyed": destroyed,
            "threads": sum(ends.values()),
            "ends": sorted(ends),
            "seconds": time.monotonic() - began,
            "server": server.wait(),
        }


def load(number: int, ends: Counter[str]) -> None:
    """Read and write by turns until one fails; counts how it did."""
    with opened(NAME) as fd:
        for turn in range(10**6):
            offset = (turn * 7 + number) % 100 * BLOCK
            ended = outcome(lambda: pread(fd, BLOCK, offset))  # noqa: B023
            if ended == "OK":
                ended = outcome(lambda: pwrite(fd, bytes(BLOCK), offset))  # noqa: B023
            if ended != "OK":
                ends[ended] += 1
                return
