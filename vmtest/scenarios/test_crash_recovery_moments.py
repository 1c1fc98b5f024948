# SPDX-License-Identifier: MIT
"""A server is killed at every moment that there is, and nobody who uses the device notices."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmtest.guest import Guest
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython

from .equipment import ServerPython
from .filesystems import EVERY_JOURNALLING, FILE_SYSTEMS
from .guestlib import dying, moments

pytestmark = pytest.mark.usefixtures("module")


@pytest.mark.parametrize(
    "kind",
    ["READ_REQUEST", "WRITE_REQUEST", "FLUSH_REQUEST", "DISCARD_REQUEST", "WRITE_ZEROES_REQUEST"],
)
def test_crash_recovery_killed_while_holding_one(servers: ServerPython, kind: str) -> None:
    assert servers.call(moments.holding, kind) == _survived(requests=1, servers=1)


def test_crash_recovery_killed_while_holding_several_kinds(servers: ServerPython) -> None:
    assert servers.call(moments.holding_several_kinds) == _survived(requests=4, servers=1)


def test_crash_recovery_killed_while_holding_a_write_through(servers: ServerPython) -> None:
    assert servers.call(moments.holding_a_write_through) == _survived(requests=1, servers=1)


@pytest.mark.parametrize(
    "way",
    ["killed", "segmentation fault", "abort", "exit", "exec", "its namespaces gone"],
)
def test_crash_recovery_death_is_known_at_once(servers: ServerPython, way: str) -> None:
    assert servers.call(dying.death, way) == {"read": True, "promptly": True, "servers_lost": 1}


def test_crash_recovery_a_dying_server_closes_its_own_dirty_device(python: RemotePython) -> None:
    assert python.call(dying.last_closer, "WAIT") == {"promptly": True, "usable": True}
    assert python.call(dying.last_closer, "FAIL") == {"promptly": True, "usable": "OK"}


def test_crash_recovery_killed_while_idle(servers: ServerPython) -> None:
    assert servers.call(moments.idle) == _survived(requests=1, servers=1, handed_on=0)


def test_crash_recovery_one_of_two_servers_killed(servers: ServerPython) -> None:
    assert servers.call(moments.one_of_two) == _survived(requests=2, servers=1, handed_on=1)


def test_crash_recovery_all_of_three_servers_killed(servers: ServerPython) -> None:
    assert servers.call(moments.all_of_three) == _survived(requests=4, servers=3)


def test_crash_recovery_killed_in_the_middle_of_a_recovery(
    servers: ServerPython, seed: int, repeated: Callable[[int], int]
) -> None:
    print(f"seed {seed}")
    rounds = repeated(20)
    seen = servers.call(moments.in_the_middle_of_a_recovery, seed, rounds, timeout=120)
    assert (seen["outcomes"], seen["right"], seen["errors"]) == (["OK", "OK"], True, 0)
    # Two servers are known to have had both requests.
    assert seen["servers_lost"] > 2, "none of the others had attached"
    assert seen["handed_on"] > 4, "none of the others had a request"


def test_crash_recovery_killed_during_an_unforced_destroy(servers: ServerPython) -> None:
    assert servers.call(moments.during_an_unforced_destroy) == {
        "state": "syncing",
        "destroyed": "OK 0",
        "all_there": True,
        "server": 0,
    }


def test_crash_recovery_killed_during_a_forced_destroy(
    servers: ServerPython, seed: int, repeated: Callable[[int], int]
) -> None:
    print(f"seed {seed}")
    rounds = repeated(10)
    ends = servers.call(moments.during_a_forced_destroy, seed, rounds, timeout=120)
    assert ends == {"destroy OK 0": rounds, "EIO": 4 * rounds}


def test_crash_recovery_killed_during_a_partition_scan(servers: ServerPython) -> None:
    assert servers.call(moments.during_a_partition_scan) == {
        "scan": "OK",
        "sectors": 1024 * 8,
        "errors": 0,
    }


@pytest.mark.parametrize("kind", EVERY_JOURNALLING)
def test_crash_recovery_killed_in_every_phase_of_a_file_system(
    guest: Guest, servers: ServerPython, kind: str, seed: int
) -> None:
    print(f"seed {seed}")
    guest.run("modprobe", kind)
    mkfs, fsck = FILE_SYSTEMS[kind]
    seen = servers.call(moments.in_every_phase_of_a_file_system, mkfs, fsck, seed, 12, timeout=180)
    print(f"kills: {seen['kills']}")
    spared = [
        name for name in ("mkfs", "mount", "use", "umount", "remount") if not seen["kills"][name]
    ]
    assert not spared, f"no server was killed during {spared}: {seen['kills']}"
    assert (seen["errors"], seen["checked"]) == (0, "OK")


def test_crash_recovery_servers_stopped_past_the_time_out(
    module: KernelModule, servers: ServerPython
) -> None:
    module.unload()
    module.load(queue_depth=3)
    assert servers.call(moments.stopped_past_the_time_out) == {
        "ends": ["EIO", "EIO", "EIO"],
        "promptly": True,
        "untouched": 3,
        "outcomes": ["OK", "OK", "OK"],
        "right": True,
        "timeouts": 3,
        "handed_on": 3,
        "errors": 3,
    }


def _survived(requests: int, servers: int, handed_on: int | None = None) -> dict[str, object]:
    return {
        "outcomes": ["OK"] * requests,
        "right": True,
        "handed_on": requests if handed_on is None else handed_on,
        "servers_lost": servers,
        "errors": 0,
    }
