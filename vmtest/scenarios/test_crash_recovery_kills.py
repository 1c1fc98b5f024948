# SPDX-License-Identifier: MIT
"""The server is killed again and again under load: no I/O error, and every byte right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from zosbd2 import WireProtocol

from vmtest.guest import Guest
from vmtest.remote_python import RemotePython

from .filesystems import EVERY_JOURNALLING
from .oracle import Journal
from .recovery import (
    NAME,
    Servers,
    counter,
    file_servers,
    fio_until,
    kept_ramdisk,
    killed_repeatedly,
    use_while_killed,
)

pytestmark = [pytest.mark.usefixtures("module", "programs"), pytest.mark.long(120)]

BACKING = "/var/tmp/crash.img"


@pytest.fixture(autouse=True)
def backing(guest: Guest) -> None:
    """No file is left of an earlier test."""
    guest.run("rm", "-f", BACKING)


def test_crash_recovery_one_kill_under_verified_load(
    guest: Guest, python: RemotePython, protocol: WireProtocol, seed: int
) -> None:
    with killed_repeatedly(guest, python, file_servers(BACKING, protocol), 1, seed) as storm:
        fio_until(guest, lambda: "killed" in storm.stdout, seed)
        assert counter(guest, "errors") == 0
        assert counter(guest, "servers_lost") == 1


def test_crash_recovery_sixty_kills_under_verified_load(
    guest: Guest,
    python: RemotePython,
    protocol: WireProtocol,
    seed: int,
    repeated: Callable[[int], int],
) -> None:
    kills = repeated(60)
    with killed_repeatedly(guest, python, file_servers(BACKING, protocol), kills, seed) as storm:
        verified = fio_until(guest, lambda: "killed" in storm.stdout, seed)
        lost, handed_on = counter(guest, "servers_lost"), counter(guest, "handed_on")
        print(f"seed {seed}: {kills} kills, {lost} of servers that had attached, "
              f"{handed_on} requests handed on, {verified} bytes verified")  # fmt: skip
        assert counter(guest, "errors") == 0
        assert lost > kills / 2, "most servers were killed before they had attached"
        assert handed_on > 0, "no server had a request when it was killed"


@pytest.mark.parametrize("kind", EVERY_JOURNALLING)
def test_crash_recovery_kills_under_a_file_system(
    guest: Guest,
    python: RemotePython,
    protocol: WireProtocol,
    kind: str,
    seed: int,
    repeated: Callable[[int], int],
    tmp_path: Path,
) -> None:
    print(f"seed {seed}")
    with (
        killed_repeatedly(
            guest, python, file_servers(BACKING, protocol), repeated(25), seed
        ) as storm,
        Journal(tmp_path / "journal") as journal,
    ):
        verdict = use_while_killed(guest, python, kind, storm, seed, journal)
        print(f"{kind}: {verdict}")
        assert not verdict.problems, str(verdict)
        assert counter(guest, "errors") == 0


def test_crash_recovery_of_a_ram_disk_that_keeps_its_memory(
    guest: Guest,
    python: RemotePython,
    protocol: WireProtocol,
    seed: int,
    repeated: Callable[[int], int],
) -> None:
    command = kept_ramdisk(protocol)
    servers = Servers(command, [*command, "--reattach"])
    kills = repeated(15)
    with killed_repeatedly(guest, python, servers, kills, seed) as storm:
        fio_until(guest, lambda: "killed" in storm.stdout, seed)
        assert counter(guest, "errors") == 0
        assert counter(guest, "servers_lost") > kills / 3
    assert not guest.exists(f"/dev/shm/zosbd2.{NAME}"), "its memory outlived the device"
