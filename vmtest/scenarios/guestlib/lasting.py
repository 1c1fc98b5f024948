# SPDX-License-Identifier: MIT
"""A device whose servers come and go: processes over memory that outlives each of them."""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from random import Random

import zosbd2
from zosbd2 import Feature, Operation, Recovery, Request, WireProtocol

from .disks import MIB, counter, sleeps_in_ioctl, udev_held
from .patience import stretched, wait_until
from .servers import attached

NAME = "testdisk"
SIZE = 16 * MIB

#: How long the parent waits for a word of a server. Seconds.
_PATIENCE = stretched(30)


class LastingDisk:
    """``/dev/NAME``; each of its servers is a child process that may be killed at any time.

    ``memory`` is what they serve, shared by all of them and the parent.
    """

    def __init__(
        self,
        control: zosbd2.Control,
        handle: int,
        size: int,
        protocol: WireProtocol = "classic",
    ) -> None:
        self.control = control
        self.protocol = protocol
        self.handle = handle
        self.memory = mmap.mmap(-1, size)
        self.servers: list[ServerProcess] = []

    def start(
        self,
        *,
        hold: frozenset[Operation] = frozenset(),
        at: int = 0,
        fate: signal.Signals = signal.SIGKILL,
        through_node: bool = False,
        wait: bool = True,
    ) -> ServerProcess:
        """A server that has attached, or (without ``wait``) soon will have.

        It has a session or a channel, or (``through_node``) the block device open, as the first
        classic servers did.

        It fetches requests of the kinds in ``hold`` and does not answer them. Amid its request
        number ``at`` (0: none) it sends ``fate`` to itself, and answers afterwards if it lives.
        """
        server = ServerProcess(lambda say: serve(self, say, hold, at, fate, through_node))
        self.servers.append(server)
        if wait:
            server.expect("attached")
        return server

    def counter(self, which: str) -> int:
        """One of the device's counters."""
        return counter(NAME, which)


@contextlib.contextmanager
def lasting(
    protocol: WireProtocol = "classic",
    *,
    features: Feature = zosbd2.SERVER_FEATURES,
    recovery: Recovery = Recovery.WAIT,
    timeout_seconds: int = 60,
    size: int = SIZE,
) -> Iterator[LastingDisk]:
    """A device that nobody serves yet, with udev kept away; all is gone at the end."""
    with udev_held(), zosbd2.Control() as control:
        handle = control.create(
            NAME, size, features=features, recovery=recovery, timeout_seconds=timeout_seconds
        )
        disk = LastingDisk(control, handle, size, protocol)
        try:
            yield disk
        finally:
            with contextlib.suppress(zosbd2.NoSuchDevice):
                control.destroy(handle, force=True)
            for server in disk.servers:
                server.kill()


class ServerProcess:
    """A child that runs ``work``; what it says is heard through a pipe, a word a line."""

    def __init__(self, work: Callable[[Callable[[str], None]], None]) -> None:
        self._pipe, writer = os.pipe()
        self._heard: list[str] = []
        self._rest = b""
        self._status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                # Of the parent's descriptors, some may keep the device open.
                os.dup2(writer, 3)
                os.closerange(4, 1 << 12)
                work(lambda word: _say(3, word))
            finally:
                os._exit(1)
        os.close(writer)

    def expect(self, word: str, count: int = 1) -> None:
        """Wait until it has said ``word`` so many times."""
        deadline = time.monotonic() + _PATIENCE
        while self._heard.count(word) < count:
            ready, _, _ = select.select([self._pipe], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self._pipe, 4096) if ready else b""
            if not data:
                raise TimeoutError(f"a server did not say {word} {count} times: {self._heard}")
            *words, self._rest = (self._rest + data).split(b"\n")
            self._heard += [word.decode() for word in words]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and see it gone; twice is fine."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def wait(self) -> int:
        """Its status, as waitpid has it, once it has ended."""
        if self._status is None:
            self._status = os.waitpid(self.pid, 0)[1]
            os.close(self._pipe)
        return self._status

    def waits_for_the_module(self) -> bool:
        """Whether it sleeps in a call of the module."""
        return sleeps_in_ioctl(self.pid, self.pid)

    def wait_until_stopped(self) -> None:
        """Until a signal has stopped it."""
        wait_until(
            "the server is stopped",
            lambda: os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT),
        )


class Succession:
    """Servers that die amid a request, each followed by the next; a context manager.

    Each lives for at most ``longest`` requests, and after `begin` the first one for two. At its end
    a server stays that does not die. ``kills`` counts those that died amid a request.
    """

    def __init__(self, disk: LastingDisk, rng: Random, longest: int) -> None:
        self.kills = 0
        self._disk = disk
        self._rng = rng
        self._longest = longest
        self._next = longest
        self._replaced: set[int] = set()
        self._over = False
        self._lock = threading.Lock()
        self._current = self._start()
        self._thread = threading.Thread(target=self._succeed, daemon=True)
        self._thread.start()

    def __enter__(self) -> Succession:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
            self._replace()
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "the last server did not start"

    def begin(self) -> None:
        """Of the requests that come now, one of the first two is a server's death."""
        with self._lock:
            self._next = 2
            self._replace()

    def _replace(self) -> None:
        self._replaced.add(self._current.pid)
        with contextlib.suppress(ProcessLookupError):  # it has just died by itself
            os.kill(self._current.pid, signal.SIGKILL)

    def _start(self) -> ServerProcess:
        longest, self._next = self._next, self._longest
        return self._disk.start(at=self._rng.randint(1, longest))

    def _succeed(self) -> None:
        while True:
            self._current.wait()
            with self._lock:
                if self._current.pid not in self._replaced:
                    self.kills += 1
                if self._over:
                    self._disk.start()
                    return
                self._current = self._start()


def _say(pipe: int, word: str) -> None:
    os.write(pipe, f"{word}\n".encode())


def serve(
    disk: LastingDisk,
    say: Callable[[str], None],
    hold: frozenset[Operation] = frozenset(),
    at: int = 0,
    fate: signal.Signals = signal.SIGKILL,
    through_node: bool = False,
) -> None:
    """The child's life, see `LastingDisk.start`: it ends with the device."""
    if through_node:
        exchange = zosbd2.Exchange(zosbd2.DeviceNode(NAME), disk.handle)
    else:
        exchange = attached(zosbd2.Control(), disk.handle, disk.protocol)
    say("attached")
    answer = None
    number = 0
    while True:
        message = exchange.call(answer)
        answer = None
        match message:
            case zosbd2.Gone():
                os._exit(0)
            case Request():
                if message.operation in hold:
                    say("holding")
                    continue
                number += 1
                if number == at:
                    # Before or after the effect: both have to be survived.
                    if number % 2:
                        carry_out(disk.memory, message)
                    os.kill(os.getpid(), fate)
                answer = message.answer(carry_out(disk.memory, message))


def carry_out(memory: mmap.mmap, request: Request) -> bytes | None:
    """Do what a request asks for; returns the data of a read."""
    start, length = request.offset, request.total_length
    match request.operation:
        case Operation.READ_REQUEST:
            return memory[start : start + length]
        case Operation.WRITE_REQUEST:
            memory[start : start + length] = request.data
        case Operation.DISCARD_REQUEST | Operation.WRITE_ZEROES_REQUEST:
            memory.madvise(mmap.MADV_REMOVE, start, length)
    return None
