# SPDX-License-Identifier: MIT
"""Destroying devices in every state that they can be in."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypedDict

import zosbd2
from zosbd2 import WireProtocol

from .control import destroy, destroy_all
from .disks import (
    BLOCK,
    MIB,
    Store,
    Submitter,
    by_hand,
    counter,
    created,
    exchange,
    opened,
    pattern,
    pread,
    pwrite,
    reader,
    udev_held,
    writer,
)
from .outcomes import outcome
from .patience import wait_until

_SIZE = 16 * MIB


def buffered_write_then_destroy(protocol: WireProtocol, how: str) -> dict[str, bool]:
    """Fill the page cache, write nothing back, and destroy the device unforced.

    ``how`` is who destroys it: another process ("other"), or a thread of the server's ("own").
    """
    store = Store(_SIZE)
    data = pattern(0, 8 * MIB, seed=7)
    with (
        udev_held(),
        zosbd2.served("testdisk", _SIZE, store, threads=2, protocol=protocol) as server,
    ):
        # A classic server has the node open: the last close, which writes back, is not this one.
        with opened("testdisk", os.O_WRONLY) as fd:
            assert os.pwrite(fd, data, 0) == len(data)
        dirty = bytes(store.memory[: len(data)]) != data
        if how == "other":
            _in_child(lambda: _destroy("testdisk", force=False))
        else:
            _destroy("testdisk", force=False)
        server.wait()
    return {"was_dirty": dirty, "all_there": bytes(store.memory[: len(data)]) == data}


def _destroy(name: str, *, force: bool) -> None:
    with zosbd2.Control() as control:
        control.destroy(name, force=force)


def _in_child(work: Callable[[], object]) -> None:
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(Exception):
            work()
            status = 0
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0, "the child failed"


class UnderLoad(TypedDict):
    """What destroying a device under load did, and to whom."""

    seconds: float
    errors: list[str]
    served: int
    node: bool


def forced_under_load(protocol: WireProtocol, submitters: int) -> UnderLoad:
    """Read and write from several threads, destroy by force, and see all of them end."""
    store = Store(_SIZE)
    with (
        udev_held(),
        zosbd2.served("testdisk", _SIZE, store, threads=2, protocol=protocol) as server,
    ):
        threads = [Submitter(partial(_load, number)) for number in range(submitters)]
        wait_until("load", lambda: len(store.requests) > 50)
        began = time.monotonic()
        _destroy("testdisk", force=True)
        errors = [str(each.end()) for each in threads]
        server.wait()
        seconds = time.monotonic() - began
    return {
        "seconds": seconds,
        "errors": errors,
        "served": min(len(store.requests), 50),
        "node": Path("/dev/testdisk").exists(),
    }


def _load(number: int) -> str:
    """One thread's reads and writes, until one fails: how it did."""
    ended = "OK"
    with opened("testdisk") as fd:
        for turn in itertools.count():
            offset = (turn * 7 + number) % 100 * BLOCK
            ended = outcome(partial(pread, fd, 2 * BLOCK, offset))
            if ended == "OK":
                ended = outcome(partial(pwrite, fd, bytes(BLOCK), offset))
            if ended != "OK":
                break
    return ended


def forced_with_requests_everywhere(protocol: WireProtocol) -> dict[str, object]:
    """Destroy by force while some requests are with the server and others wait for it."""
    with (
        udev_held(),
        zosbd2.Control() as control,
        exchange(control, "testdisk", protocol) as server,
    ):
        submitters = [reader("testdisk", number * BLOCK) for number in range(4)]
        submitters += [
            writer("testdisk", bytes(BLOCK), (8 + number) * BLOCK) for number in range(4)
        ]
        fetched = [server.fetch_request() for _ in range(3)]
        wait_until("eight in flight", lambda: counter("testdisk", "in_flight") == 8)
        began = time.monotonic()
        destroyed = destroy(control, server.handle, 1)
        outcomes = Counter(outcome(each.end) for each in submitters)
        # What the server still had is of no use now.
        after = type(server.call(fetched[0].answer(bytes(BLOCK)))).__name__
        return {
            "destroyed": destroyed,
            "outcomes": dict(outcomes),
            "after": after,
            "prompt": time.monotonic() - began < 10,
        }


