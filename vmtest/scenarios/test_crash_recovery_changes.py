# SPDX-License-Identifier: MIT
"""A server is replaced, and a device resized, with I/O running: no error, no byte wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from zosbd2 import WireProtocol

from vmtest.guest import Guest, mounted
from vmtest.remote_python import RemotePython

from .filesystems import EVERY_JOURNALLING
from .oracle import Journal, Workload, check, read_files
from .recovery import (
    MOUNT_POINT,
    NAME,
    NODE,
    SIZE,
    Servers,
    check_file_system,
    counter,
    destroy,
    file_servers,
    fio_until,
    kept_ramdisk,
    make_file_system,
    replaced_repeatedly,
)

pytestmark = pytest.mark.usefixtures("module", "programs")

BACKING = "/var/tmp/changes.img"

#: What makes a mounted file system as large as its device.
GROW = {
    "ext4": ["resize2fs", NODE],
    "xfs": ["xfs_growfs", MOUNT_POINT],
    "btrfs": ["btrfs", "filesystem", "resize", "max", MOUNT_POINT],
}


def _upgraded(which: str, protocol: WireProtocol, later: WireProtocol) -> Servers:
    """The first server speaks *protocol*, all that take over from it *later*."""
    if which == "zosbd2_file":
        again = ["zosbd2_file", f"--name={NAME}", f"--protocol={later}", "--take-over", BACKING]
        return Servers(file_servers(BACKING, protocol).first, again)
    return Servers(kept_ramdisk(protocol), [*kept_ramdisk(later), "--take-over"])


@pytest.mark.parametrize(
    ("which", "protocol", "later"),
    [
        ("zosbd2_file", "classic", "classic"),
        ("zosbd2_file", "classic", "ring"),
        ("zosbd2_file", "ring", "ring"),
        ("zosbd2_sample_ramdisk", "ring", "ring"),
    ],
)
def test_crash_recovery_upgrade_under_load(
    guest: Guest,
    python: RemotePython,
    which: str,
    protocol: WireProtocol,
    later: WireProtocol,
    seed: int,
    repeated: Callable[[int], int],
) -> None:
    guest.run("rm", "-f", BACKING)
    upgrades = repeated(8)
    servers = _upgraded(which, protocol, later)
    with replaced_repeatedly(guest, python, servers, upgrades, seed) as storm:
        verified = fio_until(guest, lambda: "replaced" in storm.stdout, seed)
        print(f"seed {seed}: {upgrades} upgrades, {verified} bytes verified")
        assert counter(guest, "errors") == 0
        assert counter(guest, "handed_on") == 0, "a server went with a request in its hands"


@pytest.mark.parametrize("kind", EVERY_JOURNALLING)
def test_crash_recovery_resize_under_load(
    guest: Guest,
    python: RemotePython,
    protocol: WireProtocol,
    kind: str,
    seed: int,
    tmp_path: Path,
) -> None:
    guest.run("rm", "-f", BACKING)
    with guest.start(*file_servers(BACKING, protocol).first) as server:
        server.wait_for("ready")
        make_file_system(guest, kind)
        with mounted(guest, NODE, MOUNT_POINT):
            with (
                Journal(tmp_path / "journal") as journal,
                Workload(python, MOUNT_POINT, seed, journal) as workload,
            ):
                for step in range(1, 4):
                    workload.run(until=60 * step)
                    size = SIZE + step * (64 << 20)
                    guest.run("zosbd2ctl", "resize", NAME, size)
                    assert int(guest.run("blockdev", "--getsize64", NODE).stdout) == size
                    guest.run(*GROW[kind])
                workload.run(until=240)
                workload.finish()
            refused = guest.run("zosbd2ctl", "resize", NAME, SIZE, check=False)
            assert refused.status != 0, "it shrank while it was mounted"
            assert "resource busy" in refused.stderr
            guest.write("/proc/sys/vm/drop_caches", "3\n")
            verdict = check(journal, read_files(guest, MOUNT_POINT), crashed=False)
        assert not verdict.problems, str(verdict)
        check_file_system(guest, kind)
        assert counter(guest, "errors") == 0
        destroy(guest)
        assert server.wait(30).status == 0
