# SPDX-License-Identifier: MIT
"""Flushes and durable writes: what a server gets of them, and what its answers do."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from typing import TypedDict

import zosbd2
from zosbd2 import Feature, WireProtocol
from zosbd2.abi import NO_FEATURES, RESPONSE_TO, Operation

from .disks import BLOCK, MIB, Store, Submitter, opened, pattern, pwrite, reader, writer
from .outcomes import outcome
from .sessions import SIZE, logged, mounted, queue, session_exchange

_DEADLINE = 30.0
_SHORT = 0.3
"""How long something that must not happen is watched for."""


class Caching(Store):
    """A RAM disk with a flush that can be held back, or fail."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.hold = False
        self.fail_with = 0
        self.held = threading.Event()
        self.released = threading.Event()

    def flush(self) -> None:
        self.requests.append(("flush", 0, 0))
        if self.hold:
            self.held.set()
            if not self.released.wait(_DEADLINE):
                raise OSError(errno.ETIMEDOUT, "the test did not let the flush go")
        if self.fail_with:
            raise OSError(self.fail_with, "as the test wants it")


class Durable(Caching):
    """With a method for durable writes."""

    def write_durably(self, offset: int, data: memoryview) -> None:
        self.requests.append(("write_durably", offset, len(data)))
        self.memory[offset : offset + len(data)] = data


def fsync(name: str = "testdisk") -> Submitter:
    """Flushes the device in the background."""

    def work() -> None:
        with opened(name, os.O_RDWR) as fd:
            os.fsync(fd)

    return Submitter(work)


def is_under_way(submitter: Submitter) -> bool:
    """Whether it does not end for a moment."""
    try:
        submitter.end(_SHORT)
    except TimeoutError:
        return True
    return False


class HeldBack(TypedDict):
    """An fsync whose flush was held back."""

    waits: bool
    then: object


def fsync_on_ext4_waits_for_its_flush(protocol: WireProtocol) -> HeldBack:
    """Write to a file, fsync it, and hold the flush back for a while."""
    disk = Durable(64 * MIB)  # whose flush() is called for flushes only
    features = Feature.FLUSH | Feature.FUA
    with zosbd2.served("testdisk", 64 * MIB, disk, threads=3, features=features, protocol=protocol):
        subprocess.run(["mkfs.ext4", "-q", "/dev/testdisk"], check=True)
        with mounted("/dev/testdisk") as where, (where / "file").open("wb", buffering=0) as file:
            file.write(bytes(BLOCK))
            os.fsync(file)
            file.write(bytes(BLOCK))
            disk.hold = True
            syncing = Submitter(partial(os.fsync, file))
            if not disk.held.wait(_DEADLINE):
                raise TimeoutError(f"no flush came within {_DEADLINE} s of an fsync")
            waits = is_under_way(syncing)
            disk.hold = False
            disk.released.set()
            return {"waits": waits, "then": syncing.end()}


def fsync_on_ext4_fails_with_its_flush(protocol: WireProtocol) -> list[str]:
    """fsync when flushes succeed, when they fail, and when they succeed again."""
    disk = Caching(64 * MIB)
    found = []
    with zosbd2.served(
        "testdisk", 64 * MIB, disk, threads=2, features=Feature.FLUSH, protocol=protocol
    ):
        # A journal would give up at the first flush that fails.
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "/dev/testdisk"], check=True)
        with mounted("/dev/testdisk") as where, (where / "file").open("wb", buffering=0) as file:
            for error in (0, errno.EIO, 0):
                disk.fail_with = error
                file.write(bytes(BLOCK))
                found.append(outcome(partial(os.fsync, file)))
    return found


def fsync_when_a_flush_is_answered_with(protocol: WireProtocol, errors: list[int]) -> list[str]:
    """How an fsync on the block device ends."""
    found = []
    with zosbd2.Control() as control, session_exchange(control, Feature.FLUSH, protocol) as server:
        for error in errors:
            syncing = fsync()
            server.hand_in(server.fetch_request().answer(error=error))
            found.append(outcome(syncing.end))
    return found


class Cache(TypedDict):
    """What the kernel thinks of a device's cache, and what a server gets."""

    write_cache: str
    fua: str
    requests: list[str]


def durable_write(protocol: WireProtocol, features: int) -> Cache:
    """Write a block past the page cache with O_DSYNC."""
    flags = os.O_RDWR | os.O_DIRECT | os.O_DSYNC
    with logged(Feature(features), protocol) as log, opened("testdisk", flags) as fd:
        log.entries.clear()
        pwrite(fd, pattern(0, BLOCK), 0)
        requests = list(log.entries)
        return {"write_cache": queue("write_cache"), "fua": queue("fua"), "requests": requests}


def fsync_of_a_write(protocol: WireProtocol, features: int) -> Cache:
    """Write a block past the page cache, and fsync."""
    with logged(Feature(features), protocol) as log, opened("testdisk") as fd:
        log.entries.clear()
        pwrite(fd, pattern(0, BLOCK), 0)
        os.fsync(fd)
        requests = list(log.entries)
        return {"write_cache": queue("write_cache"), "fua": queue("fua"), "requests": requests}


