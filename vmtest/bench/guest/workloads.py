# SPDX-License-Identifier: MIT
"""What people do with a disk: make a file system on it, and use files."""

from __future__ import annotations

import os
from pathlib import Path

from vmtest.bench.guest import clock, system

_UUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
_FOLDER = "/mnt"
_FILES = 100
_CONTENT = bytes(range(256)) * 64


def measure(name: str, node: str, times: int) -> int:
    """Instructions of the workload ``name``, the mean of so many ``times``."""
    if name != "mkfs.ext4":
        _make(node)
    before = clock.busy()
    for _ in range(times):
        _WORKLOADS[name](node)
    return (clock.busy() - before) // times


def _make(node: str) -> None:
    # What is random in a file system, and what the kernel would do later.
    fixed = f"hash_seed={_UUID},lazy_itable_init=0,lazy_journal_init=0"
    system.run("/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-U", _UUID, "-E", fixed, node)


def _use(node: str) -> None:
    """Write files durably, read them from the disk, remove them."""
    system.busybox("mount", "-t", "ext4", node, _FOLDER)
    paths = [Path(_FOLDER, str(number)) for number in range(_FILES)]
    for path in paths:
        fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
        os.write(fd, _CONTENT)
        os.fsync(fd)
        os.close(fd)
    Path("/proc/sys/vm/drop_caches").write_text("1")
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        if os.read(fd, len(_CONTENT)) != _CONTENT:
            raise system.Failed(f"{path} does not hold what was written to it")
        os.close(fd)
    for path in paths:
        path.unlink()
    system.busybox("umount", _FOLDER)


_WORKLOADS = {"mkfs.ext4": _make, "files": _use}
