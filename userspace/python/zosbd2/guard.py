# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory with an inaccessible page behind it, to catch whoever goes past its end.

Needs mmap and ctypes, which Debian's python3-minimal does not have.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import Self

_PROT_NONE = 0


class GuardedMemory:
    """*size* bytes that end at a page which cannot be touched.

    A system call that reads or writes past the end fails with EFAULT instead of doing
    harm.  A context manager that releases the memory; views of it must be gone by then.
    """

    def __init__(self, size: int) -> None:
        usable = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        self._map = mmap.mmap(-1, usable + mmap.PAGESIZE)
        self.view = memoryview(self._map)[usable - size : usable]
        guard = ctypes.addressof(ctypes.c_char.from_buffer(self._map)) + usable
        self.address = guard - size
        """Where the memory starts; address + size is the first byte that faults."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        if libc.mprotect(guard, mmap.PAGESIZE, _PROT_NONE) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"cannot protect the guard page: {os.strerror(error)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the memory."""
        self.view.release()
        self._map.close()
