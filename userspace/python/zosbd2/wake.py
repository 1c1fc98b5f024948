# SPDX-License-Identifier: LGPL-2.1-or-later
"""Signals that end a wait inside the module: what time-outs are made of."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from .syscall import RELEASES_LOCK

WAKE_SIGNAL = signal.SIGRTMIN + 5
"""Sent to a thread whose wait is to end.  SIGURG would not do: servers never see it."""

_NUDGE_SECONDS = 0.01


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """A signal without a handler would kill the process or be ignored."""


def install_wake_handler() -> None:
    """Make WAKE_SIGNAL harmless.  Done on demand, but only the main thread can do it."""
    if signal.getsignal(WAKE_SIGNAL) is _nothing:
        return
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("call zosbd2.install_wake_handler() in the main thread first")
    signal.signal(WAKE_SIGNAL, _nothing)


@contextlib.contextmanager
def interrupt_after(seconds: float | None) -> Iterator[None]:
    """Interrupt the calling thread's system call, and any further one, once time is up."""
    if seconds is None:
        yield
    elif RELEASES_LOCK:
        with _nudged_by_thread(seconds):
            yield
    else:
        # No other thread could run, so the kernel has to do it.
        with _nudged_by_timer(seconds):
            yield


@contextlib.contextmanager
def _nudged_by_thread(seconds: float) -> Iterator[None]:
    install_wake_handler()
    target = threading.get_ident()
    done = threading.Event()

    def nudge() -> None:
        # Again and again: a signal that comes before the system call is lost.
        pause = seconds
        while not done.wait(pause):
            signal.pthread_kill(target, WAKE_SIGNAL)
            pause = _NUDGE_SECONDS

    thread = threading.Thread(target=nudge, name="zosbd2-nudge", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def _nudged_by_timer(seconds: float) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _nothing)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6), _NUDGE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
