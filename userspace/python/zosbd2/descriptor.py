# SPDX-License-Identifier: LGPL-2.1-or-later
"""An open file of the module's, whichever it is."""

from __future__ import annotations

import os
from typing import Self

from .syscall import Memory, ioctl


class Descriptor:
    """Owns a file descriptor; a context manager that closes it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; twice is fine."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def call(self, number: int, argument: Memory | int | None = None) -> int:
        """One ioctl with whatever is given, for tests: raises plain OSError."""
        return ioctl(self.fd, number, argument)
