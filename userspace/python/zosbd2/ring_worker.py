# SPDX-License-Identifier: LGPL-2.1-or-later
"""One thread's share of serving in the ring protocol: many requests a call.

The data of a batch passes through an arena: that of its writes is asked for in one call,
and what reads have brought goes out with their answers.  Answers are carried out by the
next call, which is a call of their own where requests have taken long.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from typing import Final

from .abi import REQUEST_FUA, REQUEST_NO_UNMAP
from .channel import Arena, Channel, RingRequest
from .ring_abi import ANSWER_COPY, ANSWER_END, ENTER_WAIT, RingOperation, RingState
from .worker import Ending, Service

BATCH: Final = 64
"""Requests that are taken at a time, at most."""

_LARGEST_REQUESTS = 4
"""Of the largest size, for whose data an arena has room."""
_PATIENCE_SECONDS = 0.001
"""How long an answer may wait for the end of its batch."""

# Looked up for each request, and plain numbers are quicker.
_READ = int(RingOperation.READ)
_WRITE = int(RingOperation.WRITE)
_FLUSH = int(RingOperation.FLUSH)
_DISCARD = int(RingOperation.DISCARD)
_WRITE_ZEROES = int(RingOperation.WRITE_ZEROES)
_COPY_AND_END = ANSWER_COPY | ANSWER_END


class RingWorker:
    """Serves through a channel, which is closed with it."""

    def __init__(self, channel: Channel, max_io_bytes: int, batch: int) -> None:
        """Take up to *batch* requests at a time, of at most *max_io_bytes* of data each."""
        self._channel = channel
        self._arena = Arena(_LARGEST_REQUESTS * max_io_bytes)
        self._readonly = self._arena.view.toreadonly()
        self._batch = batch

    @property
    def generation(self) -> int:
        """Of its channel, see Control.attach_queue()."""
        return self._channel.generation

    def serve(self, service: Service) -> Ending:
        """As Worker.serve()."""
        channel = self._channel
        argument = self._batch | ENTER_WAIT
        try:
            while not service.is_stopping():
                try:
                    count = channel.enter_raw(argument)
                except InterruptedError:
                    continue
                # None come when somebody begins to take over: the next call waits for what
                # becomes of that.
                if count:
                    self._serve_all(channel.take(count), service)
            channel.enter()
        except FileNotFoundError:
            return "taken over" if channel.state == RingState.TAKEN_OVER else "destroyed"
        return "stopped"

    def close(self) -> None:
        """Close the channel: what it still has is handed on, or fails."""
        self._channel.close()
        self._readonly.release()
        self._arena.close()

    def _serve_all(self, requests: list[RingRequest], service: Service) -> None:
        while requests:
            count = self._fitting(requests)
            self._serve_some(requests[:count], service)
            requests = requests[count:]
            if requests:
                self._channel.enter()  # the arena is used again

    def _fitting(self, requests: Sequence[RingRequest]) -> int:
        """How many of the first requests have room in the arena: at least one."""
        if len(requests) <= _LARGEST_REQUESTS:
            return len(requests)
        left = self._arena.size
        for index, (_, _, length, operation, _) in enumerate(requests):
            if operation <= _WRITE:
                left -= length
                if left < 0:
                    return index
        return len(requests)

    def _serve_some(self, requests: list[RingRequest], service: Service) -> None:
        """Serve requests whose data has room in the arena, in their order."""
        arena, readonly, address = self._arena.view, self._readonly, self._arena.address
        calls, put = service.calls, self._channel.put
        errors, at = self._fetch_data(requests)
        fetched = iter(errors)
        place = 0
        since = time.monotonic()
        for request, start, length, operation, flags in requests:
            if time.monotonic() - since > _PATIENCE_SECONDS:
                self._channel.enter()
                since = time.monotonic()
            error = 0
            try:
                if operation == _READ:
                    calls.read(start, arena[at : at + length])
                    put(request, _COPY_AND_END, 0, address + at)
                    at += length
                    continue
                if operation == _WRITE:
                    data = readonly[place : place + length]
                    place += length
                    if next(fetched):
                        continue  # it timed out, or is another server's by now
                    if flags & REQUEST_FUA:
                        calls.write_durably(start, data)
                    else:
                        calls.write(start, data)
                elif operation == _FLUSH:
                    calls.flush()
                elif operation == _DISCARD:
                    calls.discard(start, length)
                elif operation == _WRITE_ZEROES:
                    calls.write_zeroes(start, length, bool(flags & REQUEST_NO_UNMAP))
                else:
                    error = -errno.EIO
            except OSError as failure:
                error = -(failure.errno or errno.EIO)
            except Exception as failure:
                service.note_failure(failure)
                error = -errno.EIO
            put(request, ANSWER_END, error)

    def _fetch_data(self, requests: list[RingRequest]) -> tuple[list[int], int]:
        """Fetch the data of all writes to the arena's start, one behind the other.

        Returns for each write what became of that, and where the data ends.
        """
        channel, address = self._channel, self._arena.address
        positions = []
        at = 0
        for request, _, length, operation, _ in requests:
            if operation == _WRITE:
                positions.append(channel.put(request, ANSWER_COPY, 0, address + at))
                at += length
        if positions:
            channel.enter()
        return [channel.error_at(position) for position in positions], at
