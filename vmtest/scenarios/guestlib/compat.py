# SPDX-License-Identifier: MIT
"""System calls as a 32-bit process makes them."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os

import zosbd2
from zosbd2.abi import ControlCall, DeviceCall

from .disks import exchange

_MAP_32BIT = 0x40

# int ioctl32(int fd, unsigned cmd, unsigned arg): the arguments arrive in edi, esi and edx.
_IOCTL32 = bytes.fromhex(
    "53"  # push rbx
    "b836000000"  # mov eax, 54: ioctl in the 32-bit table
    "89fb"  # mov ebx, edi
    "89f1"  # mov ecx, esi
    "cd80"  # int 0x80
    "5b"  # pop rbx
    "c3"  # ret
)


def calls_of_32_bits() -> dict[str, str] | None:
    """How the calls end through the 32-bit entry; None if this kernel has none."""
    with zosbd2.Control() as control, exchange(control, "testdisk") as server:
        if not _entry_exists(control.fd):
            return None
        found = {}
        with mmap.mmap(
            -1, 1 << 21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_32BIT
        ) as low:
            address = ctypes.addressof(ctypes.c_char.from_buffer(low))
            assert address < 1 << 32
            for call in ControlCall:
                found[call.name] = _ioctl32(control.fd, call, address)
            for each in DeviceCall:
                found[f"DEVICE_{each.name}"] = _ioctl32(server.node.fd, each, address)
            assert bytes(low[:4096]) == bytes(4096)
        assert control.handles() == [server.handle]
        return found


def _ioctl32(fd: int, number: int, argument: int) -> str:
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as code:
        code.write(_IOCTL32)
        address = ctypes.addressof(ctypes.c_char.from_buffer(code))
        prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_uint)
        result = prototype(address)(fd, number, argument)
    return errno.errorcode[-result] if result < 0 else "OK"


def _entry_exists(fd: int) -> bool:
    """Without the 32-bit entry, int 0x80 is a fault that kills."""
    child = os.fork()
    if child == 0:
        _ioctl32(fd, 0, 0)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
