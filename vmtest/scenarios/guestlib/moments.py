# SPDX-License-Identifier: MIT
"""Servers that are killed at a chosen moment, and what the device's users see of it: nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import signal
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypedDict

import zosbd2
from zosbd2 import Feature, Operation, WireProtocol

from . import trees
from .control import destroy
from .disks import (
    BLOCK,
    MIB,
    Submitter,
    discarder,
    opened,
    pattern,
    pwrite,
    reader,
    writer,
)
from .lasting import NAME, LastingDisk, ServerProcess, Succession, lasting
from .outcomes import outcome
from .patience import wait_until

_STOP, _CONT = signal.SIGSTOP, signal.SIGCONT
_BLKRRPART = 0x125F
_BLKZEROOUT = 0x127F

_EVERYTHING = frozenset(
    {
        Operation.READ_REQUEST,
        Operation.WRITE_REQUEST,
        Operation.DISCARD_REQUEST,
        Operation.FLUSH_REQUEST,
        Operation.WRITE_ZEROES_REQUEST,
    }
)


class Survival(TypedDict):
    """How what was under way ended, and what the device counted."""

    outcomes: list[str]
    right: bool
    handed_on: int
    servers_lost: int
    errors: int


def _survival(disk: LastingDisk, submitters: list[Submitter], right: bool) -> Survival:
    return {
        "outcomes": [outcome(each.end) for each in submitters],
        "right": right,
        "handed_on": disk.counter("handed_on"),
        "servers_lost": disk.counter("servers_lost"),
        "errors": disk.counter("errors"),
    }


def _fsync() -> Submitter:
    def work() -> None:
        with opened(NAME) as fd:
            os.fsync(fd)

    return Submitter(work)


def _write_through(offset: int) -> Submitter:
    def work() -> int:
        with opened(NAME, os.O_RDWR | os.O_DIRECT | os.O_DSYNC) as fd:
            return pwrite(fd, pattern(offset, BLOCK), offset)

    return Submitter(work)


def _zeroer(offset: int, length: int) -> Submitter:
    def work() -> None:
        with opened(NAME) as fd:
            fcntl.ioctl(fd, _BLKZEROOUT, struct.pack("=QQ", offset, length))

    return Submitter(work)


#: By kind: what submits it, and whether its effect is there. The memory was filled before.
_SUBMITTERS: dict[Operation, Callable[[], Submitter]] = {
    Operation.READ_REQUEST: lambda: reader(NAME, 8 * BLOCK),
    Operation.WRITE_REQUEST: lambda: writer(NAME, pattern(0, BLOCK, seed=9), 16 * BLOCK),
    Operation.DISCARD_REQUEST: lambda: discarder(NAME, 24 * BLOCK, BLOCK),
    Operation.WRITE_ZEROES_REQUEST: lambda: _zeroer(32 * BLOCK, BLOCK),
    Operation.FLUSH_REQUEST: _fsync,
}


def _fill(disk: LastingDisk) -> None:
    disk.memory[: 64 * BLOCK] = pattern(0, 64 * BLOCK)


def _is_done(disk: LastingDisk, kind: Operation, submitter: Submitter) -> bool:
    """Whether the effect of the kind's submitter is there."""

    def block(number: int) -> bytes:
        return disk.memory[number * BLOCK : (number + 1) * BLOCK]

    match kind:
        case Operation.READ_REQUEST:
            return submitter.end() == pattern(8 * BLOCK, BLOCK)
        case Operation.WRITE_REQUEST:
            return block(16) == pattern(0, BLOCK, seed=9)
        case Operation.DISCARD_REQUEST:
            return block(24) == bytes(BLOCK)
        case Operation.WRITE_ZEROES_REQUEST:
            return block(32) == bytes(BLOCK)
    return True


