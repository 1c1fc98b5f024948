# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether all threads of a server know that somebody takes over: then it can end."""

from __future__ import annotations

import threading


class Retirement:
    """Counts the threads of one server that were told, against those that serve.

    A take-over may be given up, because another thread, or another server, did not hand
    in what it has in time, and nobody is told so: the servers just get requests again.
    A thread that was told therefore must not leave alone.  It calls again, which waits in
    the kernel; when it gets a request, it is not retired any more.  Once all threads wait
    like this, nothing is left to hand in, and the server ends as a whole.
    """

    def __init__(self, threads: int) -> None:
        self.complete = threading.Event()
        """All of them were told.  Stays set."""
        self._serving = threads
        self._told: set[int] = set()
        self._lock = threading.Lock()

    def told(self) -> bool:
        """The calling thread is asked to shut down, and has nothing left to hand in.

        Returns whether that completes it: then the caller is to wake the other threads.
        """
        with self._lock:
            self._told.add(threading.get_ident())
            return self._completed()

    def got_request(self) -> None:
        """The calling thread is not retired, or not any more."""
        # Without the lock, as it is on the way of each request: a set's own operations
        # are atomic, and only the calling thread adds or removes its number.
        if self._told:
            self._told.discard(threading.get_ident())

    def left(self) -> tuple[int, bool]:
        """The calling thread ends.

        Returns how many still serve, and whether that completes it, as told() does.
        """
        with self._lock:
            self._told.discard(threading.get_ident())
            self._serving -= 1
            return self._serving, self._completed()

    def _completed(self) -> bool:
        if self.complete.is_set() or not self._told or len(self._told) < self._serving:
            return False
        self.complete.set()
        return True
