# SPDX-License-Identifier: MIT
"""Servers that close, inherit or are passed files, or lose threads: who is gone and who not."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import zosbd2
from zosbd2 import WireProtocol

from . import processes
from .disks import (
    BLOCK,
    FAIL,
    Submitter,
    answer_of,
    counter,
    opened,
    pattern,
    reader,
    unwatched,
    writer,
)
from .outcomes import outcome
from .patience import wait_until
from .servers import attached

_CLONE_VM = 0x100
_PTRACE_SEIZE = 0x4206


class _Passed(NamedTuple):
    """A server that waits in a call through a file that another process opened."""

    own: zosbd2.DeviceNode
    passed: zosbd2.DeviceNode
    server: zosbd2.Exchange
    waiting: Submitter


@contextlib.contextmanager
def _passed_file(control: zosbd2.Control, handle: int) -> Iterator[_Passed]:
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
    server = zosbd2.Exchange(passed, handle)
    waiting = Submitter(server.call)
    wait_until("the server", lambda: counter("testdisk", "servers") == 1)
    try:
        yield _Passed(own, passed, server, waiting)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        control.destroy(handle, force=True)


def closed_beside_a_passed_file() -> dict[str, object]:
    """A process serves through a file that it was passed, and closes the one that it opened."""
    with zosbd2.Control() as control, unwatched(control, FAIL) as handle:
        with _passed_file(control, handle) as files:
            files.own.close()
            one = reader("testdisk", 0)
            request = files.waiting.end(5)
            assert isinstance(request, zosbd2.Request)
            files.server.hand_in(answer_of(request))
            intact = one.end() == pattern(0, BLOCK)
            lost = counter("testdisk", "servers_lost")
        files.passed.close()
        return {"intact": intact, "lost": lost}


def all_closed_amid_a_call() -> str:
    """The same, and it closes both while a thread of it waits: how that wait ends."""
    with (
        zosbd2.Control() as control,
        unwatched(control, FAIL) as handle,
        _passed_file(control, handle) as files,
    ):
        files.passed.close()
        files.own.close()
        return outcome(partial(files.waiting.end, 5))


def inherited_file(then: str) -> dict[str, object]:
    """A child serves through a file that its parent opened, and has a read.

    ``then`` it "answers", having opened and closed the device besides, or it "closes" what it has,
    and another one comes. Somebody else has the device open all the while.
    """
    with (
        zosbd2.Control() as control,
        unwatched(control) as handle,
        opened("testdisk", os.O_RDONLY),
    ):
        node = zosbd2.DeviceNode("testdisk")
        child = os.fork()
        if child == 0:
            server = zosbd2.Exchange(node, handle)
            request = server.fetch_request()
            if then == "answers":
                zosbd2.DeviceNode("testdisk").close()
                server.hand_in(answer_of(request))
            else:
                node.close()
            signal.pause()
        node.close()
        try:
            one = reader("testdisk", 0)
            if then == "closes":
                wait_until("it has left", lambda: counter("testdisk", "servers_lost") == 1)
                server = attached(control, handle, "classic")
                server.hand_in(answer_of(server.fetch_request()))
            intact = one.end() == pattern(0, BLOCK)
            return {"intact": intact, "handed_on": counter("testdisk", "handed_on")}
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def outlived_by_its_memory(protocol: WireProtocol, recovery: int) -> dict[str, object]:
    """A server is killed whose memory lives on in a child, as after vfork(2)."""
    with zosbd2.Control() as control, unwatched(control, recovery) as handle:
        read_end, write_end = os.pipe()
        server = os.fork()
        if server == 0:
            mine = attached(control, handle, protocol)
            os.write(write_end, struct.pack("=i", _child_in_same_memory()))
            while isinstance(mine.call(), zosbd2.Request):
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
            state = processes.state(child)
            assert state == "S", f"the child that shares the memory is in state {state}"
            found: dict[str, object] = {"at once": seconds < 2}
            if recovery == FAIL:
                return found | {"write": outcome(one.end)}
            successor = attached(control, handle, protocol)
            successor.hand_in(successor.fetch_request().answer())
            return found | {
                "write": outcome(one.end),
                "handed_on": counter("testdisk", "handed_on"),
            }
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(server, 0)


def first_thread_exits(protocol: WireProtocol) -> dict[str, object]:
    """The first thread of a server that is traced exits, and another one serves on; then it dies.

    Before Linux 6.9 whoever waits for the end of the process is woken when the first thread exits
    and is traced (do_notify_parent() in kernel/signal.c).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with zosbd2.Control() as control, unwatched(control) as handle:
        ready, told = os.pipe()
        go, release = os.pipe()
        child = os.fork()
        if child == 0:
            server = attached(control, handle, protocol)

            def serve() -> None:
                message = server.call()
                while isinstance(message, zosbd2.Request):
                    message = server.call(answer_of(message))

            serving = Submitter(serve)
            wait_until("it waits", serving.waits_for_the_module)
            os.write(told, b"x")
            os.read(go, 1)
            processes.exit_thread()
        try:
            os.read(ready, 1)
            assert libc.ptrace(_PTRACE_SEIZE, child, None, None) == 0
            os.write(release, b"x")
            wait_until("its first thread is gone", lambda: processes.state(child) == "Z")
            intact = reader("testdisk", 0).end() == pattern(0, BLOCK)
            lost = [counter("testdisk", "servers_lost")]
            os.kill(child, signal.SIGKILL)
            wait_until("it is gone", lambda: counter("testdisk", "servers") == 0)
            return {"intact": intact, "lost": [*lost, counter("testdisk", "servers_lost")]}
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


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
