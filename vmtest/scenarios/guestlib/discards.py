# SPDX-License-Identifier: MIT
"""Discards: the ioctls, what they leave, and what a server gets of them."""

from __future__ import annotations

import fcntl
import os
import struct

from zosbd2 import WireProtocol

from . import memory_disk, model, rawio, shapes

MIB = 1 << 20

_BLKDISCARD = 0x1277
_BLKSECDISCARD = 0x127D
_BLKZEROOUT = 0x127F


def _range_ioctl(fd: int, number: int, offset: int, length: int) -> None:
    fcntl.ioctl(fd, number, struct.pack("=QQ", offset, length))


def fill(device: str, length: int) -> None:
    """Write a pattern over the first ``length`` bytes, past the cache."""
    with rawio.opened(device) as fd:
        for at in range(0, length, MIB):
            rawio.write_at(fd, rawio.pattern(min(MIB, length - at), at), at)


def discard_a_range(device: str, offset: int, length: int) -> None:
    """Discard in the middle of 4 MiB of data: zeroes there, everything else as it was."""
    fill(device, 4 * MIB)
    with rawio.opened(device) as fd:
        _range_ioctl(fd, _BLKDISCARD, offset, length)
        expected = bytearray(rawio.pattern(4 * MIB))
        expected[offset : offset + length] = bytes(length)
        model.compare(rawio.read_at(fd, 4 * MIB, 0), bytes(expected))


def discard_what_is_cached(device: str) -> None:
    """Cached data, clean and dirty, must not outlive a discard."""
    with rawio.opened(device, os.O_RDWR) as fd:
        os.pwrite(fd, rawio.pattern(MIB), 0)
        os.fsync(fd)
        os.pwrite(fd, rawio.pattern(MIB), MIB)
        _range_ioctl(fd, _BLKDISCARD, 0, 2 * MIB)
        model.compare(os.pread(fd, 2 * MIB, 0), bytes(2 * MIB))
        os.fsync(fd)
    with rawio.opened(device) as direct:
        model.compare(rawio.read_at(direct, 2 * MIB, 0), bytes(2 * MIB))


def zero_out(device: str) -> None:
    """BLKZEROOUT on a device without an offload for it."""
    fill(device, MIB)
    with rawio.opened(device) as fd:
        _range_ioctl(fd, _BLKZEROOUT, 0, MIB)
        model.compare(rawio.read_at(fd, MIB, 0), bytes(MIB))


def refusals(device: str) -> dict[str, str]:
    """How wrong discards end."""
    with rawio.opened(device) as fd, rawio.opened(device, os.O_RDONLY) as reader:
        size = rawio.device_size(fd)
        wrong = {
            "offset of a sector": (fd, _BLKDISCARD, 512, 4096),
            "length of a sector": (fd, _BLKDISCARD, 0, 512),
            "past the end": (fd, _BLKDISCARD, size - 4096, 8192),
            "offset that wraps": (fd, _BLKDISCARD, (1 << 64) - 4096, 8192),
            "opened for reading": (reader, _BLKDISCARD, 0, 4096),
            "secure": (fd, _BLKSECDISCARD, 0, 4096),
        }
        return {
            what: shapes.errno_of(lambda call=call: _range_ioctl(*call))  # type: ignore[misc]
            for what, call in wrong.items()
        }


def requests_for(protocol: WireProtocol, offset: int, length: int) -> list[tuple[int, int]]:
    """The discard requests that a server gets for one BLKDISCARD, checked to cover it once."""
    with (
        memory_disk.serving("discards", 512 * MIB, memory_disk.RequestLog, protocol) as (
            device,
            disk,
        ),
        rawio.opened(device) as fd,
    ):
        _range_ioctl(fd, _BLKDISCARD, offset, length)
        pieces = disk.of_kind("discard")
    memory_disk.covers(pieces, offset, length)
    return pieces


def resident_bytes(pid: int) -> int:
    """Memory that a process occupies: VmRSS."""
    with open(f"/proc/{pid}/status") as status:  # noqa: PTH123
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmRSS"].split()[0]) * 1024
