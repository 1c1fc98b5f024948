# SPDX-License-Identifier: MIT
"""Devices whose requests fail: their server is gone, or they are destroyed under load."""

from __future__ import annotations

import itertools
import os
import time
from functools import partial
from typing import TypedDict

from zosbd2 import Operation, Recovery, WireProtocol

from .control import destroy
from .disks import BLOCK, Submitter, opened, pattern, pread, pwrite, reader, writer
from .lasting import NAME, lasting
from .outcomes import outcome
from .patience import stretched, wait_until

_ALL = frozenset({Operation.READ_REQUEST, Operation.WRITE_REQUEST, Operation.FLUSH_REQUEST})


def _fsync() -> None:
    with opened(NAME) as fd:
        os.fsync(fd)


def fails_at_once(protocol: WireProtocol) -> dict[str, object]:
    """Kill the only server, which has a read, a write and a flush; try more; a new one comes."""
    with lasting(protocol, recovery=Recovery.FAIL) as disk:
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
        seconds = max(seconds, time.monotonic() - began)
        disk.start()
        return {
            "held": ends,
            "new": new,
            "within_a_second": seconds < stretched(1),
            "handed_on": disk.counter("handed_on"),
            "back": reader(NAME, BLOCK).end() == pattern(BLOCK, BLOCK),
        }


def fails_only_what_the_dead_had(protocol: WireProtocol) -> dict[str, object]:
    """Two servers have a read each, one is killed; a third read waits all the while."""
    with lasting(protocol, recovery=Recovery.FAIL) as disk:
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


def waits_before_the_first_server(protocol: WireProtocol) -> bool:
    """Nobody has served the device yet: a read waits for the first server, and is answered."""
    with lasting(protocol, recovery=Recovery.FAIL) as disk:
        disk.memory[:BLOCK] = pattern(0, BLOCK)
        early = reader(NAME, 0)
        wait_until("the read waits", lambda: disk.counter("queued") == 1)
        disk.start()
        return early.end() == pattern(0, BLOCK)


def gives_up_after_the_time_out(protocol: WireProtocol) -> dict[str, object]:
    """Policy "wait", and nobody comes in time; a server that comes later finds a usable device."""
    with lasting(protocol, timeout_seconds=1) as disk:
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
    ends: list[str]
    seconds: float
    server: int


def destroyed_under_load(protocol: WireProtocol, policy: str) -> UnderLoad:
    """Four threads read and write; the device is destroyed by force with its server at work."""
    with lasting(protocol, recovery=Recovery[policy]) as disk:
        server = disk.start()
        threads = [Submitter(partial(load, number)) for number in range(4)]
        wait_until("load", lambda: disk.counter("requests") > 50)
        began = time.monotonic()
        destroyed = destroy(disk.control, disk.handle, 1)
        ends = [str(each.end()) for each in threads]
        return {
            "destroyed": destroyed,
            "ends": ends,
            "seconds": time.monotonic() - began,
            "server": server.wait(),
        }


def load(number: int) -> str:
    """Read and write by turns until one fails; returns how it did."""
    ended = "OK"
    with opened(NAME) as fd:
        for turn in itertools.count():
            offset = (turn * 7 + number) % 100 * BLOCK
            ended = outcome(partial(pread, fd, BLOCK, offset))
            if ended == "OK":
                ended = outcome(partial(pwrite, fd, bytes(BLOCK), offset))
            if ended != "OK":
                break
    return ended
