# SPDX-License-Identifier: LGPL-2.1-or-later
"""The high level: an object with read, write and discard becomes a block device."""

from __future__ import annotations

import contextlib
import errno
import signal
import threading
from collections.abc import Iterator
from typing import Protocol, Self

from .abi import Operation
from .control import Control
from .errors import NoSuchDevice
from .exchange import DeviceNode, Exchange
from .messages import Answer, Gone, Request
from .syscall import RELEASES_LOCK
from .wake import WAKE_SIGNAL, install_wake_handler

_NUDGE_SECONDS = 0.02


class Handler(Protocol):
    """What a server does.  Called from all of its threads at once.

    Raise OSError to fail a request with its errno; any other exception fails it with
    EIO, and comes out of Server.wait().  Offsets and lengths are in bytes, multiples of
    the block size.
    """

    def read(self, offset: int, into: memoryview) -> None:
        """Fill *into* with the device's bytes from *offset* on."""

    def write(self, offset: int, data: memoryview) -> None:
        """Store *data*, which is not valid after the call."""

    def discard(self, offset: int, length: int) -> None:
        """The bytes are not needed any more."""


class Server:
    """Threads that serve one device; a context manager that stops them."""

    def __init__(
        self, control: Control, handle: int, handler: Handler, *, threads: int = 1
    ) -> None:
        """Start serving.

        Make it in the main thread, unless install_wake_handler() was called there.
        Without ctypes (python3-minimal) there is one thread at most: the one that calls
        wait(), which serves from then on.
        """
        if threads > 1 and not RELEASES_LOCK:
            raise RuntimeError(
                f"{threads} server threads need ctypes, which this Python does not have: "
                "install python3, or use one thread"
            )
        self.failures: list[BaseException] = []
        """What the handler raised but OSError, and what ended a thread."""
        self._handler = handler
        self._handle = handle
        self._stopping = False
        self._node = DeviceNode(control.status(handle).name)
        self._threads: list[threading.Thread] = []
        if not RELEASES_LOCK:
            return
        install_wake_handler()
        for number in range(threads):
            thread = threading.Thread(target=self._serve, name=f"zosbd2-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> None:
        """Wait until the device is destroyed, or stop() is called; raise the first failure."""
        if not RELEASES_LOCK:
            self._serve()
        for thread in self._threads:
            thread.join()
        self._node.close()
        if self.failures:
            raise self.failures[0]

    def stop(self) -> None:
        """End the threads, each once it finds nothing to do.  The device lives on."""
        self._stopping = True
        for thread in self._threads:
            while thread.is_alive():
                if thread.ident is not None:
                    signal.pthread_kill(thread.ident, WAKE_SIGNAL)
                thread.join(_NUDGE_SECONDS)
        self._node.close()

    def _serve(self) -> None:
        if RELEASES_LOCK:  # this is a thread of its own: signals are for the others
            others = signal.valid_signals() - {WAKE_SIGNAL}
            signal.pthread_sigmask(signal.SIG_BLOCK, others)
        exchange = Exchange(self._node, self._handle)
        try:
            self._serve_through(exchange)
        except FileNotFoundError:
            pass  # destroyed, and this thread came too late for its message
        except OSError as error:
            self.failures.append(error)

    def _serve_through(self, exchange: Exchange) -> None:
        nothing = Answer(Operation.NO_RESPONSE)
        answer = nothing
        while not (self._stopping and answer is nothing):
            exchange.put(answer)
            try:
                exchange.transact()
            except InterruptedError:
                if exchange.interruption().answer_taken:
                    answer = nothing
                continue
            match exchange.take():
                case Request() as request:
                    answer = request.answer_in_place(self._run(request, exchange.data))
                case Gone():
                    return
                case _:
                    answer = nothing

    def _run(self, request: Request, data: memoryview) -> int:
        """Have the handler do it.  Returns 0 or a negative errno."""
        start, length = request.offset, request.total_length
        try:
            match request.operation:
                case Operation.READ_REQUEST:
                    self._handler.read(start, data[:length])
                case Operation.WRITE_REQUEST:
                    self._handler.write(start, data[:length].toreadonly())
                case _:
                    self._handler.discard(start, length)
        except OSError as error:
            return -(error.errno or errno.EIO)
        except Exception as failure:
            self.failures.append(failure)
            return -errno.EIO
        return 0


@contextlib.contextmanager
def served(
    name: str, size: int, handler: Handler, *, threads: int = 1, timeout_seconds: int = 60
) -> Iterator[Server]:
    """Create a device, serve it, and destroy it by force at the end if it is still there."""
    with Control() as control:
        handle = control.create(name, size, timeout_seconds=timeout_seconds)
        with contextlib.ExitStack() as undo:
            # Undone in reverse order.  The device goes before its server: closing the
            # device would otherwise wait for write-back that nobody serves any more.
            undo.callback(_destroy_if_there, control, handle)  # no server came about
            server = undo.enter_context(Server(control, handle, handler, threads=threads))
            undo.callback(_destroy_if_there, control, handle)
            yield server


def _destroy_if_there(control: Control, handle: int) -> None:
    with contextlib.suppress(NoSuchDevice):
        control.destroy(handle, force=True)
