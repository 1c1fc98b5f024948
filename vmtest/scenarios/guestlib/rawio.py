# SPDX-License-Identifier: MIT
"""Block devices opened past the page cache, and memory that is aligned for it."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

BLOCK = 4096

_BLKGETSIZE64 = 0x80081272

_FILLER = bytes(1 + index % 251 for index in range(BLOCK - 8))


@contextmanager
def opened(path: str, flags: int = os.O_RDWR | os.O_DIRECT) -> Iterator[int]:
    """A file descriptor; O_DIRECT unless told otherwise."""
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def aligned(size_or_data: int | bytes, shift: int = 0) -> memoryview:
    """Memory that starts ``shift`` bytes into a page: of a size, or with a copy of data."""
    size = size_or_data if isinstance(size_or_data, int) else len(size_or_data)
    view = memoryview(mmap.mmap(-1, max(size + shift, 1)))[shift : shift + size]
    if not isinstance(size_or_data, int):
        view[:] = size_or_data
    return view


def write_at(fd: int, data: bytes, offset: int) -> None:
    """pwrite all of ``data`` from aligned memory; a short write is an error."""
    written = os.pwritev(fd, [aligned(data)], offset)
    assert written == len(data), f"a write of {len(data)} bytes at {offset} wrote {written}"


def read_at(fd: int, length: int, offset: int) -> bytes:
    """pread into aligned memory; may be short at the end of the device."""
    memory = aligned(length)
    return bytes(memory[: os.preadv(fd, [memory], offset)])


def device_size(fd: int) -> int:
    """Bytes, as BLKGETSIZE64 tells."""
    answer = fcntl.ioctl(fd, _BLKGETSIZE64, bytes(8))
    size: int = struct.unpack("=Q", answer)[0]
    return size


def pattern(length: int, start: int = 0) -> bytes:
    """What a test writes at ``start``: each block begins with its number, and no byte is zero."""
    first, last = start // BLOCK, -(-(start + length) // BLOCK)
    blocks = (block.to_bytes(8, "little").replace(b"\0", b"\xff") for block in range(first, last))
    return b"".join(head + _FILLER for head in blocks)[start - first * BLOCK :][:length]


def settle() -> None:
    """Wait until udev has looked at all devices: it reads from them, and counts change."""
    subprocess.run(["udevadm", "settle", "--timeout=60"], check=True)
