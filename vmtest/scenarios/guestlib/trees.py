# SPDX-License-Identifier: MIT
"""Trees of files whose every byte follows from a seed, so that they can be checked anywhere."""

from __future__ import annotations

import os
import random
from pathlib import Path

# Around the sizes where file systems and page cache change their ways.
_SIZES = (0, 1, 511, 512, 4095, 4096, 4097, 65_536, 262_145, 1_048_577)


def write_tree(root: str, seed: int, files: int = 40) -> int:
    """Write ``files`` files below ``root`` and sync; returns how many bytes they have."""
    written = 0
    for name, data in _contents(seed, files):
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        written += len(data)
    os.sync()
    return written


def check_tree(root: str, seed: int, files: int = 40) -> int:
    """Raise AssertionError unless the same call of ``write_tree`` left just what is there."""
    expected = dict(_contents(seed, files))
    found = {str(path.relative_to(root)) for path in Path(root).rglob("*") if path.is_file()}
    missing, extra = expected.keys() - found, found - expected.keys()
    assert not missing, f"files are missing below {root}: {sorted(missing)[:5]}"
    assert not extra, f"files nobody wrote below {root}: {sorted(extra)[:5]}"
    for name, data in expected.items():
        read = Path(root, name).read_bytes()
        assert len(read) == len(data), f"{name} has {len(read)} bytes instead of {len(data)}"
        assert read == data, f"{name} differs from byte {first_difference(read, data)} on"
    return len(expected)


def drop_caches() -> None:
    """Have the kernel forget what it has of clean files; dirty ones are written first."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def first_difference(left: bytes, right: bytes) -> int:
    """The first index at which they differ; they are as long as each other."""
    return next(index for index in range(len(left)) if left[index] != right[index])


def _contents(seed: int, files: int) -> list[tuple[str, bytes]]:
    source = random.Random(seed)
    sizes = [*_SIZES, *(source.randrange(20_000) for _ in range(files))][:files]
    return [
        (f"folder{index % 7}/file {index}", source.randbytes(size))
        for index, size in enumerate(sizes)
    ]
