# SPDX-License-Identifier: LGPL-2.1-or-later
"""Threads that fetch the requests of a device and have a handler answer them."""

from __future__ import annotations

import errno
import signal
import threading
from typing import Literal, Self

from .abi import SERVER_FEATURES, Operation
from .control import Control
from .endpoint import DeviceNode, Endpoint, Session
from .errors import error_for
from .exchange import Exchange
from .handler import Handler, carry_out, features_of
from .messages import Answer, Gone, Request
from .syscall import RELEASES_LOCK
from .wake import WAKE_SIGNAL, install_wake_handler

_NUDGE_SECONDS = 0.02

Ending = Literal["destroyed", "stopped", "taken over", "failed"]
"""Why a server has ended: the device was destroyed, stop() was called, another server took
the device over, or its last thread failed."""


class Server:
    """Threads that serve one device; a context manager that stops them."""

    def __init__(
        self,
        control: Control,
        handle: int,
        handler: Handler,
        *,
        threads: int = 1,
        session: Session | None = None,
    ) -> None:
        """Start serving, through *session*, which is closed at the end, or the block device.

        Make it in the main thread, unless install_wake_handler() was called there.
        Without ctypes (python3-minimal) there is one thread at most: the one that calls
        wait(), which serves from then on.

        Raises EOPNOTSUPP if the device has a feature for which *handler* has no method,
        or that needs a session.

        When somebody takes the device over (see Control.attach()), the server hands in
        what it has and waits.  Once the take-over has succeeded it sets ``retired``, its
        threads end, and wait() returns; if it is given up, the server goes on serving.
        """
        if threads > 1 and not RELEASES_LOCK:
            raise RuntimeError(
                f"{threads} server threads need ctypes, which this Python does not have: "
                "install python3, or use one thread"
            )
        self.failures: list[BaseException] = []
        """What the handler raised but OSError, and what ended a thread."""
        self.ended: Ending | None = None
        """Why its threads have ended; None while any of them serves."""
        self._handler = handler
        self._handle = handle
        self._stopping = False
        self.retired = threading.Event()
        """Set when another server has taken over."""
        self._destroyed = False
        self._serving = threads
        self._lock = threading.Lock()
        self._node = _endpoint(control, handle, handler, session)
        self._threads: list[threading.Thread] = []
        if not RELEASES_LOCK:
            return
        install_wake_handler()
        for number in range(threads):
            thread = threading.Thread(target=self._serve, name=f"zosbd2-{number}", daemon=True)
            self._threads.append(thread)
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> None:
        """Wait until the device is destroyed or taken over, or stop() is called.

        Raises the first failure.
        """
        if not RELEASES_LOCK and self.ended is None:
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
        if not self._threads and self.ended is None:
            self.ended = "stopped"
        self._node.close()

    def _serve(self) -> None:
        if RELEASES_LOCK:  # this is a thread of its own: signals are for the others
            others = signal.valid_signals() - {WAKE_SIGNAL}
            signal.pthread_sigmask(signal.SIG_BLOCK, others)
        exchange = Exchange(self._node, self._handle)
        try:
            self._serve_through(exchange)
        except FileNotFoundError:
            self._note_gone()  # this thread came too late for its message
        except OSError as error:
            self.failures.append(error_for(error.errno or errno.EIO, f"serve {self._node.path}"))
        finally:
            self._leave()

    def _serve_through(self, exchange: Exchange) -> None:
        nothing = Answer(Operation.NO_RESPONSE)
        answer = nothing
        while not (answer is nothing and self._stopping):
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
                    self._note_gone()
                    return
                case _:
                    # Also when somebody begins to take over: the next call waits for what
                    # becomes of that.
                    answer = nothing

    def _note_gone(self) -> None:
        """The device is gone for this server: destroyed, or another's."""
        try:
            self._node.ping()
        except OSError:
            self._destroyed = True
        else:
            self.retired.set()

    def _leave(self) -> None:
        """The calling thread ends; the last one says why."""
        with self._lock:
            self._serving -= 1
            if self._serving:
                return
        if self.retired.is_set():
            self.ended = "taken over"
        elif self._destroyed:
            self.ended = "destroyed"
        else:
            self.ended = "stopped" if self._stopping else "failed"

    def _run(self, request: Request, data: memoryview) -> int:
        """Have the handler do it.  Returns 0 or a negative errno."""
        try:
            carry_out(self._handler, request, data)
        except OSError as error:
            return -(error.errno or errno.EIO)
        except Exception as failure:
            self.failures.append(failure)
            return -errno.EIO
        return 0


def _endpoint(control: Control, handle: int, handler: Handler, session: Session | None) -> Endpoint:
    """What to serve through.  The module would notice, but a thread could only fail then."""
    device = control.describe(handle)
    needed = device.features & SERVER_FEATURES
    lacking = needed & ~features_of(handler)
    if lacking:
        what = f"serve {device.name}, which has {lacking!r}, with a {type(handler).__name__}"
        raise error_for(errno.EOPNOTSUPP, what)
    if session is not None:
        return session
    if needed:
        what = f"serve {device.name}, which has {needed!r}, without a session"
        raise error_for(errno.EOPNOTSUPP, what, "attach one: see Control.attach()")
    return DeviceNode(device.name)
