# SPDX-License-Identifier: MIT
"""Loading and unloading the module while something of it is in use."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import zosbd2

from .control import create
from .disks import MIB, Store, opened, pattern, pread, pwrite, udev_held

_LOADED = Path("/sys/module/zosbd2")


def unload_while_open(node: str) -> dict[str, object]:
    """Try to unload the module with a node open, then once it is closed."""
    with udev_held():
        with zosbd2.Control() as control:
            control.create("testdisk", 4 * MIB)
        fd = os.open(node, os.O_RDWR)
        busy = subprocess.run(["rmmod", "zosbd2"], capture_output=True, text=True)
        still_there = Path("/dev/zosbd2ctl").exists() and Path("/dev/testdisk").exists()
        os.close(fd)
        return {
            "refused": busy.returncode != 0,
            "says": "in use" in busy.stderr,
            "still_there": still_there,
            "closed": subprocess.run(["rmmod", "zosbd2"]).returncode,
            "left": left_behind(),
        }


def unload_with_devices(count: int) -> list[str]:
    """Unload the module with devices that nobody has open; what is left of them."""
    # udev opens each new device, and waits there for a server.
    with udev_held():
        with zosbd2.Control() as control:
            for number in range(count):
                control.create(f"disk{number}", 4 * MIB)
        _unload()
        return left_behind()


def load_and_unload(path: str, rounds: int) -> list[str]:
    """Each time with a device that was served and one that was not."""
    with udev_held():
        _unload()
        for number in range(rounds):
            subprocess.run(["insmod", path], check=True)
            with zosbd2.Control() as control:
                control.create("unserved", 4 * MIB)
                with zosbd2.served("served", 4 * MIB, Store(4 * MIB)), opened("served") as fd:
                    pwrite(fd, pattern(0, 4096, number), 0)
                control.create("another", 4 * MIB)
            _unload()
        return left_behind()


def loads(path: str, parameters: list[str]) -> dict[str, str]:
    """Try to load the module with each parameter; what insmod said, or nothing if it worked."""
    said = {}
    for parameter in parameters:
        done = subprocess.run(["insmod", path, parameter], capture_output=True, text=True)
        said[parameter] = done.stderr.strip().rpartition(": ")[2]
        if done.returncode == 0:
            _unload()
    return said


def left_behind() -> list[str]:
    """What there still is of the module."""
    paths = [_LOADED, Path("/dev/zosbd2ctl"), Path("/sys/class/misc/zosbd2ctl")]
    paths += [path for path in Path("/sys/block").iterdir() if (path / "zosbd2").exists()]
    return [str(path) for path in paths if path.exists()]


def _unload() -> None:
    subprocess.run(["rmmod", "zosbd2"], check=True)


def control_node() -> dict[str, object]:
    """What kind of file the control node is, and whose."""
    status = Path("/dev/zosbd2ctl").stat()
    return {
        "character device": stat.S_ISCHR(status.st_mode),
        "mode": f"{stat.S_IMODE(status.st_mode):o}",
        "owner": [status.st_uid, status.st_gid],
    }


def parameters() -> dict[str, list[str]]:
    """The module's parameters: value and mode."""
    return {
        path.name: [path.read_text().strip(), f"{stat.S_IMODE(path.stat().st_mode):o}"]
        for path in (_LOADED / "parameters").iterdir()
    }


def creates_until_refused() -> list[str]:
    """The outcome of each create up to the first that fails."""
    outcomes: list[str] = []
    with zosbd2.Control() as control:
        while "EINVAL" not in outcomes and len(outcomes) < 60:
            outcomes.append(create(control, f"disk{len(outcomes)}")["outcome"])
        control.destroy_all(force=True)
    return outcomes


def io_with_queue_depth() -> int:
    """Write and read 4 MiB of a served device; its queue depth as sysfs tells it."""
    data = pattern(0, 4 * MIB)
    with zosbd2.served("testdisk", 4 * MIB, Store(4 * MIB)), opened("testdisk") as fd:
        for at in range(0, len(data), MIB):
            pwrite(fd, data[at : at + MIB], at)
        assert all(pread(fd, MIB, at) == data[at : at + MIB] for at in range(0, len(data), MIB))
        return int(Path("/sys/block/testdisk/zosbd2/queue_depth").read_text())
