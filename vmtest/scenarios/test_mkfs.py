# SPDX-License-Identifier: MIT
"""File systems on the RAM disk, from mkfs to destroy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmtest.guest import Guest, Process, mounted
from vmtest.remote_python import RemotePython
from vmtest.scenarios.conftest import RAMDISK
from vmtest.scenarios.filesystems import EVERY, FILE_SYSTEMS
from vmtest.scenarios.guestlib import trees

MOUNT_POINT = "/mnt/disk"


@pytest.mark.parametrize("kind", EVERY)
def test_files_survive_a_remount_and_the_file_system_stays_clean(
    kind: str, guest: Guest, python: RemotePython, start_ramdisk: Callable[..., Process]
) -> None:
    mkfs, fsck = FILE_SYSTEMS[kind]
    start_ramdisk("--size", "512M")
    guest.run(*mkfs, RAMDISK, timeout=120)
    with mounted(guest, RAMDISK, MOUNT_POINT, "-t", kind):
        python.call(trees.write_tree, MOUNT_POINT, 1)
    guest.run(*fsck, RAMDISK, timeout=120)
    with mounted(guest, RAMDISK, MOUNT_POINT, "-t", kind):
        python.call(trees.check_tree, MOUNT_POINT, 1)


def test_mkfs_mount_write_umount_destroy(
    guest: Guest, python: RemotePython, start_ramdisk: Callable[..., Process]
) -> None:
    server = start_ramdisk()
    guest.run("mkfs.ext4", "-q", RAMDISK, timeout=120)
    with mounted(guest, RAMDISK, MOUNT_POINT):
        python.call(trees.write_tree, MOUNT_POINT, 2)
        python.call(trees.check_tree, MOUNT_POINT, 2)
    guest.run("zosbd2_sample_ramdisk", "-d")
    assert server.wait(30).status == 0
    assert not guest.exists(RAMDISK)


def test_a_file_system_can_be_made_over_another(guest: Guest, ramdisk: str) -> None:
    guest.run("mkfs.ext4", "-q", ramdisk, timeout=120)
    guest.run("mkfs.xfs", "-q", "-f", ramdisk, timeout=120)
    found = guest.run("blkid", "-p", "-o", "value", "-s", "TYPE", ramdisk).stdout
    assert found.split() == ["xfs"]


def test_a_forced_destroy_under_a_mount_leaves_the_mount_removable(
    guest: Guest, start_ramdisk: Callable[..., Process]
) -> None:
    server = start_ramdisk("--size", "64M")
    guest.run("mkfs.vfat", RAMDISK)
    with mounted(guest, RAMDISK, MOUNT_POINT, "-t", "vfat"):
        guest.run("zosbd2_sample_ramdisk", "-d", "-f")
        assert server.wait(30).status == 0
    assert not guest.exists(RAMDISK)