def holding(protocol: WireProtocol, kind: str) -> Survival:
    """Kill a server that has one request of a kind (a member of Operation); another comes."""
    operation = Operation[kind]
    with lasting(protocol) as disk:
        _fill(disk)
        first = disk.start(hold=frozenset({operation}))
        submitter = _SUBMITTERS[operation]()
        first.expect("holding")
        first.kill()
        wait_until("it is queued again", lambda: disk.counter("queued") == 1)
        disk.start()
        submitter.end()
        return _survival(disk, [submitter], _is_done(disk, operation, submitter))


def holding_several_kinds(protocol: WireProtocol) -> Survival:
    """The same with four kinds at once; zeroing would wait for the discard in the kernel."""
    with lasting(protocol) as disk:
        _fill(disk)
        first = disk.start(hold=_EVERYTHING)
        kinds = [kind for kind in _SUBMITTERS if kind is not Operation.WRITE_ZEROES_REQUEST]
        submitters = {kind: _SUBMITTERS[kind]() for kind in kinds}
        first.expect("holding", len(submitters))
        first.kill()
        disk.start()
        for each in submitters.values():
            each.end()
        right = all(_is_done(disk, kind, each) for kind, each in submitters.items())
        return _survival(disk, list(submitters.values()), right)


def holding_a_write_through(protocol: WireProtocol) -> Survival:
    """A write that must be durable when it is answered (FUA)."""
    with lasting(protocol) as disk:
        first = disk.start(hold=_EVERYTHING)
        submitter = _write_through(BLOCK)
        first.expect("holding")
        first.kill()
        disk.start()
        submitter.end()
        right = disk.memory[BLOCK : 2 * BLOCK] == pattern(BLOCK, BLOCK)
        return _survival(disk, [submitter], right)


def idle(protocol: WireProtocol) -> Survival:
    """Kill a server that has nothing to do; a request comes before the next server does."""
    with lasting(protocol) as disk:
        _fill(disk)
        server = disk.start()
        wait_until("it waits for a request", server.waits_for_the_module)
        server.kill()
        wait_until("its death is known", lambda: disk.counter("servers_lost") == 1)
        submitter = reader(NAME, 8 * BLOCK)
        wait_until("the read waits", lambda: disk.counter("queued") == 1)
        disk.start()
        right = submitter.end() == pattern(8 * BLOCK, BLOCK)
        return _survival(disk, [submitter], right)


def one_of_two(protocol: WireProtocol) -> Survival:
    """Two servers with a read each; one is killed. What it had is the other's now."""
    with lasting(protocol) as disk:
        _fill(disk)
        both = [disk.start(at=1, fate=_STOP) for _ in range(2)]
        submitters = [reader(NAME, number * BLOCK) for number in (8, 9)]
        for server in both:
            server.wait_until_stopped()
        both[0].kill()
        wait_until("it is queued again", lambda: disk.counter("queued") == 1)
        both[1].signal(_CONT)
        right = [each.end() for each in submitters] == [
            pattern(number * BLOCK, BLOCK) for number in (8, 9)
        ]
        return _survival(disk, submitters, right)


def all_of_three(protocol: WireProtocol) -> Survival:
    """Three servers that have four reads between them are killed at once."""
    with lasting(protocol) as disk:
        _fill(disk)
        servers = [disk.start(hold=_EVERYTHING) for _ in range(3)]
        submitters = [reader(NAME, number * BLOCK) for number in range(4)]
        wait_until(
            "all are fetched",
            lambda: disk.counter("in_flight") == 4 and disk.counter("queued") == 0,
        )
        # None of them shall get what another one had.
        for server in servers:
            server.signal(_STOP)
            server.wait_until_stopped()
        for server in servers:
            server.kill()
        disk.start()
        right = [each.end() for each in submitters] == [
            pattern(number * BLOCK, BLOCK) for number in range(4)
        ]
        return _survival(disk, submitters, right)


