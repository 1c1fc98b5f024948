# SPDX-License-Identifier: MIT
"""Runs the workload in a guest, and reads back what it has left."""

from __future__ import annotations

import base64
import io
import itertools
import json
import tarfile
import time
from typing import Self

from vmtest.errors import GuestError
from vmtest.guest import Guest, Process
from vmtest.remote_python import RemotePython
from vmtest.scenarios.guestlib import promises
from vmtest.scenarios.oracle.journal import Journal
from vmtest.scenarios.oracle.orders import plan

#: Threads in the guest.
WORKERS = 3

# Orders that are on their way at once: enough to keep the guest busy while its words travel.
_WINDOW = 24


class Workload:
    """Keeps a guest's workers busy with the plan of ``seed``, in directories below ``root``."""

    def __init__(
        self, python: RemotePython, root: str, seed: int, journal: Journal, workers: int = WORKERS
    ) -> None:
        python.call(promises.make_directories, root, workers)
        self._plan = plan(seed, workers)
        self._journal = journal
        self._process: Process = python.start(promises.work, root)
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._process.__exit__()

    def run(self, until: int, timeout: float = 60.0) -> None:
        """Give orders until so many were acknowledged in all.

        ``timeout`` is for one acknowledgement, in real seconds.
        """
        while len(self._journal.done) < until:
            self._give()
            self._take(timeout)

    def run_until_dead(self, timeout: float) -> None:
        """Give orders until the guest is gone, ``timeout`` real seconds at most."""
        deadline = time.monotonic() + timeout
        try:
            while (left := deadline - time.monotonic()) > 0:
                self.run(len(self._journal.done) + 1, left)
        except (GuestError, OSError):
            self.drain()

    def finish(self, timeout: float = 60.0) -> None:
        """Let the guest do what it was ordered to, and end."""
        self._process.end_of_input()
        self._process.wait_for("the end", timeout)
        self.drain()

    def drain(self) -> None:
        """Note what the guest has said and nobody has read yet."""
        lines = self._process.stdout.split("\n")[self._read : -1]
        for line in lines:
            self._note(line)
        self._read += len(lines)

    def _give(self) -> None:
        room = _WINDOW - (len(self._journal.orders) - len(self._journal.done))
        orders = list(itertools.islice(self._plan, max(0, room)))
        self._journal.intend(orders)
        self._process.send("".join(json.dumps(one.message()) + "\n" for one in orders))

    def _take(self, timeout: float) -> None:
        self._process.next_line(self._read, timeout)
        self.drain()

    def _note(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "done":
            self._journal.acknowledge(int(rest))
        else:
            assert line == "the end", f"the workload in the guest: {line}"


def read_files(guest: Guest, root: str) -> dict[str, bytes]:
    """All files below ``root``, by their paths there."""
    script = 'cd "$1" && tar --exclude=./lost+found -cf - . | base64 -w0'
    packed = guest.run("sh", "-c", script, "read", root, timeout=120).stdout
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed))) as tar:
        return {
            member.name.removeprefix("./"): tar.extractfile(member).read()  # type: ignore[union-attr]
            for member in tar.getmembers()
            if member.isfile()
        }
