# SPDX-License-Identifier: LGPL-2.1-or-later
"""Threads that fetch the requests of a device and have a handler answer them."""

from __future__ import annotations

import contextlib
import errno
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from .abi import SERVER_FEATURES, Recovery
from .classic_worker import ClassicWorker
from .control import Control
from .device import DeviceDescription
from .endpoint import DeviceNode, Endpoint, Session
from .errors import error_for
from .handler import Calls, Handler, features_of
from .ring_worker import BATCH, RingWorker
from .syscall import RELEASES_LOCK
from .wake import WAKE_SIGNAL, install_wake_handler
from .worker import Ending, Service, Worker

_NUDGE_SECONDS = 0.02

WireProtocol = Literal["ring", "classic"]
"""How servers and the module talk."""


class Server:
    """Threads that serve one device; a context manager that stops them."""

    def __init__(
        self,
        control: Control,
        handle: int,
        handler: Handler,
        *,
        threads: int = 1,
        protocol: WireProtocol | None = None,
        session: Session | None = None,
        take_over: bool = False,
        timeout_ms: int = 5000,
    ) -> None:
        """Start serving, by *protocol*, or the best that module and Python have.

        In the ring protocol each thread has a channel, and each queue of the device a thread
        at least.  In the classic one they share *session*, which is closed at the end, or
        what they need of a session and the block device.

        Make it in the main thread, unless install_wake_handler() was called there.
        Without ctypes (python3-minimal) there is one thread at most: the one that calls
        wait(), which serves from then on.

        *take_over* and *timeout_ms* are as in Control.attach(), and so are the errors.
        Raises EOPNOTSUPP too if the device has a feature for which *handler* has no method.

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
        self.retired = threading.Event()
        """Set when another server has taken over."""
        self._stopping = threading.Event()
        self._destroyed = False
        self._lock = threading.Lock()
        self._service = Service(Calls(handler), self._stopping.is_set, self.failures.append)

        device = control.describe(handle)
        _check_features(device, handler)
        self._path = Path("/dev") / device.name
        self._endpoint: Endpoint | None = None
        self._workers: Sequence[Worker]
        if session is None and chosen_protocol(control, protocol) == "ring":
            self._workers = _ring_workers(
                control, device, handler, threads, take_over=take_over, timeout_ms=timeout_ms
            )
        else:
            self._endpoint = session or _endpoint(
                control, device, handler, take_over=take_over, timeout_ms=timeout_ms
            )
            self._workers = [ClassicWorker(self._endpoint, handle) for _ in range(threads)]
        self._serving = len(self._workers)
        self._threads: list[threading.Thread] = []
        if RELEASES_LOCK:
            self._start_threads()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> None:
        """Wait until the device is destroyed or taken over, or stop() is called.

        Raises the first failure.
        """
        if not RELEASES_LOCK and self.ended is None:
            self._serve(self._workers[0])
        for thread in self._threads:
            thread.join()
        self._close()
        if self.failures:
            raise self.failures[0]

    def stop(self) -> None:
        """End the threads, each once it finds nothing to do.  The device lives on."""
        self._stopping.set()
        for thread in self._threads:
            while thread.is_alive():
                if thread.ident is not None:
                    signal.pthread_kill(thread.ident, WAKE_SIGNAL)
                thread.join(_NUDGE_SECONDS)
        if not self._threads and self.ended is None:
            self.ended = "stopped"
        self._close()

    def _start_threads(self) -> None:
        install_wake_handler()
        self._threads = [
            threading.Thread(
                target=self._serve, args=(worker,), name=f"zosbd2-{number}", daemon=True
            )
            for number, worker in enumerate(self._workers)
        ]
        for thread in self._threads:
            thread.start()

    def _close(self) -> None:
        for worker in self._workers:
            worker.close()
        if self._endpoint is not None:
            self._endpoint.close()

    def _serve(self, worker: Worker) -> None:
        if RELEASES_LOCK:  # this is a thread of its own: signals are for the others
            others = signal.valid_signals() - {WAKE_SIGNAL}
            signal.pthread_sigmask(signal.SIG_BLOCK, others)
        try:
            match worker.serve(self._service):
                case "destroyed":
                    self._destroyed = True
                case "taken over":
                    self.retired.set()
        except OSError as error:
            self.failures.append(error_for(error.errno or errno.EIO, f"serve {self._path}"))
        finally:
            worker.close()
            self._leave()

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
            self.ended = "stopped" if self._stopping.is_set() else "failed"


def chosen_protocol(control: Control, protocol: WireProtocol | None) -> WireProtocol:
    """*protocol*, or the best that module and Python have."""
    return protocol or ("ring" if control.has_rings() else "classic")


def _check_features(device: DeviceDescription, handler: Handler) -> None:
    """The module would notice, but a thread could only fail then."""
    lacking = device.features & SERVER_FEATURES & ~features_of(handler)
    if lacking:
        what = f"serve {device.name}, which has {lacking!r}, with a {type(handler).__name__}"
        raise error_for(errno.EOPNOTSUPP, what)


def _ring_workers(
    control: Control,
    device: DeviceDescription,
    handler: Handler,
    threads: int,
    *,
    take_over: bool,
    timeout_ms: int,
) -> list[RingWorker]:
    """A channel for each thread; the first one takes the whole device over."""
    if not control.has_rings():
        what = f"serve {device.name} over rings, which the module or this Python does not have"
        raise error_for(errno.EOPNOTSUPP, what)
    queues = device.queues + device.poll_queues
    threads = max(threads, queues)
    # Several threads share the requests of a queue: where a handler takes its time, one of
    # them should not take what the others could serve meanwhile.
    batch = BATCH if threads == queues else 1
    workers: list[RingWorker] = []
    with contextlib.ExitStack() as undo:
        for number in range(threads):
            channel = control.attach_queue(
                device.handle,
                number % queues,
                features=features_of(handler),
                take_over=take_over and number == 0,
                timeout_ms=timeout_ms,
                generation=workers[0].generation if workers else 0,
            )
            workers.append(RingWorker(channel, device.max_io_bytes, batch))
            undo.callback(workers[-1].close)
        undo.pop_all()
    return workers


def _endpoint(
    control: Control,
    device: DeviceDescription,
    handler: Handler,
    *,
    take_over: bool,
    timeout_ms: int,
) -> Endpoint:
    """What the threads of a classic server share."""
    # A session lets a server end while somebody uses the device.
    if device.features & SERVER_FEATURES or device.recovery is not Recovery.WAIT or take_over:
        return control.attach(
            device.handle,
            features=features_of(handler),
            take_over=take_over,
            timeout_ms=timeout_ms,
        )
    return DeviceNode(device.name)
