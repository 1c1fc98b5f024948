# SPDX-License-Identifier: MIT
"""One Python server takes a device over from another, or tries to."""

from __future__ import annotations

import threading
from functools import partial

import zosbd2
from zosbd2 import Feature, WireProtocol

from .disks import BLOCK, MIB, Store, Submitter, opened, pattern, pread, pwrite
from .outcomes import outcome
from .patience import wait_until

_DEADLINE = 30.0


class Slow(Store):
    """Holds writes to the first block back; reads wait until two are there at once."""

    def __init__(self) -> None:
        super().__init__(4 * MIB)
        self.held = threading.Event()
        self.released = threading.Event()
        self.both = threading.Barrier(2, timeout=_DEADLINE)
        self.pair = False

    def read(self, offset: int, into: memoryview) -> None:
        if self.pair:
            self.both.wait()
        super().read(offset, into)

    def write(self, offset: int, data: memoryview) -> None:
        if offset == 0:
            self.held.set()
            if not self.released.wait(_DEADLINE):
                raise TimeoutError("the test did not let the write go")
        super().write(offset, data)

    def flush(self) -> None:
        """There is nothing to do."""


def take_over(protocol: WireProtocol, features: int, threads: int) -> dict[str, object]:
    """Take a device over from a server with several threads."""
    old, new = Store(4 * MIB), Slow()
    if features:
        old = Slow()
        old.released.set()
    new.released.set()
    with (
        zosbd2.served(
            "testdisk", 4 * MIB, old, threads=threads, features=Feature(features), protocol=protocol
        ) as before,
        zosbd2.Control() as control,
    ):
        with opened("testdisk") as fd:
            pwrite(fd, pattern(0, BLOCK), 0)
            with zosbd2.reattached(
                "testdisk", new, threads=threads, take_over=True, protocol=protocol
            ) as after:
                before.wait()
                pwrite(fd, pattern(0, BLOCK, seed=1), BLOCK)
                found: dict[str, object] = {
                    "ended": before.ended,
                    "retired": before.retired.is_set(),
                    "old": bytes(old.memory[BLOCK : 2 * BLOCK]) == bytes(BLOCK),
                    "new": new.memory[BLOCK : 2 * BLOCK] == pattern(0, BLOCK, seed=1),
                    "runs": after.ended is None,
                }
            found["after"] = after.ended
        before.stop()
        found["still there"] = control.handles() != []
    with zosbd2.Control() as control:
        found["left alone"] = control.handles() != []
        control.destroy_all(force=True)
    return found


def take_over_that_fails(protocol: WireProtocol) -> dict[str, object]:
    """A write is held back for longer than the take-over waits; then both threads serve on."""
    disk = Slow()
    features = Feature.FLUSH
    with (
        zosbd2.served(
            "testdisk", 4 * MIB, disk, threads=2, features=features, protocol=protocol
        ) as server,
        zosbd2.Control() as control,
        opened("testdisk") as fd,
    ):
        handle = control.lookup("testdisk")
        writing = Submitter(partial(pwrite, fd, bytes(BLOCK), 0))
        wait_until("the write", disk.held.is_set)
        found: dict[str, object] = {
            "attach": outcome(partial(control.attach, handle, take_over=True, timeout_ms=300))
        }
        disk.released.set()
        writing.end()
        disk.pair = True
        reads = [Submitter(partial(pread, fd, BLOCK, at * BLOCK)) for at in (8, 16)]
        found["both threads serve"] = [outcome(each.end) for each in reads]
        disk.pair = False
        found["ended"] = server.ended
        # And the next one succeeds.
        with control.attach(handle, take_over=True):
            server.wait()
            found["then"] = server.ended
            control.destroy(handle, force=True)
    return found


def ended_otherwise(protocol: WireProtocol) -> list[str | None]:
    """Servers of a device that is destroyed, and that are stopped."""
    with zosbd2.served("testdisk", 4 * MIB, Store(4 * MIB), threads=2, protocol=protocol) as server:
        before = server.ended
    with zosbd2.Control() as control:
        handle = control.create("testdisk", 4 * MIB, recovery=zosbd2.Recovery.FAIL)
        with zosbd2.reattached("testdisk", Store(4 * MIB), threads=2, protocol=protocol) as stopped:
            pass
        control.destroy(handle, force=True)
    return [before, server.ended, stopped.ended]
