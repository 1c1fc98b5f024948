# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a device is served through: its block device, or a session of its own."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path
from typing import Protocol, Self

from .abi import DeviceCall
from .errors import error_for
from .syscall import Memory, ioctl

_NODE_RETRY_SECONDS = 0.005


class Endpoint(Protocol):
    """A DeviceNode or a Session, as Exchange uses it."""

    fd: int
    path: Path
    """The block device, for messages."""

    def call(self, number: int, argument: Memory | int | None = None) -> int:
        """One ioctl with whatever is given, for tests: raises plain OSError."""

    def ping(self) -> None:
        """Whether the device is there: raises OSError if not."""

    def close(self) -> None:
        """Close it; twice is fine."""


class Session:
    """What Control.attach() returns; a context manager that closes it.

    When its last descriptor is closed (it can be inherited, or sent to another process)
    the servers behind it count as gone.
    """

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; twice is fine."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def ping(self) -> None:
        """Whether the device is still there: raises OSError with ENOENT if not."""
        self.call(DeviceCall.PING)

    def call(self, number: int, argument: Memory | int | None = None) -> int:
        """One ioctl with whatever is given, for tests: raises plain OSError."""
        return ioctl(self.fd, number, argument)


class DeviceNode:
    """A block device that is open for serving; a context manager that closes it."""

    def __init__(self, name: str, *, flags: int = os.O_RDWR, timeout: float = 5.0) -> None:
        """Open /dev/*name*, waiting up to *timeout* seconds for it to appear."""
        self.path = Path("/dev") / name
        deadline = time.monotonic() + timeout
        while not _is_block_device(self.path):
            if time.monotonic() >= deadline:
                what = f"open {self.path}, which did not appear within {timeout} s"
                raise error_for(errno.ENOENT, what)
            time.sleep(_NODE_RETRY_SECONDS)
        try:
            self.fd = os.open(self.path, flags | os.O_CLOEXEC)
        except OSError as error:
            raise error_for(error.errno or errno.EIO, f"open {self.path}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; twice is fine."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def ping(self) -> None:
        """Whether the module is behind the node: raises OSError if not."""
        self.call(DeviceCall.PING)

    def call(self, number: int, argument: Memory | int | None = None) -> int:
        """One ioctl with whatever is given, for tests: raises plain OSError."""
        return ioctl(self.fd, number, argument)


def _is_block_device(path: Path) -> bool:
    try:
        return stat.S_ISBLK(path.stat().st_mode)
    except OSError:
        return False