def in_the_middle_of_a_recovery(protocol: WireProtocol, seed: int, rounds: int) -> Survival:
    """A read and a write pass through the hands of ``rounds`` servers that are killed on the way:
    before they attach, before they fetch, with one of the two, with both.

    How long all that takes depends on kernel and machine, so one server shows it first."""
    rng = random.Random(seed)
    with lasting(protocol) as disk:
        _fill(disk)
        first = disk.start(hold=_EVERYTHING)
        submitters = [reader(NAME, 8 * BLOCK), writer(NAME, pattern(0, BLOCK, seed=9), 16 * BLOCK)]
        first.expect("holding", 2)
        first.kill()
        began = time.monotonic()
        second = disk.start(hold=_EVERYTHING)
        second.expect("holding", 2)
        whole = time.monotonic() - began
        second.kill()
        for _ in range(rounds):
            server = disk.start(hold=_EVERYTHING, wait=False)
            time.sleep(rng.uniform(0, 1.5 * whole))  # the moment is what is random here
            server.kill()
        disk.start()
        right = submitters[0].end() == pattern(8 * BLOCK, BLOCK)
        submitters[1].end()
        right = right and _is_done(disk, Operation.WRITE_REQUEST, submitters[1])
        return _survival(disk, submitters, right)


def during_an_unforced_destroy(protocol: WireProtocol) -> dict[str, object]:
    """An unforced destroy writes a dirty device back; its server dies with those writes."""
    with lasting(protocol) as disk:
        first = disk.start(hold=frozenset({Operation.WRITE_REQUEST, Operation.FLUSH_REQUEST}))
        data = pattern(0, 2 * MIB, seed=3)
        dirty = Submitter(lambda: _write_buffered(data))
        # The last close writes back and waits for the server: only a server can end that.
        first.expect("holding")
        first.kill()
        second = disk.start(hold=frozenset({Operation.FLUSH_REQUEST}))
        dirty.end()
        ended = Submitter(lambda: destroy(disk.control, disk.handle, 0))
        second.expect("holding")
        state = Path(f"/sys/block/{NAME}/zosbd2/state").read_text().strip()
        second.kill()
        third = disk.start()
        return {
            "state": state,
            "destroyed": ended.end(),
            "all_there": disk.memory[: len(data)] == data,
            "server": third.wait(),
        }


def _write_buffered(data: bytes) -> None:
    with opened(NAME, os.O_WRONLY) as fd:
        assert os.pwrite(fd, data, 0) == len(data)


def during_a_forced_destroy(protocol: WireProtocol, seed: int, rounds: int) -> dict[str, int]:
    """Kill and destroy at nearly the same time, with reads that are held: how all of them end.

    The destroy comes first in half of the rounds.
    """
    rng = random.Random(seed)
    ends: Counter[str] = Counter()
    for turn in range(rounds):
        with lasting(protocol) as disk:
            servers = [disk.start(hold=_EVERYTHING) for _ in range(2)]
            submitters = [reader(NAME, number * BLOCK) for number in range(4)]
            wait_until("all are fetched", lambda: _fetched(disk) == 4)
            deeds = [partial(_kill_all, servers), partial(_destroy_by_force, disk, ends)]
            first = Submitter(deeds[turn % 2])
            time.sleep(rng.uniform(0, 0.005))  # the moment is what is random here
            second = Submitter(deeds[1 - turn % 2])
            for each in submitters:
                ends[outcome(each.end)] += 1
            first.end()
            second.end()
            assert not Path(f"/dev/{NAME}").exists()
    return dict(ends)


def _kill_all(servers: list[ServerProcess]) -> None:
    for server in servers:
        server.kill()


def _destroy_by_force(disk: LastingDisk, ends: Counter[str]) -> None:
    ends[f"destroy {destroy(disk.control, disk.handle, 1)}"] += 1


def _fetched(disk: LastingDisk) -> int:
    return disk.counter("in_flight") - disk.counter("queued")


