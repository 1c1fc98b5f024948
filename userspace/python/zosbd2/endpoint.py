# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a device is served through: its block device, or a session of its own."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

from .abi import DeviceCall
from .descriptor import Descriptor
from .errors import error_for

_NODE_RETRY_SECONDS = 0.005


class Endpoint(Descriptor):
    """A DeviceNode or a Session, as Exchange uses it."""

    def __init__(self, fd: int, path: Path) -> None:
        super().__init__(fd)
        self.path = path
        """The block device, for messages."""

    def ping(self) -> None:
        """Whether the device is there: raises OSError with ENOENT if it is gone."""
        self.call(DeviceCall.PING)


class Session(Endpoint):
    """What Control.attach() returns; a context manager that closes it.

    When its last descriptor is closed (it can be inherited, or sent to another process)
    the servers behind it count as gone.
    """


class DeviceNode(Endpoint):
    """A block device that is open for serving; a context manager that closes it."""

    def __init__(self, name: str, *, flags: int = os.O_RDWR, timeout: float = 5.0) -> None:
        """Open /dev/*name*, waiting up to *timeout* seconds for it to appear."""
        path = Path("/dev") / name
        deadline = time.monotonic() + timeout
        while not _is_block_device(path):
            if time.monotonic() >= deadline:
                what = f"open {path}, which did not appear within {timeout} s"
                raise error_for(errno.ENOENT, what)
            time.sleep(_NODE_RETRY_SECONDS)
        try:
            super().__init__(os.open(path, flags | os.O_CLOEXEC), path)
        except OSError as error:
            raise error_for(error.errno or errno.EIO, f"open {path}") from error


def _is_block_device(path: Path) -> bool:
    try:
        return stat.S_ISBLK(path.stat().st_mode)
    except OSError:
        return False
