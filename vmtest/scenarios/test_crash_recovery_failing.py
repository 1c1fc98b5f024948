# SPDX-License-Identifier: MIT
"""Policy "fail", devices that nobody comes to serve, servers and clients that misbehave."""

from __future__ import annotations

import pytest
from zosbd2 import WireProtocol

from vmtest.guest import Guest

from .equipment import ServerPython
from .filesystems import EVERY_JOURNALLING
from .guestlib import failing, misbehaving
from .recovery import (
    MOUNT_POINT,
    NAME,
    NODE,
    destroy,
    file_servers,
    kept_ramdisk,
    make_file_system,
)

pytestmark = pytest.mark.usefixtures("module", "programs")

BACKING = "/var/tmp/failing.img"


def test_crash_recovery_policy_fail_fails_all_within_a_second(servers: ServerPython) -> None:
    assert servers.call(failing.fails_at_once) == {
        "held": ["EIO", "EIO", "EIO"],
        "new": ["EIO", "EIO"],
        "within_a_second": True,
        "handed_on": 0,
        "back": True,
    }


def test_crash_recovery_policy_fail_spares_what_a_living_server_has(servers: ServerPython) -> None:
    assert servers.call(failing.fails_only_what_the_dead_had) == {
        "lost": "EIO",
        "kept": True,
        "then": "EIO",
    }


def test_crash_recovery_policy_fail_waits_for_the_first_server(servers: ServerPython) -> None:
    assert servers.call(failing.waits_before_the_first_server)


def test_crash_recovery_policy_wait_gives_up_and_the_device_stays_usable(
    servers: ServerPython,
) -> None:
    assert servers.call(failing.gives_up_after_the_time_out) == {
        "held": "EIO",
        "waited": True,
        "given_up": "EIO",
        "at_once": True,
        "back": True,
    }


@pytest.mark.parametrize("policy", ["WAIT", "FAIL"])
def test_crash_recovery_destroyed_under_load(servers: ServerPython, policy: str) -> None:
    seen = servers.call(failing.destroyed_under_load, policy)
    assert set(seen["ends"]) <= {"EIO", "ENXIO", "ENODEV", "ENOSPC"}
    assert (seen["destroyed"], len(seen["ends"]), seen["server"]) == ("OK 0", 4, 0)
    assert seen["seconds"] < 10


@pytest.mark.parametrize("kind", EVERY_JOURNALLING)
def test_crash_recovery_policy_fail_under_a_file_system(
    guest: Guest, kind: str, protocol: WireProtocol
) -> None:
    guest.run("rm", "-f", BACKING)
    servers = file_servers(BACKING, protocol, "--recovery=fail")
    with guest.start(*servers.first) as server:
        server.wait_for("ready")
        make_file_system(guest, kind)
        guest.run("mkdir", "-p", MOUNT_POINT)
        guest.run("mount", NODE, MOUNT_POINT)
        _write(guest, "kept")
        server.kill("KILL")
        server.wait()
        for _ in range(2):
            assert not _write(guest, "lost", check=False), "a write succeeded without a server"
        guest.run("umount", MOUNT_POINT)
    with guest.start(*servers.again) as server:
        server.wait_for("ready")
        guest.run("mount", NODE, MOUNT_POINT)
        assert guest.read(f"{MOUNT_POINT}/kept") == "kept\n"
        _write(guest, "again")
        server.kill("KILL")
        server.wait()
        guest.run("umount", MOUNT_POINT, check=False, timeout=20)
        guest.run("zosbd2ctl", "destroy", NAME, "--force")
    assert not guest.exists(NODE)


def _write(guest: Guest, name: str, check: bool = True) -> bool:
    script = 'echo "$1" >"$2/$1" && sync "$2/$1"'
    done = guest.run("sh", "-c", script, "write", name, MOUNT_POINT, check=check, timeout=20)
    return done.status == 0


def test_crash_recovery_server_answers_in_every_wrong_way(servers: ServerPython) -> None:
    short = {"classic": ["EINVAL", "whole"], "ring": ["OK", "zeroes behind"]}
    assert servers.call(misbehaving.answers_of_every_kind) == {
        "errors": ["EIO", "ENOSPC", "EIO"],
        "short": short[servers.protocol],
        "twice": [True, 1],
        "wrong_order": True,
        "never": "EIO",
        "in_flight": 0,
    }


def test_crash_recovery_clients_die_in_the_middle_of_io(servers: ServerPython, seed: int) -> None:
    print(f"seed {seed}")
    seen = servers.call(misbehaving.clients_that_die, seed, 15, timeout=120)
    assert seen == {"ends": {"SIGKILL": 45}, "usable": True, "errors": 0}


def test_crash_recovery_oom_killer_strikes_the_server(guest: Guest, protocol: WireProtocol) -> None:
    command = kept_ramdisk(protocol)
    with guest.start(*command) as server:
        server.wait_for("ready")
        make_file_system(guest, "ext4")
        guest.run("mkdir", "-p", MOUNT_POINT)
        guest.run("mount", NODE, MOUNT_POINT)
        guest.run("cp", "/bin/busybox", MOUNT_POINT)
        guest.write(f"/proc/{server.pid}/oom_score_adj", "1000\n")
        guest.write("/proc/sysrq-trigger", "f\n")
        assert server.wait(30).status == 128, "it was not killed"
    with guest.start(*command, "--reattach") as server:
        server.wait_for("ready")
        guest.write("/proc/sys/vm/drop_caches", "3\n")
        guest.run("cmp", "/bin/busybox", f"{MOUNT_POINT}/busybox")
        assert guest.read(f"/sys/block/{NAME}/zosbd2/errors") == "0\n"
        guest.run("umount", MOUNT_POINT)
        destroy(guest)
        assert server.wait(30).status == 0


def test_crash_recovery_server_without_memory_for_its_store(
    guest: Guest, protocol: WireProtocol
) -> None:
    guest.run("mount", "-o", "remount,size=4M", "/dev/shm")
    command = kept_ramdisk(protocol)
    try:
        with guest.start(*command) as server:
            server.wait_for("ready")
            fill = ["dd", "if=/dev/urandom", f"of={NODE}", "bs=64k", "oflag=direct", "conv=notrunc"]
            full = guest.run(*fill, "count=128", check=False)
            assert "No space left on device" in full.stderr
            guest.run("blkdiscard", NODE)
            guest.run(*fill, "count=16")
            destroy(guest)
            assert server.wait(30).status == 0
    finally:
        guest.run("mount", "-o", "remount,size=50%", "/dev/shm")
