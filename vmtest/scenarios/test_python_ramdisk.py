# SPDX-License-Identifier: MIT
"""The RAM disk in Python that the package has as its example, used like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from vmtest.guest import Guest, Process, mounted
from vmtest.images import TOP
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython
from vmtest.scenarios import integrity
from vmtest.scenarios.guestlib import trees

EXAMPLE = TOP / "userspace/python/examples/ramdisk.py"
PACKAGES = "/opt/vmtest/python"
NODE = "/dev/zosbd2pyramdisk"


@pytest.fixture
def start_example(
    guest: Guest, module: KernelModule, programs: str, python: RemotePython
) -> Iterator[Callable[..., Process]]:
    """Starts the example with options and waits until it serves; ends it by force."""
    assert module.loaded
    assert programs
    assert python  # its package is in the guest now
    guest.put({"ramdisk.py": EXAMPLE}, PACKAGES)
    started: list[Process] = []

    def start(*options: str) -> Process:
        process = guest.start(
            "python3", f"{PACKAGES}/ramdisk.py", *options, env={"PYTHONPATH": PACKAGES}
        )
        started.append(process)
        process.wait_for("ready:")
        return process

    yield start
    for process in started:
        if not process.ended:
            guest.run("zosbd2ctl", "destroy", "--all", "--force", check=False)
            process.wait(30)


def test_mkfs_mount_copy_umount_destroy(
    guest: Guest, python: RemotePython, start_example: Callable[..., Process]
) -> None:
    server = start_example("--mib", "64")
    guest.run("mkfs.ext4", "-q", NODE, timeout=120)
    with mounted(guest, NODE, "/mnt/disk"):
        python.call(trees.write_tree, "/mnt/disk", 9)
        python.call(trees.drop_caches)
        python.call(trees.check_tree, "/mnt/disk", 9)
    guest.run("e2fsck", "-fn", NODE, timeout=120)
    guest.run("zosbd2ctl", "destroy", "zosbd2pyramdisk")
    assert server.wait(30).status == 0


def test_random_writes_verify_with_several_threads(
    guest: Guest, start_example: Callable[..., Process]
) -> None:
    start_example("--mib", "64", "--threads", "3")
    integrity.check_random_writes(guest, NODE)


def test_ctrl_c_takes_the_device_away(guest: Guest, start_example: Callable[..., Process]) -> None:
    server = start_example("--name", "pydisk", "--mib", "4")
    server.kill("INT")
    assert server.wait(30).status == 0
    assert not guest.exists("/dev/pydisk")
