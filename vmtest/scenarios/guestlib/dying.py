# SPDX-License-Identifier: MIT
"""The ways in which a server can die, and one that is the last to close its own device."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable

import zosbd2
from zosbd2 import Operation, Recovery, WireProtocol

from .disks import BLOCK, MIB, pattern, reader
from .lasting import NAME, LastingDisk, ServerProcess, lasting, serve
from .outcomes import outcome
from .patience import wait_until

_HOLD_READS = frozenset({Operation.READ_REQUEST})
_CLONE_NEWNS, _CLONE_NEWPID = 0x0002_0000, 0x2000_0000

#: Seconds within which a death is known, which has nothing to do with the time-out of 60.
PROMPTLY = 2.0


def death(protocol: WireProtocol, way: str) -> dict[str, object]:
    """A server that has a read dies in some way; how soon another one has the read."""
    with lasting(protocol) as disk:
        disk.memory[:BLOCK] = pattern(0, BLOCK)
        server = ServerProcess(lambda say: _WAYS[way](disk, say))
        disk.servers.append(server)
        server.expect("attached")
        one = reader(NAME, 0)
        server.expect("holding")
        if way not in _TRIGGERS:
            # A handler that Python runs on the way into the call would run after it.
            wait_until("it waits for the module", server.waits_for_the_module)
        began = time.monotonic()
        server.signal(_TRIGGERS.get(way, signal.SIGUSR1))
        wait_until("it is queued again", lambda: disk.counter("queued") == 1)
        seconds = time.monotonic() - began
        disk.start()
        return {
            "read": one.end() == pattern(0, BLOCK),
            "promptly": seconds < PROMPTLY,
            "servers_lost": disk.counter("servers_lost"),
        }


_TRIGGERS = {
    "killed": signal.SIGKILL,
    "segmentation fault": signal.SIGSEGV,
    "abort": signal.SIGABRT,
    "its namespaces gone": signal.SIGKILL,
}


def _plainly(disk: LastingDisk, say: Callable[[str], None]) -> None:
    serve(disk, say, _HOLD_READS)


def _exiting(disk: LastingDisk, say: Callable[[str], None]) -> None:
    signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
    serve(disk, say, _HOLD_READS)


def _executing(disk: LastingDisk, say: Callable[[str], None]) -> None:
    signal.signal(signal.SIGUSR1, lambda *_: os.execvp("sleep", ["sleep", "600"]))
    serve(disk, say, _HOLD_READS)


def _in_namespaces(disk: LastingDisk, say: Callable[[str], None]) -> None:
    """The server is below the first process of namespaces; what is killed is the one above."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(_CLONE_NEWNS | _CLONE_NEWPID) == 0, os.strerror(ctypes.get_errno())
    first = os.fork()
    if first == 0:
        libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it goes with the one above
        if os.fork() == 0:
            serve(disk, say, _HOLD_READS)
        os.wait()
    os.waitpid(first, 0)


_WAYS = {
    "killed": _plainly,
    "segmentation fault": _plainly,
    "abort": _plainly,
    "exit": _exiting,
    "exec": _executing,
    "its namespaces gone": _in_namespaces,
}


def last_closer(policy: str) -> dict[str, object]:
    """A classic server writes to its own device, and is killed while only it has that open.

    Its last close writes back what is dirty. Another server comes only after that has begun.
    """
    recovery = Recovery[policy]
    with lasting(features=zosbd2.Feature(0), recovery=recovery, timeout_seconds=20) as disk:
        data = pattern(0, MIB, seed=6)
        server = ServerProcess(lambda say: _dirty_and_hold(disk, data, say))
        disk.servers.append(server)
        server.expect("dirty")
        wait_until("it serves", lambda: disk.counter("servers") == 1)
        began = time.monotonic()
        server.signal(signal.SIGKILL)
        wait_until("its death is known", lambda: disk.counter("servers_lost") == 1)
        if recovery is Recovery.FAIL:
            server.wait()
            seconds = time.monotonic() - began
            disk.start(through_node=True)
            # A classic server is one from its first call on; until then all fails.
            wait_until("it serves", lambda: disk.counter("servers") == 1)
            return {"promptly": seconds < PROMPTLY, "usable": outcome(reader(NAME, 0).end)}
        wait_until("it writes back", lambda: disk.counter("queued") > 0)
        disk.start(through_node=True)
        server.wait()
        seconds = time.monotonic() - began
        return {"promptly": seconds < 10, "usable": disk.memory[: len(data)] == data}


def _dirty_and_hold(disk: LastingDisk, data: bytes, say: Callable[[str], None]) -> None:
    """Serve in a thread, dirty the page cache, and say so."""

    def dirty() -> None:
        fd = os.open(f"/dev/{NAME}", os.O_WRONLY)
        assert os.pwrite(fd, data, 0) == len(data)
        say("dirty")

    threading.Thread(target=dirty, daemon=True).start()
    serve(disk, lambda _word: None, frozenset({Operation.WRITE_REQUEST}), through_node=True)
