# SPDX-License-Identifier: MIT
"""The file systems of the scenarios: how to make one, how to look for damage, what it needs."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

#: How to make each file system, and to look for damage in it without mending.
FILE_SYSTEMS = {
    "ext4": (["mkfs.ext4", "-q"], ["e2fsck", "-fn"]),
    "xfs": (["mkfs.xfs", "-q"], ["xfs_repair", "-n"]),
    "btrfs": (["mkfs.btrfs", "-q"], ["btrfs", "check", "--readonly"]),
    "f2fs": (["mkfs.f2fs", "-q"], ["fsck.f2fs", "--dry-run"]),
    "vfat": (["mkfs.vfat"], ["fsck.vfat", "-n"]),
}

#: Those that keep what was synchronised whatever happens.
JOURNALLING = ("ext4", "xfs", "btrfs")


def file_system(kind: str, *more: object) -> ParameterSet:
    """A test's parameter ``kind``, and ``more``; it is skipped where the kernel has no such."""
    needed = pytest.mark.needs_config(f"CONFIG_{kind.upper()}_FS")
    return pytest.param(kind, *more, id="-".join([kind, *map(str, more)]), marks=needed)


#: For ``pytest.mark.parametrize``.
EVERY = [file_system(kind) for kind in FILE_SYSTEMS]
EVERY_JOURNALLING = [file_system(kind) for kind in JOURNALLING]
