# SPDX-License-Identifier: MIT
"""Guests as they were when they had just booted: later ones of the same make go on from there.

An emulated boot takes several seconds of a processor, going on takes a fraction of one. What a
guest is made of is in the snapshot's key, down to the versions of QEMU and virtme-ng, so a snapshot
never outlives what it was made with. Under KVM boots are quick, and a snapshot would depend on the
processor: there are none.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from qemu.qmp.legacy import QEMUMonitorProtocol
from qemu.qmp.qmp_client import ExecuteError

from vmtest.cache import cache_dir, content_key
from vmtest.errors import VmtestError

#: How many are kept; each takes some 150 MiB.
_KEPT = 8

# Seconds for writing or reading one.
_TIMEOUT = 60.0

_NO_LIMIT = 1 << 40


class SnapshotError(VmtestError):
    """QEMU did not write or read it."""


class Snapshot:
    """The one for guests of which ``make`` says all that matters."""

    def __init__(self, make: Iterable[str]) -> None:
        key = content_key([*make, version("virtme-ng"), _qemu_version()])
        #: Its file.
        self.path = cache_dir("snapshots") / f"{key}.qemu"

    @property
    def exists(self) -> bool:
        """Whether one was saved."""
        return self.path.exists()

    def save(self, qmp: QEMUMonitorProtocol) -> None:
        """Save the guest behind ``qmp``, which stands still meanwhile: half a second."""
        number, name = tempfile.mkstemp(dir=self.path.parent, prefix=f"{self.path.stem}.partial-")
        os.close(number)
        partial = Path(name)
        qmp.cmd("stop")
        try:
            qmp.cmd("migrate-set-parameters", **{"max-bandwidth": _NO_LIMIT})
            _migrate(qmp, "migrate", f"exec:cat >{shlex.quote(str(partial))}")
            partial.rename(self.path)
        finally:
            partial.unlink(missing_ok=True)
            _continue(qmp)
        self._make_room()

    def load(self, qmp: QEMUMonitorProtocol) -> None:
        """Have a guest go on from it whose QEMU was started with ``-incoming defer``."""
        os.utime(self.path)
        _migrate(qmp, "migrate-incoming", f"exec:cat {shlex.quote(str(self.path))}")
        _continue(qmp)

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)

    def _make_room(self) -> None:
        """Of all snapshots, remove those that were not used for the longest time."""
        with suppress(OSError):  # another process does the same
            found = sorted(self.path.parent.iterdir(), key=lambda path: path.stat().st_mtime)
            for path in found[:-_KEPT]:
                path.unlink(missing_ok=True)


def clean() -> None:
    """Remove all."""
    for path in cache_dir("snapshots").iterdir():
        path.unlink(missing_ok=True)


def _migrate(qmp: QEMUMonitorProtocol, command: str, uri: str) -> None:
    """Run one of the commands that move a guest's state, and wait for its end."""
    deadline = time.monotonic() + _TIMEOUT
    try:
        events = [{"capability": "events", "state": True}]
        qmp.cmd("migrate-set-capabilities", capabilities=events)
        qmp.cmd(command, uri=uri)
        while True:
            event = qmp.pull_event(wait=max(0.1, deadline - time.monotonic()))
            status = event["data"] if event and event["event"] == "MIGRATION" else None
            if isinstance(status, dict) and status.get("status") == "completed":
                return
            if isinstance(status, dict) and status.get("status") == "failed":
                raise SnapshotError(f"QEMU's {command} failed")
    except (TimeoutError, ExecuteError, OSError) as error:
        raise SnapshotError(f"QEMU's {command}: {error}") from error


def _continue(qmp: QEMUMonitorProtocol) -> None:
    """Let the guest run; the end of a migration is told a moment before that can be."""
    deadline = time.monotonic() + _TIMEOUT
    try:
        while (status := qmp.cmd("query-status")["status"]) in ("inmigrate", "finish-migrate"):  # type: ignore[index]
            if time.monotonic() > deadline:
                raise SnapshotError(f"QEMU is still in state {status} after {_TIMEOUT:.0f} s")
            time.sleep(0.01)
        qmp.cmd("cont")
    except (ExecuteError, OSError) as error:
        raise SnapshotError(f"the guest does not go on: {error}") from error


@cache
def _qemu_version() -> str:
    command = ["qemu-system-x86_64", "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
