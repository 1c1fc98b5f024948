# SPDX-License-Identifier: MIT
"""A device against a model of it: the bytes that it must hold, kept in memory."""

from __future__ import annotations

import os
import random

from . import rawio, trees


def overwrite_at_random(device: str, seed: int, writes: int) -> None:
    """Overwrite the first 4 MiB again and again, direct, 1 to 64 blocks a time; then compare."""
    source = random.Random(seed)
    blocks = (4 << 20) // rawio.BLOCK
    with rawio.opened(device) as fd:
        expected = bytearray(rawio.read_at(fd, blocks * rawio.BLOCK, 0))
        for _ in range(writes):
            first = source.randrange(blocks)
            count = source.randint(1, min(64, blocks - first))
            data = source.randbytes(count * rawio.BLOCK)
            rawio.write_at(fd, data, first * rawio.BLOCK)
            expected[first * rawio.BLOCK : first * rawio.BLOCK + len(data)] = data
        compare(rawio.read_at(fd, len(expected), 0), bytes(expected))


def write_odd_pieces(device: str, seed: int, writes: int) -> None:
    """Write pieces of any size at any offset through the page cache; compare past it."""
    source = random.Random(seed)
    size = 1 << 20
    with rawio.opened(device, os.O_RDWR) as buffered, rawio.opened(device) as direct:
        expected = bytearray(rawio.read_at(direct, size, 0))
        for _ in range(writes):
            offset = source.randrange(size)
            data = source.randbytes(min(source.randint(1, 10_000), size - offset))
            assert os.pwrite(buffered, data, offset) == len(data)
            expected[offset : offset + len(data)] = data
            start = source.randrange(size)
            length = source.randint(1, 10_000)
            compare(os.pread(buffered, length, start)[: size - start],
                    bytes(expected[start : start + length]))  # fmt: skip
        os.fsync(buffered)
        compare(rawio.read_at(direct, size, 0), bytes(expected))


def compare(read: bytes, expected: bytes) -> None:
    """Raise AssertionError with the first difference."""
    assert len(read) == len(expected), f"{len(read)} bytes read instead of {len(expected)}"
    if read != expected:
        at = trees.first_difference(read, expected)
        raise AssertionError(
            f"byte {at} is {read[at]:#04x} instead of {expected[at]:#04x} (block {at // 4096})"
        )