def handler_of_durable_writes(protocol: WireProtocol, has_method: bool) -> list[str]:
    """What is called for one FUA write: the calls before the flush of the O_DSYNC itself."""
    disk = Durable(SIZE) if has_method else Caching(SIZE)
    with (
        zosbd2.served(
            "testdisk", SIZE, disk, features=Feature.FLUSH | Feature.FUA, protocol=protocol
        ),
        opened("testdisk", os.O_RDWR | os.O_DIRECT | os.O_DSYNC) as fd,
    ):
        subprocess.run(["udevadm", "settle", "--timeout=60"], check=True)
        disk.requests.clear()
        pwrite(fd, pattern(0, BLOCK), 0)
        calls = [kind for kind, _, _ in disk.requests]
        assert disk.memory[:BLOCK] == pattern(0, BLOCK)
        return calls


def flush_behind_a_write(protocol: WireProtocol) -> dict[str, bool]:
    """A durable write to a device without FUA: when its flush comes, and when it ends."""
    with zosbd2.Control() as control, session_exchange(control, Feature.FLUSH, protocol) as server:

        def work() -> None:
            with opened("testdisk", os.O_RDWR | os.O_DIRECT | os.O_DSYNC) as fd:
                pwrite(fd, bytes(BLOCK), 0)

        writing = Submitter(work)
        write = server.fetch_request()
        early = server.call(timeout=_SHORT)
        flush = server.fetch_request(write.answer())
        found = {
            "write first": write.operation is Operation.WRITE_REQUEST and not write.fua,
            "no flush before its answer": isinstance(early, zosbd2.Interrupted),
            "then a flush": flush.operation is Operation.FLUSH_REQUEST,
            "the write waits for it": is_under_way(writing),
        }
        # O_DSYNC on a block device flushes once more.
        again = server.fetch_request(flush.answer())
        server.hand_in(again.answer())
        writing.end()
        return found


def io_beside_a_flush(protocol: WireProtocol) -> dict[str, object]:
    """While a flush is with the server, a write and a read come and go."""
    with zosbd2.Control() as control, session_exchange(control, Feature.FLUSH, protocol) as server:
        syncing = fsync()
        flush = server.fetch_request()
        writing = writer("testdisk", pattern(0, BLOCK), 0)
        server.hand_in(server.fetch_request().answer())
        reading = reader("testdisk", 0)
        server.hand_in(server.fetch_request().answer(pattern(0, BLOCK)))
        found = {
            "written": writing.end(),
            "read": reading.end() == pattern(0, BLOCK),
            "flush waits": is_under_way(syncing),
        }
        server.hand_in(flush.answer())
        syncing.end()
        return found


def flushes_cover_acknowledged_writes(protocol: WireProtocol, writes: int) -> list[str]:
    """Two threads write and flush at once; which acknowledged writes a flush came before."""
    missed: list[str] = []
    with logged(Feature.FLUSH, protocol) as log:

        def work(first: int) -> None:
            with opened("testdisk") as fd:
                for number in range(first, writes, 2):
                    pwrite(fd, bytes(BLOCK), number * BLOCK)
                    os.fsync(fd)
                    seen = list(log.entries)
                    mine = f"write {number * BLOCK}+{BLOCK}"
                    if "flush" not in seen[seen.index(mine) :]:
                        missed.append(mine)

        log.entries.clear()
        threads = [Submitter(partial(work, first)) for first in (0, 1)]
        for each in threads:
            each.end()
    return missed


def wrong_answers() -> dict[str, list[str]]:
    """Answers of a wrong kind or length to a flush and a write, then the right ones."""
    found = {}
    with zosbd2.Control() as control, session_exchange(control, Feature.FLUSH) as server:
        submits: dict[str, Callable[[], Submitter]] = {
            "flush": fsync,
            "write": lambda: writer("testdisk", bytes(BLOCK), 0),
        }
        for name, submit in submits.items():
            submitter = submit()
            right = server.fetch_request().answer()
            wrong = [
                right._replace(operation=each)
                for each in RESPONSE_TO.values()
                if each != right.operation
            ]
            wrong.append(right._replace(total_length=right.total_length + BLOCK))
            found[name] = [outcome(partial(server.call, each, timeout=5)) for each in wrong]
            assert is_under_way(submitter)
            server.hand_in(right)
            found[name].append(outcome(submitter.end))
    return found


def a_handler_without_flush() -> dict[str, object]:
    """What comes of serving a device with a cache by somebody who knows none."""
    with zosbd2.Control() as control, session_exchange(control, Feature.FLUSH) as server:
        node = zosbd2.DeviceNode("testdisk")
        with node:
            by_hand = zosbd2.Exchange(node, server.handle)
            return {
                "classic call": outcome(partial(by_hand.call, timeout=_SHORT)),
                "handler": outcome(partial(zosbd2.Server, control, server.handle, Store(SIZE))),
                "attach": outcome(partial(control.attach, server.handle, features=NO_FEATURES)),
                "ping": outcome(node.ping),
            }
