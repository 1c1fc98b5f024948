# SPDX-License-Identifier: MIT
"""File systems on the RAM disk, from mkfs to destroy."""

from __future__ import annotations

from vmtest.guest import Guest, Process, mounted
from collections.abc import Callable


def test_mkfs_mount_write_umount_destroy(guest: Guest, start_ramdisk: Callable[..., Process]) -> None:
    server = start_ramdisk()
    guest.run("mkfs.ext4", "-q", "/dev/zosbd2ramdisk", timeout=120)
    with mounted(guest, "/dev/zosbd2ramdisk", "/mnt/disk"):
        guest.run("cp", "-r", "/usr/lib/python3", "/mnt/disk/")
        guest.run("diff", "-r", "/usr/lib/python3", "/mnt/disk/python3")
    guest.run("zosbd2_sample_ramdisk", "-d")
    assert server.wait(30).status == 0
