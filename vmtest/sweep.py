# SPDX-License-Identifier: MIT
"""Ends what a test run has left, however its processes ended: VMs, inner runs, temporary folders.

All processes of a run have its token in their environment, also when their parent is gone, and so
have the names of its temporary folders.
"""

from __future__ import annotations

import os
import re
import secrets
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: The token of a run; that of a worker's share of it is ``TOKEN-gw0``.
VARIABLE = "VMTEST_RUN"

_DEADLINE = 10.0


def new_token() -> str:
    """The token for a run: for a part of one, where this process already belongs to a run."""
    outer = os.environ.get(VARIABLE)
    own = secrets.token_hex(4)
    return f"{outer}-{own}" if outer else own


def folder_prefix() -> str:
    """How the names of this process's temporary folders begin: ``vmtest-TOKEN-``."""
    token = os.environ.get(VARIABLE)
    return f"vmtest-{token}-" if token else "vmtest-"


def sweep(token: str) -> None:
    """Kill the processes that were started with ``token``, or a share of it; remove the folders.

    The calling process is spared.
    """
    owned = re.compile(re.escape(token) + r"(-.*)?$")
    deadline = time.monotonic() + _DEADLINE
    # Again, as one that was killed may have just started another.
    while _kill(owned, deadline) and time.monotonic() < deadline:
        pass
    for path in Path(tempfile.gettempdir()).glob(f"vmtest-{token}-*"):
        shutil.rmtree(path, ignore_errors=True)


def interrupt(token: str) -> None:
    """Ask the processes that were started with exactly ``token``, the workers, to stop."""
    for pidfd in _processes(re.compile(re.escape(token) + "$")):
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        os.close(pidfd)


def _kill(owned: re.Pattern[str], deadline: float) -> int:
    """Kill them and wait until they are gone; returns how many there were."""
    found = list(_processes(owned))
    gone = select.poll()
    for pidfd in found:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        gone.register(pidfd, select.POLLIN)
    left = set(found)
    while left and (seconds := deadline - time.monotonic()) > 0:
        for pidfd, _ in gone.poll(seconds * 1000):
            gone.unregister(pidfd)
            left.discard(pidfd)
    for pidfd in found:
        os.close(pidfd)
    return len(found)


def _processes(owned: re.Pattern[str]) -> Iterator[int]:
    """Descriptors of this user's processes whose token matches; the caller closes them.

    The descriptor is opened first, so it is of the process whose environment is looked at.
    """
    for path in Path("/proc").iterdir():
        if not path.name.isdigit() or int(path.name) == os.getpid():
            continue
        try:
            pidfd = os.pidfd_open(int(path.name))
        except OSError:
            continue
        try:
            environment = (path / "environ").read_bytes().split(b"\0")
        except OSError:  # gone, or another user's
            environment = []
        values = [
            one.partition(b"=")[2].decode(errors="replace")
            for one in environment
            if one.startswith(VARIABLE.encode() + b"=")
        ]
        if values and owned.match(values[0]):
            yield pidfd
        else:
            os.close(pidfd)
