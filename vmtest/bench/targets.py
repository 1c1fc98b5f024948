# SPDX-License-Identifier: MIT
"""What is measured: a table of block devices, and how each is brought about in the guest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmtest.bench.plan import DISK_SIZE
from vmtest.errors import SetupError

_MIB = DISK_SIZE >> 20
# What is cheapest of its ways to move data: see queue.c.
_UBLK = ("/usr/bin/ublk_server", "--copy=user", f"--size={_MIB}")
_NBDKIT = "/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-memory-plugin.so"
_QUEUES = "--queues={}"
#: Where the example is put.
PYTHON_RAMDISK = "/opt/ramdisk.py"


@dataclass(frozen=True)
class Target:
    """A block device."""

    name: str
    node: str
    #: Of the kernel; or ``zosbd2``.
    module: str
    parameters: tuple[str, ...] = ()
    #: Commands that are run before the server is started.
    preparations: tuple[tuple[str, ...], ...] = ()
    #: The command that serves it, and what that says when it does.
    server: tuple[str, ...] = ()
    ready: str = "ready:"
    #: Files of the image that these need; programs of this repository are not among them.
    needs: tuple[str, ...] = ()
    keeps_data: bool = True
    #: How many times fewer I/Os are done to measure it.
    slowness: int = 1
    #: How it is told to have {} queues: an option of the server, or of the module if there is none.
    #: Empty if it has one.
    queues: str = ""

    @property
    def ours(self) -> bool:
        """Whether it is this repository that is measured."""
        return self.module == "zosbd2"


def _ramdisk(name: str, *options: str) -> Target:
    """One that zosbd2_sample_ramdisk serves, with these options."""
    server = ("/usr/bin/zosbd2_sample_ramdisk", "--name=bench", f"--size={_MIB}M", *options)
    return Target(name, "/dev/bench", "zosbd2", server=server, queues=_QUEUES)


TARGETS = (
    Target(
        "null_blk", "/dev/nullb0", "null_blk", ("gb=1", "bs=4096", "max_sectors=1024"),
        keeps_data=False, queues="submit_queues={}",
    ),
    Target(
        "brd", "/dev/ram0", "brd", ("rd_nr=1", f"rd_size={DISK_SIZE >> 10}"),
    ),
    Target(
        "loop", "/dev/loop0", "loop", preparations=(
            ("/bin/busybox", "fallocate", "-l", str(DISK_SIZE), "/tmp/disk"),
            ("/bin/busybox", "losetup", "/dev/loop0", "/tmp/disk"),
        ),
    ),
    Target(
        "nbd", "/dev/nbd0", "nbd", ("nbds_max=1",), preparations=(
            ("/usr/bin/nbdkit", "--unix=/run/nbd", _NBDKIT, f"{_MIB}M"),
            ("/usr/sbin/nbd-client", "-unix", "/run/nbd", "/dev/nbd0"),
        ), needs=("usr/bin/nbdkit", _NBDKIT, "usr/sbin/nbd-client"), slowness=2,
    ),
    Target(
        "ublk-null", "/dev/ublkb0", "ublk_drv",
        server=(*_UBLK, "null"), keeps_data=False, queues=_QUEUES,
    ),
    Target(
        "ublk-ram", "/dev/ublkb0", "ublk_drv",
        server=(*_UBLK, "ram"), queues=_QUEUES,
    ),
    _ramdisk("zosbd2-classic", "--protocol=classic"),
    Target(
        "zosbd2-null", "/dev/bench", "zosbd2",
        server=("/usr/share/zosbd2/examples/ring_null", "bench", str(_MIB)), keeps_data=False,
    ),
    _ramdisk("zosbd2-ram"),
    Target(
        "zosbd2-python", "/dev/bench", "zosbd2",
        server=("/usr/bin/python3", PYTHON_RAMDISK, "--name=bench", f"--mib={_MIB}"), slowness=4,
    ),
)  # fmt: skip


def named(words: Sequence[str]) -> list[Target]:
    """The targets that are called so, or else have such a word in their name; all without words.

    They are in the order of the table.
    """
    chosen: set[str] = set()
    for word in words:
        names = [target.name for target in TARGETS]
        found = [word] if word in names else [name for name in names if word in name]
        if not found:
            known = ", ".join(names)
            raise SetupError(f"no target has {word!r} in its name", hint=f"there are: {known}")
        chosen.update(found)
    return [target for target in TARGETS if not words or target.name in chosen]
