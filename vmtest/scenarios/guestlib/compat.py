# SPDX-License-Identifier: MIT
"""System calls through the 32-bit entry, and by a 32-bit program."""

from __future__ import annotations

import ctypes
import errno
import mmap
import struct
import subprocess

import zosbd2
from zosbd2.abi import ControlCall, DeviceCall, ExtensionCall

from .channels import ENTER, Channel
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


def calls_of_32_bits() -> dict[str, str]:
    """How the calls end through the 32-bit entry, which the kernel must have."""
    with (
        zosbd2.Control() as control,
        exchange(control, "testdisk") as server,
        control.attach(server.handle) as session,
        Channel.attached(control, server.handle) as channel,
    ):
        found = {}
        with mmap.mmap(
            -1, 1 << 21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_32BIT
        ) as low:
            address = ctypes.addressof(ctypes.c_char.from_buffer(low))
            assert address < 1 << 32
            for call in [*ControlCall, *ExtensionCall]:
                found[call.name] = _ioctl32(control.fd, call, address)
            found["CHANNEL_ENTER"] = _ioctl32(channel.fd, ENTER, 1)
            for each in DeviceCall:
                found[f"DEVICE_{each.name}"] = _ioctl32(server.node.fd, each, address)
                found[f"SESSION_{each.name}"] = _ioctl32(session.fd, each, address)
            assert bytes(low[:4096]) == bytes(4096)
        assert control.handles() == [server.handle]
        return found


def calls_of_a_32_bit_program(program: str) -> dict[str, int]:
    """The same by a program for i386: negative errnos.

    It reads pairs of a descriptor and a number, and writes a result for each.
    """
    with (
        zosbd2.Control() as control,
        exchange(control, "testdisk") as server,
        control.attach(server.handle) as session,
        Channel.attached(control, server.handle) as channel,
    ):
        wanted = {call.name: (control.fd, int(call)) for call in (*ControlCall, *ExtensionCall)}
        wanted["CHANNEL_ENTER"] = (channel.fd, ENTER)
        for each in DeviceCall:
            wanted[f"DEVICE_{each.name}"] = (server.node.fd, int(each))
            wanted[f"SESSION_{each.name}"] = (session.fd, int(each))
        pairs = b"".join(struct.pack("=II", fd, number) for fd, number in wanted.values())
        done = subprocess.run(
            [program], input=pairs, stdout=subprocess.PIPE, check=True,
            pass_fds=[control.fd, server.node.fd, session.fd, channel.fd],
        )  # fmt: skip
        assert control.handles() == [server.handle]
        results = struct.unpack(f"={len(wanted)}i", done.stdout)
        return dict(zip(wanted, results, strict=True))


def _ioctl32(fd: int, number: int, argument: int) -> str:
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as code:
        code.write(_IOCTL32)
        address = ctypes.addressof(ctypes.c_char.from_buffer(code))
        prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_uint)
        result = prototype(address)(fd, number, argument)
    return errno.errorcode[-result] if result < 0 else "OK"
