# SPDX-License-Identifier: MIT
"""Servers that are taken over from, that close or die in odd ways, and who serves then."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import zosbd2

from .control import destroy
from .disks import (
    BLOCK,
    Submitter,
    counter,
    pattern,
    reader,
    udev_held,
    wait_until,
    writer,
)
from .outcomes import errno_name, outcome

_CREATE = struct.Struct("=32sQQIIIII36x")
_ATTACH = struct.Struct("=IIQI12x")
_IOC_CREATE = 3 << 30 | _CREATE.size << 16 | 0xBD << 8 | 1
_IOC_ATTACH = 1 << 30 | _ATTACH.size << 16 | 0xBD << 8 | 3
_HANDLE_OFFSET = 64
_TAKE_OVER = 1

WAIT, FAIL = 0, 1
"""Recovery policies."""

_CLONE_VM = 0x100
_MANY = 64


class Session(zosbd2.DeviceNode):
    """A session in the place of the block device that an exchange goes through."""

    def __init__(
        self, control: zosbd2.Control, handle: int, take_over_ms: int | None = None
    ) -> None:
        flags = 0 if take_over_ms is None else _TAKE_OVER
        request = bytearray(_ATTACH.pack(handle, flags, 0, take_over_ms or 0))
        self.path = Path("/dev/zosbd2ctl")
        self.fd = control.call(_IOC_ATTACH, request)
        self.exchange = zosbd2.Exchange(self, handle)


@contextlib.contextmanager
def _device(
    control: zosbd2.Control, recovery: int = WAIT, features: int = 0, timeout_seconds: int = 60
) -> Iterator[int]:
    """A device of the extension; destroyed by force at the end."""
    request = bytearray(
        _CREATE.pack(b"testdisk", 4096, features, BLOCK, timeout_seconds, 0, recovery, 0)
    )
    with udev_held():
        control.call(_IOC_CREATE, request)
        (handle,) = struct.unpack_from("=I", request, _HANDLE_OFFSET)
        try:
            yield handle
        finally:
            with contextlib.suppress(zosbd2.NoSuchDevice):
                control.destroy(handle, force=True)


def _kind(message: object) -> str:
    return type(message).__name__


def _told(session: Session, answer: zosbd2.Answer | None = None) -> str:
    """What a call of a server brings, as a word; in the main thread it ends within 5 s."""
    main = threading.current_thread() is threading.main_thread()
    try:
        return _kind(session.exchange.call(answer, timeout=5 if main else None))
    except OSError as error:
        return errno_name(error)


class Reads(NamedTuple):
    """A session that has fetched reads which nobody has answered."""

    session: Session
    requests: list[zosbd2.Request]
    submitters: list[Submitter]


def _with_reads(control: zosbd2.Control, handle: int, count: int) -> Reads:
    session = Session(control, handle)
    submitters = [reader("testdisk", index * BLOCK) for index in range(count)]
    return Reads(session, [session.exchange.fetch_request() for _ in submitters], submitters)


def _answer(request: zosbd2.Request) -> zosbd2.Answer:
    return request.answer(pattern(request.offset, BLOCK))


def _intact(reads: Reads) -> bool:
    return [each.end() for each in reads.submitters] == [
        pattern(index * BLOCK, BLOCK) for index in range(len(reads.submitters))
    ]


def _retired(session: Session) -> None:
    """Wait until a take-over has begun: the server's only thread is told."""
    assert _told(session) == "ShutdownWanted"


def sent_away() -> dict[str, object]:
    """An idle server is taken over from and goes on calling; then the new one leaves."""
    with zosbd2.Control() as control, _device(control) as handle:
        old = Session(control, handle)
        waiting = Submitter(lambda: _told(old))
        wait_until("the server waits", lambda: counter("testdisk", "threads") == 1)
        new = Session(control, handle, 5000)
        seen = [waiting.end(), *[Submitter(lambda: _told(old)).end() for _ in range(2)]]
        again = [_told(old) for _ in range(3)]
        served = counter("testdisk", "servers")
        new.close()
        one = reader("testdisk", 0)
        wait_until("the read", lambda: counter("testdisk", "queued") == 1)
        left = (counter("testdisk", "servers"), _told(old))
        newest = Session(control, handle)
        request = newest.exchange.fetch_request()
        newest.exchange.hand_in(_answer(request))
        return {"waiting": seen[0], "other threads": seen[1:], "again": again, "served": served,
                "left": left, "intact": one.end() == pattern(0, BLOCK)}  # fmt: skip


def several_answers() -> dict[str, object]:
    """A server hands in three answers from one thread while it is taken over from."""
    with zosbd2.Control() as control, _device(control) as handle:
        reads = _with_reads(control, handle, 3)
        taking = Submitter(lambda: Session(control, handle, 20000))
        _retired(reads.session)
        told = [_told(reads.session, _answer(each)) for each in reads.requests]
        intact = _intact(reads)
        new = taking.end()
        return {"told": told[:2], "taken": _kind(new), "intact": intact}


def given_up_beside_another() -> dict[str, object]:
    """Two take over at once from a server that has a request; the first gives up soon."""
    with zosbd2.Control() as control, _device(control) as handle:
        reads = _with_reads(control, handle, 1)
        first = Submitter(partial(Session, control, handle, 1000))
        _retired(reads.session)
        second = Submitter(partial(Session, control, handle, 20000))
        gave_up = outcome(first.end)
        _retired(reads.session)
        waits = second.seconds == 0.0
        last = _told(reads.session, _answer(reads.requests[0]))
        new = second.end()
        assert isinstance(new, Session)
        one = reader("testdisk", 5 * BLOCK)
        request = new.exchange.fetch_request()
        new.exchange.hand_in(_answer(request))
        return {"first": gave_up, "second waits": waits,
                "told": last in ("ShutdownWanted", "Gone"),
                "intact": _intact(reads) and one.end() == pattern(5 * BLOCK, BLOCK)}  # fmt: skip


