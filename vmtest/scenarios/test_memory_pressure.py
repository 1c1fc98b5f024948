# SPDX-License-Identifier: MIT
"""Writes must end while memory is scarce and the server lives in the same memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmtest.guest import Guest, Process, mounted
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython
from vmtest.scenarios import integrity
from vmtest.scenarios.conftest import RAMDISK
from vmtest.scenarios.guestlib import pressure

from .equipment import ServerPython

pytestmark = pytest.mark.vm(memory=384)


def test_writing_more_than_the_memory_ends_with_every_block_right(
    servers: ServerPython, module: KernelModule
) -> None:
    assert module.loaded
    done = servers.call(pressure.write_more_than_memory, 1.2, timeout=60)
    assert done["blocks"] > 0
    assert done["wrong"] == 0


def test_a_file_system_works_while_another_process_has_taken_the_memory(
    guest: Guest, python: RemotePython, start_ramdisk: Callable[..., Process]
) -> None:
    server = start_ramdisk("--size", "128M")
    guest.write(f"/proc/{server.pid}/oom_score_adj", "-1000")
    guest.run("mkfs.ext4", "-q", RAMDISK)
    with (
        mounted(guest, RAMDISK, "/mnt/disk"),
        python.start(pressure.take_memory, 80) as hog,
    ):
        hog.wait_for("taken:", 30)
        integrity.verify_with_fio(
            guest, "/mnt/disk/file", "--rw=randwrite", "--ioengine=psync", "--bs=16k",
            "--size=12m", "--end_fsync=1",
        )  # fmt: skip
        hog.end_of_input()
        assert hog.wait(20).status == 0
