# SPDX-License-Identifier: MIT
"""The device that is measured: set up, awaited, filled."""

from __future__ import annotations

import mmap
import os
import subprocess
import time
from pathlib import Path

from vmtest.bench.guest import system
from vmtest.bench.plan import DISK_SIZE, Disk

_PATIENCE = 30.0


def set_up(disk: Disk) -> None:
    """Make the device appear."""
    for path, *parameters in disk.modules:
        system.load(path, *parameters)
    for command in disk.preparations:
        system.run(*command)
    if disk.server is not None:
        _start(disk.server, disk.ready)
    deadline = time.monotonic() + _PATIENCE
    while not Path(disk.node).is_block_device():
        if time.monotonic() > deadline:
            raise system.Failed(f"{disk.node} did not appear within {_PATIENCE:.0f} s")
        time.sleep(0.01)
    _set_no_scheduler(disk.node)


def fill(node: str) -> None:
    """Write the whole device: what it keeps data in is there when measuring begins."""
    block = mmap.mmap(-1, 128 << 10)
    block.write(bytes(range(1, 129)) * 1024)
    fd = os.open(node, os.O_WRONLY | os.O_DIRECT)
    try:
        for offset in range(0, DISK_SIZE, len(block)):
            os.pwrite(fd, block, offset)
    finally:
        os.close(fd)


def _set_no_scheduler(node: str) -> None:
    """Let requests go straight to the driver, as its author wants it or not.

    Drivers of one queue get mq-deadline unless they ask for none. That costs an I/O thousands of
    instructions, more or less by the moment at which it wakes a worker.
    """
    scheduler = Path("/sys/block", Path(node).name, "queue/scheduler")
    if scheduler.exists():  # it has no queue otherwise
        scheduler.write_text("none")


def _start(server: list[str], ready: str) -> None:
    # Nobody reads on afterwards: what it says later fits into the pipe.
    process = subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = ""
    while ready not in said:
        line = process.stdout.readline()
        if not line:
            raise system.Failed(f"{' '.join(server)} ended: {said}")
        said += line