def two_at_once(force: int, rounds: int) -> list[str]:
    """Two threads destroy one device at the same time: the sorted outcomes, each seen once."""
    seen = set()
    with udev_held(), zosbd2.Control() as control:
        for _ in range(rounds):
            handle = control.create("testdisk", 4 * MIB)
            barrier = threading.Barrier(2)
            outcomes: list[str] = []

            def race(
                handle: int = handle,
                barrier: threading.Barrier = barrier,
                outcomes: list[str] = outcomes,
            ) -> None:
                barrier.wait()
                outcomes.append(destroy(control, handle, force).split()[0])

            threads = [Submitter(race) for _ in range(2)]
            for each in threads:
                each.end()
            seen.add(" and ".join(sorted(outcomes)))
            assert control.handles() == []
    return sorted(seen)


def all_but_the_busy_one() -> dict[str, object]:
    """destroy_all unforced with one device of four open, then by force."""
    with udev_held(), zosbd2.Control() as control:
        handles = [control.create(f"disk{number}", 4 * MIB) for number in range(4)]
        with opened("disk1", os.O_RDWR):
            unforced = destroy_all(control, 0)
            spared = [handles.index(handle) for handle in control.handles()]
            forced = destroy_all(control, 1)
        return {"unforced": unforced, "spared": spared, "forced": forced,
                "left": control.handles()}  # fmt: skip


def several_served(protocol: WireProtocol, count: int) -> dict[str, object]:
    """destroy_all with a server at each device; all of them must end."""
    with contextlib.ExitStack() as undo:
        undo.enter_context(udev_held())
        control = undo.enter_context(zosbd2.Control())
        servers = [
            undo.enter_context(
                zosbd2.served(f"disk{number}", 4 * MIB, Store(4 * MIB), protocol=protocol)
            )
            for number in range(count)
        ]
        wait_until(
            "all serve",
            lambda: all(counter(f"disk{number}", "servers") for number in range(count)),
        )
        destroyed = destroy_all(control, 0)
        for server in servers:
            server.wait()
        return {"destroyed": destroyed, "left": control.handles()}


class Abandoned(TypedDict):
    """What became of a device whose server was killed or stopped."""

    destroyed: str
    outcomes: list[str]
    seconds: float
    left: list[int]


def abandoned_when_idle(protocol: WireProtocol, signal_number: int, force: int) -> Abandoned:
    """Destroy a device whose server process has got SIGKILL or SIGSTOP; no request is there."""
    return _abandoned(protocol, signal_number, force, with_requests=False)


def abandoned_with_requests(protocol: WireProtocol, signal_number: int) -> Abandoned:
    """The same by force, with two requests that the server had and one that it never saw."""
    return _abandoned(protocol, signal_number, 1, with_requests=True)


def _abandoned(
    protocol: WireProtocol, signal_number: int, force: int, *, with_requests: bool
) -> Abandoned:
    with udev_held(), zosbd2.Control() as control, created(control, "testdisk") as handle:
        ready, attached = os.pipe()
        child = os.fork()
        if child == 0:
            with by_hand(control, "testdisk", handle, protocol) as mine:
                os.write(attached, b"x")
                # Takes requests and never answers any.
                while isinstance(mine.call(), zosbd2.Request):
                    pass
            os._exit(0)
        # Who is stopped before he has attached would find no device.
        os.close(attached)
        os.read(ready, 1)
        os.close(ready)
        wait_until("the server", lambda: counter("testdisk", "servers") == 1)
        submitters = []
        if with_requests:
            submitters = [reader("testdisk", 0), writer("testdisk", bytes(BLOCK), BLOCK)]
            wait_until("both fetched", _both_fetched)
        os.kill(child, signal_number)
        # Dead or stopped: until then it could still fetch a request.
        _, status = os.waitpid(child, os.WUNTRACED)
        assert os.WIFSIGNALED(status) or os.WIFSTOPPED(status), f"its status is {status:#x}"
        if with_requests:
            submitters.append(reader("testdisk", 2 * BLOCK))
            # What a killed server had goes back into the queue, a stopped one keeps it.
            queued = 3 if signal_number == signal.SIGKILL else 1
            wait_until(f"{queued} queued", lambda: counter("testdisk", "queued") == queued)
        began = time.monotonic()
        destroyed = destroy(control, handle, force)
        outcomes = [outcome(each.end) for each in submitters]
        seconds = time.monotonic() - began
        if signal_number == signal.SIGSTOP:
            os.kill(child, signal.SIGCONT)
            assert os.waitpid(child, 0)[1] == 0, "the server did not get its message"
        return {"destroyed": destroyed, "outcomes": outcomes, "seconds": seconds,
                "left": control.handles()}  # fmt: skip