def goes_on_as_before() -> dict[str, object]:
    """A take-over gives up: the thread that waited for the outcome serves what has queued up."""
    with zosbd2.Control() as control, _device(control) as handle:
        reads = _with_reads(control, handle, 1)
        taking = Submitter(partial(Session, control, handle, 500))
        _retired(reads.session)
        one = reader("testdisk", 5 * BLOCK)
        request = reads.session.exchange.fetch_request()
        reads.session.exchange.hand_in(_answer(request))
        reads.session.exchange.hand_in(_answer(reads.requests[0]))
        return {"gave up": outcome(taking.end),
                "intact": _intact(reads) and one.end() == pattern(5 * BLOCK, BLOCK)}  # fmt: skip


def leaves_while_taken_over(recovery: int) -> dict[str, object]:
    """The old server goes while it is taken over from, and then the new one is interrupted."""
    with zosbd2.Control() as control, _device(control, recovery) as handle:
        busy, old = _with_reads(control, handle, 1), Session(control, handle)
        child = os.fork()
        if child == 0:
            outcome(partial(Session, control, handle, 60000))
            os._exit(0)
        _retired(busy.session)
        one = reader("testdisk", 5 * BLOCK)
        wait_until("a read", lambda: counter("testdisk", "queued") == 1)
        # The other process has both sessions open as well.
        os.kill(child, signal.SIGSTOP)
        busy.session.close()
        old.close()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        wait_until("nobody serves", lambda: counter("testdisk", "servers") == 0)
        if recovery == FAIL:
            return {"outcomes": [outcome(each.end) for each in (*busy.submitters, one)]}
        newest = Session(control, handle)
        first = newest.exchange.fetch_request()
        second = newest.exchange.fetch_request(_answer(first))
        newest.exchange.hand_in(_answer(second))
        return {"intact": _intact(busy) and one.end() == pattern(5 * BLOCK, BLOCK)}


def closed_beside_a_passed_file() -> str:
    """A process serves through a file that it was passed and closes its own: how its wait ends."""
    with zosbd2.Control() as control, _device(control, FAIL) as handle:
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            with zosbd2.DeviceNode("testdisk") as node:
                socket.send_fds(theirs, [b"x"], [node.fd])
                signal.pause()
        own = zosbd2.DeviceNode("testdisk")
        passed = zosbd2.DeviceNode.__new__(zosbd2.DeviceNode)
        passed.path = own.path
        passed.fd = socket.recv_fds(ours, 1, 1)[1][0]
        waiting = Submitter(zosbd2.Exchange(passed, handle).call)
        wait_until("the server waits", lambda: counter("testdisk", "threads") == 1)
        own.close()
        try:
            return outcome(partial(waiting.end, 5))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            control.destroy(handle, force=True)
            passed.close()


def killed_while_destroyed(rounds: int, recovery: int) -> dict[str, int]:
    """A server with many requests is killed while its device is destroyed: how they end."""
    ended: Counter[str] = Counter()
    for _ in range(rounds):
        with zosbd2.Control() as control, _device(control, recovery) as handle:
            child = os.fork()
            if child == 0:
                session = Session(control, handle)
                while isinstance(session.exchange.call(), zosbd2.Request):
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


def outlived_by_its_memory(recovery: int) -> dict[str, object]:
    """A server is killed whose memory lives on in a child, as after vfork(2)."""
    with zosbd2.Control() as control, _device(control, recovery) as handle:
        read_end, write_end = os.pipe()
        server = os.fork()
        if server == 0:
            session = Session(control, handle)
            os.write(write_end, struct.pack("=i", _child_in_same_memory()))
            while isinstance(session.exchange.call(), zosbd2.Request):
                pass
            os._exit(0)
        (child,) = struct.unpack("=i", os.read(read_end, 4))
        one = writer("testdisk", bytes(BLOCK), 0)
        wait_until(
            "the write is fetched",
            lambda: counter("testdisk", "in_flight") == 1 and counter("testdisk", "queued") == 0,
        )
        began = time.monotonic()
        os.kill(server, signal.SIGKILL)
        try:
            wait_until("nobody serves", lambda: counter("testdisk", "servers") == 0, 5)
            seconds = time.monotonic() - began
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
            assert state == "S", f"the child that shares the memory is in state {state}"
            found: dict[str, object] = {"at once": seconds < 2}
            if recovery == FAIL:
                return found | {"write": outcome(one.end)}
            session = Session(control, handle)
            request = session.exchange.fetch_request()
            session.exchange.hand_in(request.answer())
            return found | {
                "write": outcome(one.end),
                "handed_on": counter("testdisk", "handed_on"),
            }
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(server, 0)


def _child_in_same_memory() -> int:
    """The number of a process that shares this one's memory, but nothing else, and sleeps."""
    libc = ctypes.CDLL(None, use_errno=True)
    stack = ctypes.create_string_buffer(1 << 16)
    _keep.append(stack)
    top = (ctypes.addressof(stack) + len(stack)) & ~15
    pause = ctypes.cast(libc.pause, ctypes.c_void_p)
    child: int = libc.clone(
        pause, ctypes.c_void_p(top), ctypes.c_int(_CLONE_VM | signal.SIGCHLD), None
    )
    assert child > 0
    return child


_keep: list[object] = []
