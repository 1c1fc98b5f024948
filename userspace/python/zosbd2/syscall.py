# SPDX-License-Identifier: LGPL-2.1-or-later
"""ioctl(2) that lets other threads run while it waits.

``fcntl.ioctl`` holds the interpreter lock during the call if the buffer is longer than
1024 bytes (CPython up to 3.13), and a server waits in such a call for most of its life.
ctypes releases the lock, so it is used where it exists.  Debian's python3-minimal has no
ctypes: there, all of this package works but servers with more than one thread, and while
one thread waits for a request no other Python code of the process runs.
"""

from __future__ import annotations

import fcntl
import os
from typing import Final

try:
    import ctypes
except ImportError:
    HAVE_CTYPES = False
else:
    HAVE_CTYPES = True
    _libc = ctypes.CDLL(None, use_errno=True)
    _libc.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)
    _libc.ioctl.restype = ctypes.c_int

Memory = bytearray | memoryview
"""Writable memory for a call: changed in place."""

RELEASES_LOCK: Final = HAVE_CTYPES
"""Whether other threads run while a call waits."""


def ioctl(fd: int, number: int, argument: Memory | int | None = None) -> int:
    """Call ioctl(2) once, with the memory itself or with an address as it is.

    Nothing is checked: the module may write as much as the call is defined to write,
    however short *argument* is.  For short buffers use :class:`zosbd2.guard.GuardedMemory`.
    An address other than None (NULL) needs ctypes.

    Returns what ioctl(2) returns; raises OSError, also for EINTR, without trying again.
    """
    if not HAVE_CTYPES:
        return fcntl.ioctl(fd, number, 0 if argument is None else argument)
    address = address_of(argument) if isinstance(argument, bytearray | memoryview) else argument
    result: int = _libc.ioctl(fd, number, address)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def address_of(memory: Memory) -> int:
    """Where writable memory lies in this process.  Needs ctypes."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