def _both_fetched() -> bool:
    return counter("testdisk", "in_flight") == 2 and counter("testdisk", "queued") == 0


def unforced_waits_for_a_slow_server() -> dict[str, object]:
    """An unforced destroy of a dirty device whose server hangs: interrupted, then forced.

    Only a server that has the block device open keeps its last close from writing back.
    """
    with udev_held(), zosbd2.Control() as control, exchange(control, "testdisk") as server:
        waiting = Submitter(lambda: type(server.call()).__name__)
        wait_until("the server", lambda: counter("testdisk", "servers") == 1)
        with opened("testdisk", os.O_WRONLY) as fd:
            os.pwrite(fd, bytes(BLOCK), 0)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGUSR1, lambda *_: None)
            ended = destroy(control, server.handle, 0)
            os._exit(0 if ended == "EINTR -4" else 1)
        state = Path("/sys/block/testdisk/zosbd2/state")
        wait_until("write-back", lambda: state.read_text() == "syncing\n")
        fetched = waiting.end()
        newcomer = outcome(lambda: os.close(os.open("/dev/testdisk", os.O_RDONLY | os.O_CLOEXEC)))
        os.kill(child, signal.SIGUSR1)
        _, status = os.waitpid(child, 0)
        after = state.read_text().strip()
        return {"fetched": fetched, "newcomer": newcomer, "interrupted": status == 0,
                "then": after, "forced": destroy(control, server.handle, 1)}  # fmt: skip


def unload_right_after(protocol: WireProtocol, rounds: int, path: str) -> list[str]:
    """Destroy a device that is served, and unload the module as soon as that works."""
    for _ in range(rounds):
        with udev_held():
            with zosbd2.served(
                "testdisk", 4 * MIB, Store(4 * MIB), threads=2, protocol=protocol
            ) as server:
                with opened("testdisk") as fd:
                    pwrite(fd, bytes(BLOCK), 0)
                _destroy("testdisk", force=True)
                server.wait()
            subprocess.run(["rmmod", "zosbd2"], check=True)
        subprocess.run(["insmod", path], check=True)
    return [node for node in ("/dev/testdisk", "/sys/block/testdisk") if Path(node).exists()]


def served_by_a_child() -> dict[str, object]:
    """A process opens the block device, and its child serves through that file; then a destroy."""
    with (
        udev_held(),
        zosbd2.Control() as control,
        created(control, "testdisk") as handle,
        zosbd2.DeviceNode("testdisk") as node,
    ):
        child = os.fork()
        if child == 0:
            _serve_one_and_wait(zosbd2.Exchange(node, handle))
        read = reader("testdisk", BLOCK).end()
        destroyed = outcome(partial(control.destroy, handle, force=False))
        outcome(partial(control.destroy, handle, force=True))
        _, status = os.waitpid(child, 0)
        return {"intact": read == pattern(BLOCK, BLOCK), "destroyed": destroyed,
                "child": os.waitstatus_to_exitcode(status)}  # fmt: skip


def _serve_one_and_wait(server: zosbd2.Exchange) -> None:
    """Answer a read, then wait to be sent home; ends the process."""
    status = 1
    with contextlib.suppress(Exception):
        request = server.fetch_request()
        gone = server.call(request.answer(pattern(request.offset, BLOCK)))
        status = 0 if isinstance(gone, zosbd2.Gone) else 2
    os._exit(status)


def read_before_a_server_comes(flags: int) -> dict[str, str]:
    """A process opens the device and reads, nobody has ever served, and then an unforced destroy.

    ``flags`` is how it opens it.
    """
    with udev_held(), zosbd2.Control() as control, created(control, "testdisk") as handle:

        def work() -> bytes:
            with opened("testdisk", flags | os.O_DIRECT) as fd:
                return pread(fd, BLOCK, 0)

        one = Submitter(work)
        wait_until("the read is queued", lambda: counter("testdisk", "queued") == 1)
        destroyed = outcome(partial(control.destroy, handle, force=False))
        outcome(partial(control.destroy, handle, force=True))
        return {"destroyed": destroyed, "read": outcome(one.end)}
