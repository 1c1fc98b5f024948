# SPDX-License-Identifier: MIT
"""The commands zosbd2ctl and zosbd2_sample_ramdisk: output, messages and exit statuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import get_args

import pytest
from zosbd2 import WireProtocol

from vmtest.guest import Guest, Process
from vmtest.kmodule import KernelModule

CTL, RAMDISK, FILE = "zosbd2ctl", "zosbd2_sample_ramdisk", "zosbd2_file"
OK, USAGE, BUSY, NO_DEVICE, NO_MODULE, NO_RIGHTS, NAME_TAKEN = 0, 2, 3, 4, 5, 6, 7
MIB = 1 << 20

Start = Callable[..., Process]


@pytest.fixture
def protocol() -> WireProtocol:
    """What is tested here does not depend on it."""
    return "ring"


@pytest.fixture
def disk(start_ramdisk: Start) -> Process:
    """A RAM disk named testdisk of 64 MiB."""
    return start_ramdisk("--name=testdisk", "--size=64M", "--threads=2", "--timeout=7")


def test_help_and_version_need_no_module_and_no_rights(guest: Guest, programs: str) -> None:
    for command in (CTL, RAMDISK, FILE):
        path = f"{programs}/{command}"
        shown = guest.run(path, "--help", user="65534")
        assert shown.stdout.startswith(f"Usage: {command}")
        assert "--help" in shown.stdout
        assert shown.stderr == ""
        assert guest.run(path, "--version", user="65534").stdout.split()[0] == command


@pytest.mark.usefixtures("module", "programs")
def test_without_devices_the_list_is_a_heading_and_the_array_is_empty(guest: Guest) -> None:
    assert guest.run(CTL, "list").stdout.split() == ["HANDLE", "NAME", "SIZE", "BLOCK", "TIMEOUT"]
    assert json.loads(guest.run(CTL, "list", "--json").stdout) == []
    assert guest.run(CTL, "status").stdout == ""


@pytest.mark.usefixtures("disk")
def test_list_has_a_line_for_each_device(guest: Guest, start_ramdisk: Start) -> None:
    start_ramdisk("--name=another", "--size=4M", "--timeout=1200")
    _, *lines = guest.run(CTL, "list").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["1", "testdisk", "64.0", "MiB", "4096", "7", "s"],
        ["2", "another", "4.0", "MiB", "4096", "1200", "s"],
    ]


@pytest.mark.usefixtures("disk")
def test_status_of_a_device_as_json_has_its_fields_and_counters(guest: Guest) -> None:
    guest.run("dd", "if=/dev/zero", "of=/dev/testdisk", "bs=1M", "count=2", "oflag=direct")
    status = json.loads(guest.run(CTL, "status", "testdisk", "--json").stdout)
    counters = status.pop("counters")
    assert status == {
        "handle": 1,
        "name": "testdisk",
        "size_bytes": 64 * MIB,
        "block_size_bytes": 4096,
        "timeout_ms": 7000,
        "max_segments_per_request": 256,
        "features": [],
        "recovery": "wait",
        "servers": 1,
    }
    assert counters["write_bytes"] == 2 * MIB
    assert counters["state"] == "live"
    assert counters["in_flight"] == 0
    assert json.loads(guest.run(CTL, "status", "--json").stdout)[0]["name"] == "testdisk"


@pytest.mark.usefixtures("disk")
def test_status_tells_people_about_the_device(guest: Guest) -> None:
    lines = guest.run(CTL, "status", "testdisk").stdout.splitlines()
    assert lines[0] == "testdisk"
    told = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert told["handle"] == ["1"]
    assert told["size"] == ["67108864", "bytes", "(64.0", "MiB)"]
    assert {"requests", "read_bytes", "errors", "timeouts"} <= told.keys()


@pytest.mark.usefixtures("module", "programs")
def test_a_device_that_is_not_there_is_named_in_the_message(guest: Guest) -> None:
    for words in (["status", "nobody"], ["destroy", "nobody"], ["destroy", "nobody", "--force"]):
        refused = guest.run(CTL, *words, status=NO_DEVICE)
        assert "nobody" in refused.stderr
        assert "list" in refused.stderr
        assert refused.stdout == ""


WRONG_USAGES = [
    f"{CTL}",
    f"{CTL} frobnicate",
    f"{CTL} list name",
    f"{CTL} list --force",
    f"{CTL} destroy",
    f"{CTL} destroy name --all",
    f"{CTL} destroy name --json",
    f"{CTL} resize name",
    f"{CTL} resize name 4M more",
    f"{CTL} resize name 4M --json",
    f"{CTL} status one two",
    f"{CTL} --no-such-option",
    f"{RAMDISK} --size=many",
    f"{RAMDISK} --size=4095K",
    f"{RAMDISK} --size=13T",
    f"{RAMDISK} --size=4194305",
    f"{RAMDISK} --threads=0",
    f"{RAMDISK} --threads=257",
    f"{RAMDISK} --timeout=0",
    f"{RAMDISK} --timeout=1201",
    f"{RAMDISK} --force",
    f"{RAMDISK} --recovery=perhaps",
    f"{RAMDISK} --queues=0",
    f"{RAMDISK} --queues=65",
    f"{RAMDISK} --poll-queues=none",
    f"{RAMDISK} --protocol=classic --poll-queues=1",
    f"{RAMDISK} --protocol=fast",
    f"{RAMDISK} --protocol=classic --queues=2",
    f"{RAMDISK} --reattach",
    f"{RAMDISK} --keep --reattach --take-over",
    f"{FILE}",
    f"{FILE} --destroy",
    f"{FILE} --size=many disk.img",
    f"{FILE} --name= disk.img",
    f"{FILE} /",
    f"{FILE} --force disk.img",
    f"{FILE} --reattach --take-over disk.img",
    f"{FILE} disk.img more",
    f"{RAMDISK} word",
]
COMMANDS = [f"{CTL} list", f"{CTL} destroy disk", RAMDISK, f"{RAMDISK} -d", f"{FILE} disk.img"]


@pytest.mark.usefixtures("programs")
def test_wrong_usage_is_told_from_failure(guest: Guest) -> None:
    for line in WRONG_USAGES:
        refused = guest.run(*line.split(), status=USAGE)
        assert refused.stderr.startswith(line.split()[0]), line
        assert refused.stdout == "", line


@pytest.mark.usefixtures("programs")
def test_a_missing_module_is_told_with_what_to_do(guest: Guest) -> None:
    for line in COMMANDS:
        refused = guest.run(*line.split(), status=NO_MODULE)
        assert "modprobe zosbd2" in refused.stderr, line


@pytest.mark.usefixtures("module")
def test_missing_rights_are_told_by_name(guest: Guest, programs: str) -> None:
    for line in COMMANDS:
        command, *words = line.split()
        refused = guest.run(f"{programs}/{command}", *words, user="65534", status=NO_RIGHTS)
        assert "CAP_SYS_ADMIN" in refused.stderr, line


def test_destroy_ends_the_server_with_success(guest: Guest, disk: Process) -> None:
    guest.run(CTL, "destroy", "testdisk")
    assert disk.wait(20).status == OK
    assert not guest.exists("/dev/testdisk")


def test_destroy_all_ends_all_servers(guest: Guest, disk: Process, start_ramdisk: Start) -> None:
    another = start_ramdisk("--name=another", "--size=4M")
    guest.run(CTL, "destroy", "--all")
    assert [each.wait(20).status for each in (disk, another)] == [OK, OK]
    assert json.loads(guest.run(CTL, "list", "--json").stdout) == []


def test_destroy_of_an_open_device_is_busy_unless_forced(guest: Guest, disk: Process) -> None:
    with guest.start("sh", "-c", "exec 3<>/dev/testdisk; echo open; exec sleep 600") as opener:
        opener.wait_for("open")
        refused = guest.run(CTL, "destroy", "testdisk", status=BUSY)
        assert "testdisk" in refused.stderr
        assert "mounted or open" in refused.stderr
        guest.run(CTL, "destroy", "testdisk", "--force")
        assert disk.wait(20).status == OK


@pytest.mark.parametrize("options", [["-d"], ["--destroy", "--force"]])
def test_the_ramdisk_destroys_the_disk_of_another_process(
    guest: Guest, start_ramdisk: Start, options: list[str]
) -> None:
    server = start_ramdisk("--size=4M")
    guest.run(RAMDISK, *options)
    assert server.wait(20).status == OK


@pytest.mark.parametrize("signal", ["TERM", "INT", "HUP"])
def test_a_signal_ends_the_ramdisk_cleanly(guest: Guest, disk: Process, signal: str) -> None:
    disk.kill(signal)
    done = disk.wait(20)
    assert (done.status, done.stderr) == (OK, "")
    assert not guest.exists("/dev/testdisk")


def test_a_signal_spares_an_open_disk_and_the_second_does_not(guest: Guest, disk: Process) -> None:
    with guest.start("sh", "-c", "exec 3<>/dev/testdisk; echo open; exec sleep 600") as opener:
        opener.wait_for("open")
        disk.kill("TERM")
        disk.wait_for("still serving /dev/testdisk")
        assert guest.exists("/dev/testdisk")
        disk.kill("TERM")
        assert disk.wait(20).status == OK


@pytest.mark.usefixtures("disk")
def test_a_name_that_is_taken_is_refused_and_its_disk_stays(guest: Guest) -> None:
    refused = guest.run(RAMDISK, "--name=testdisk", "--size=4M", status=NAME_TAKEN)
    assert "taken" in refused.stderr
    assert json.loads(guest.run(CTL, "list", "--json").stdout)[0]["size_bytes"] == 64 * MIB


@pytest.mark.parametrize("protocol", get_args(WireProtocol))
def test_the_ramdisk_is_4_gib_by_default_and_takes_its_options(
    guest: Guest, start_ramdisk: Start, protocol: WireProtocol
) -> None:
    default = start_ramdisk()
    options = ["-t", "3", "--timeout=1200", f"--protocol={protocol}"]
    other = start_ramdisk("-n", "other", "-s", "12T", *options)
    assert default.stdout.startswith("ready: /dev/zosbd2ramdisk, 4294967296 bytes")
    assert other.stdout == "ready: /dev/other, 13194139533312 bytes, threads 3, time-out 1200 s\n"
    assert guest.read("/sys/block/other/zosbd2/timeout_ms") == "1200000\n"
    assert guest.read("/sys/block/other/size") == f"{12 << 31}\n"
    assert guest.read("/sys/block/other/zosbd2/threads") == "3\n"


def test_the_ramdisk_cleans_up_when_the_module_refuses_the_name(
    guest: Guest, module: KernelModule, programs: str
) -> None:
    assert module.loaded
    refused = guest.run(f"{programs}/{RAMDISK}", "--name=no/path", "--size=4M", check=False)
    assert refused.status != OK
    assert "no/path" in refused.stderr
    assert json.loads(guest.run(CTL, "list", "--json").stdout) == []
