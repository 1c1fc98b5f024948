# SPDX-License-Identifier: MIT
"""What was written is what is read: over caches, mounts, sizes and jobs."""

from __future__ import annotations

import pytest

from vmtest.guest import Guest, mounted
from vmtest.remote_python import RemotePython
from vmtest.scenarios import integrity
from vmtest.scenarios.guestlib import model, trees


def test_random_writes_of_several_jobs_verify(guest: Guest, ramdisk: str) -> None:
    integrity.check_random_writes(guest, ramdisk)


@pytest.mark.parametrize("engine", ["libaio", "mmap", "psync"])
def test_sequential_writes_verify(guest: Guest, ramdisk: str, engine: str) -> None:
    direct = "0" if engine == "mmap" else "1"
    integrity.verify_with_fio(
        guest, ramdisk, "--rw=write", f"--ioengine={engine}", "--iodepth=4", f"--direct={direct}",
        "--bs=64k", "--size=16m",
    )  # fmt: skip


def test_mixed_reads_and_writes_of_a_file_verify(guest: Guest, filesystem: str) -> None:
    integrity.verify_with_fio(
        guest, f"{filesystem}/file", "--rw=randrw", "--ioengine=psync", "--bsrange=512-40k",
        "--bs_unaligned=1", "--size=4m", "--fsync=64",
    )  # fmt: skip


def test_last_of_many_overwrites_is_what_is_read(python: RemotePython, ramdisk: str) -> None:
    python.call(model.overwrite_at_random, ramdisk, 3, 60)


def test_files_are_the_same_after_the_caches_were_dropped(
    python: RemotePython, filesystem: str
) -> None:
    python.call(trees.write_tree, filesystem, 4)
    python.call(trees.drop_caches)
    python.call(trees.check_tree, filesystem, 4)


def test_many_files_are_all_there_after_a_remount(
    guest: Guest, python: RemotePython, ramdisk: str
) -> None:
    guest.run("mkfs.ext4", "-q", ramdisk, timeout=120)
    with mounted(guest, ramdisk, "/mnt/disk"):
        python.call(trees.write_tree, "/mnt/disk", 5, 600)
    with mounted(guest, ramdisk, "/mnt/disk"):
        assert python.call(trees.check_tree, "/mnt/disk", 5, 600) == 600


def test_a_copy_is_the_same_as_its_original_on_tmpfs(
    guest: Guest, python: RemotePython, filesystem: str
) -> None:
    guest.run("cp", "-a", "/usr/lib/python3", "/usr/sbin/mke2fs", filesystem)
    python.call(trees.drop_caches)
    guest.run("diff", "-r", "/usr/lib/python3", f"{filesystem}/python3")
    guest.run("cmp", "/usr/sbin/mke2fs", f"{filesystem}/mke2fs")


def test_the_server_keeps_the_data_while_nobody_has_the_device_open(
    guest: Guest, python: RemotePython, ramdisk: str
) -> None:
    guest.run("mkfs.ext4", "-q", ramdisk, timeout=120)
    with mounted(guest, ramdisk, "/mnt/disk"):
        python.call(trees.write_tree, "/mnt/disk", 6)
    python.call(trees.drop_caches)
    with mounted(guest, ramdisk, "/mnt/disk", "-o", "ro"):
        python.call(trees.check_tree, "/mnt/disk", 6)
