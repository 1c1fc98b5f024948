# SPDX-License-Identifier: MIT
"""The guest's system: what an init does, and no more."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from pathlib import Path

_BUSYBOX = "/bin/busybox"
_MOUNTS = (
    ("devtmpfs", "/dev"),
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
)

# _IOW('R', 3, int[2]), of linux/random.h.
_RNDADDENTROPY = 0x40085203


class Failed(Exception):
    """A command failed, or something did not come about."""


def set_up() -> None:
    """Mount the usual file systems, and give the kernel's generator numbers to begin with.

    They are always the same: the machine has no others.
    """
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    for kind, folder in _MOUNTS:
        run(_BUSYBOX, "mount", "-t", kind, kind, folder)
    seed = bytes(range(64))
    with Path("/dev/urandom").open("wb") as generator:
        fcntl.ioctl(generator, _RNDADDENTROPY, struct.pack("ii64s", 8 * len(seed), 64, seed))


def run(*argv: str, folder: str = "/") -> str:
    """Run a command; returns what it printed. Raises Failed."""
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def busybox(*argv: str) -> str:
    """Run a command that busybox has."""
    return run(_BUSYBOX, *argv)


def load(path: str, *parameters: str) -> None:
    """Load a module of the kernel, if it is not loaded yet."""
    name = Path(path).name.partition(".")[0].replace("-", "_")
    if not Path("/sys/module", name).exists():
        busybox("insmod", path, *parameters)


def switch_cpus_on() -> None:
    """All that the machine has. Raises OSError if one does not come up."""
    for switch in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/online"):
        switch.write_text("1")


def power_off() -> None:
    """End the guest. What it has written is written: there is no disk to sync."""
    busybox("poweroff", "-f")