def during_a_partition_scan(protocol: WireProtocol) -> dict[str, object]:
    """Kill the server that a scan for partitions reads from."""
    with lasting(protocol, features=zosbd2.SERVER_FEATURES | Feature.PARTITIONS) as disk:
        disk.memory[446:462] = struct.pack("<B3sB3sII", 0, b"", 0x83, b"", 8, 1024)
        disk.memory[510:512] = b"\x55\xaa"
        first = disk.start(hold=frozenset({Operation.READ_REQUEST}))

        def scan() -> None:
            with opened(NAME, os.O_RDONLY) as fd:
                fcntl.ioctl(fd, _BLKRRPART)

        scanning = Submitter(scan)
        first.expect("holding")
        first.kill()
        disk.start()
        ended = outcome(scanning.end)
        partition = Path(f"/sys/block/{NAME}/{NAME}1/size")
        return {
            "scan": ended,
            "sectors": int(partition.read_text()) if partition.exists() else None,
            "errors": disk.counter("errors"),
        }


class Lives(TypedDict):
    """How many servers died in each phase."""

    kills: dict[str, int]
    errors: int
    checked: str


def in_every_phase_of_a_file_system(
    protocol: WireProtocol, make: list[str], check: list[str], seed: int, longest: int
) -> Lives:
    """mkfs, mount, use, umount, fsck, each with servers that live for a few requests only."""
    rng = random.Random(seed)
    kills = {}
    with lasting(protocol, size=320 * MIB) as disk, Succession(disk, rng, longest) as succession:

        def phase(name: str, *commands: list[str] | Callable[[], object]) -> None:
            before = succession.kills
            succession.begin()
            for command in commands:
                if callable(command):
                    command()
                else:
                    subprocess.run(command, check=True, capture_output=True, text=True)
            kills[name] = succession.kills - before

        node, where = f"/dev/{NAME}", "/mnt/phases"
        Path(where).mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            undo.callback(subprocess.run, ["umount", where], capture_output=True)
            phase("mkfs", [*make, node])
            phase("mount", ["mount", node, where])
            phase("use", lambda: trees.write_tree(f"{where}/tree", 1), ["sync"])
            late = Path(where, "late")
            phase("umount", lambda: late.write_bytes(bytes(100_000)), ["umount", where])
            phase("fsck", [*check, node])
            phase("remount", ["mount", node, where])
            phase("read", lambda: trees.check_tree(f"{where}/tree", 1))
            phase("last umount", ["umount", where])
            undo.pop_all()
        errors = disk.counter("errors")
    return {"kills": kills, "errors": errors, "checked": "OK"}


def stopped_past_the_time_out(protocol: WireProtocol) -> dict[str, object]:
    """SIGSTOP three servers that have a read, a write and a flush; their requests time out.

    They go on, and answer, while another server has three requests with the same tags: the module
    is to be loaded with a queue depth of 3. Then that one is killed, and they have its requests.
    """
    kinds = (Operation.READ_REQUEST, Operation.WRITE_REQUEST, Operation.FLUSH_REQUEST)
    with lasting(protocol, timeout_seconds=4) as disk:
        _fill(disk)
        stopped = []
        expired = []
        for kind in kinds:
            stopped.append(disk.start(at=1, fate=_STOP))
            expired.append(_SUBMITTERS[kind]())
            stopped[-1].wait_until_stopped()
        ends = [outcome(each.end) for each in expired]
        holder = disk.start(hold=_EVERYTHING)
        submitters = {kind: _SUBMITTERS[kind]() for kind in kinds}
        holder.expect("holding", 3)
        for server in stopped:
            server.signal(_CONT)
        wait_until("late answers", lambda: disk.counter("late_answers") == 3)
        untouched = disk.counter("in_flight")
        holder.kill()
        outcomes = [outcome(each.end) for each in submitters.values()]
        return {
            "ends": ends,
            "promptly": max(each.seconds for each in expired) < 15,
            "untouched": untouched,
            "outcomes": outcomes,
            "right": all(_is_done(disk, kind, each) for kind, each in submitters.items()),
            "timeouts": disk.counter("timeouts"),
            "handed_on": disk.counter("handed_on"),
            "errors": disk.counter("errors"),
        }
