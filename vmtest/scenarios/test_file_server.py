# SPDX-License-Identifier: MIT
"""zosbd2_file: files and block devices, served durably; its server replaced while it is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import pytest

from vmtest.guest import Guest, Process, mounted
from vmtest.kmodule import KernelModule
from vmtest.vm import VM

CTL, FILE = "zosbd2ctl", "zosbd2_file"
OK, FAILED, BUSY, NO_DEVICE, NAME_TAKEN = 0, 1, 3, 4, 7
MIB = 1 << 20
NODE = "/dev/served"  # not disk: that is a folder of udev's
NOISE = "/tmp/noise"

Start = Callable[..., Process]


@pytest.fixture
def folder(guest: Guest) -> Iterator[PurePosixPath]:
    """An empty folder in the guest."""
    path = PurePosixPath(guest.run("mktemp", "-d", "/tmp/file-server.XXXXXX").stdout.strip())
    yield path
    guest.run("rm", "-rf", path)


@pytest.fixture
def start(
    vm: VM,
    module: KernelModule,  # noqa: ARG001 - it is to be loaded, no more
    programs: str,  # noqa: ARG001 - they are to be there, no more
) -> Iterator[Start]:
    """Starts a server and waits until it is ready; ends all of them."""
    started: list[Process] = []

    def start_server(*command: str | PurePosixPath) -> Process:
        process = vm.guest.start(*command)
        started.append(process)
        process.wait_for("ready:")
        return process

    yield start_server
    if vm.alive:
        vm.guest.run(CTL, "destroy", "--all", "--force", check=False)
        for process in started:
            process.wait(30)


@pytest.fixture
def noise(guest: Guest) -> str:
    """4 MiB that are like nothing else."""
    guest.run("dd", "if=/dev/urandom", f"of={NOISE}", "bs=1M", "count=4")
    return NOISE


@pytest.fixture
def loop(guest: Guest, folder: PurePosixPath) -> Iterator[str]:
    """A loop device of 64 MiB."""
    guest.run("truncate", "-s", "64M", folder / "below")
    guest.run("modprobe", "loop", check=False)
    device = guest.run("losetup", "--find", "--show", folder / "below").stdout.strip()
    yield device
    guest.run("losetup", "--detach", device)


def used(guest: Guest, path: PurePosixPath) -> int:
    """Bytes that a file takes."""
    return int(guest.run("stat", "-c", "%b", path).stdout) * 512


def copy(guest: Guest, source: str, *options: str) -> None:
    guest.run("dd", f"if={source}", f"of={NODE}", "bs=1M", "oflag=direct", *options)


def same(guest: Guest, left: str | PurePosixPath, right: str, length: int = 4 * MIB) -> bool:
    return guest.run("cmp", "-n", length, left, right, check=False).status == 0


def counter(guest: Guest, name: str) -> int:
    return int(guest.read(f"/sys/block/served/zosbd2/{name}"))


def status_of(guest: Guest) -> dict[str, object]:
    told: dict[str, object] = json.loads(guest.run(CTL, "status", "served", "--json").stdout)
    return told


def test_what_is_written_to_the_device_is_in_the_file(
    guest: Guest, start: Start, folder: PurePosixPath, noise: str
) -> None:
    server = start(FILE, "--size=64M", folder / "served.img")
    assert server.stdout.startswith(f"ready: {NODE}, 67108864 bytes of {folder}/served.img")
    copy(guest, noise)
    assert same(guest, folder / "served.img", noise)
    told = status_of(guest)
    assert told["features"] == ["flush", "fua", "write_zeroes"]
    assert (told["recovery"], told["servers"]) == ("wait", 1)
    guest.run(FILE, "--destroy", folder / "served.img")
    assert server.wait(20).status == OK
    start(FILE, folder / "served.img")
    assert same(guest, NODE, noise)


def test_a_new_file_is_sparse_and_discards_punch_holes(
    guest: Guest, start: Start, folder: PurePosixPath, noise: str
) -> None:
    image = folder / "served.img"
    start(FILE, "--size=64M", image)
    assert used(guest, image) < MIB
    copy(guest, noise)
    assert used(guest, image) >= 4 * MIB
    guest.run("blkdiscard", "--force", "--length", 2 * MIB, NODE)
    assert used(guest, image) < 3 * MIB
    assert same(guest, NODE, "/dev/zero", 2 * MIB)
    assert guest.run("stat", "-c", "%s", image).stdout.split() == [str(64 * MIB)]


def test_write_zeroes_free_the_space_unless_it_is_to_be_kept(
    guest: Guest, start: Start, folder: PurePosixPath, noise: str
) -> None:
    image = folder / "served.img"
    start(FILE, "--size=64M", image)
    copy(guest, noise)
    guest.run("fallocate", "--zero-range", "--length", 4 * MIB, NODE)
    assert same(guest, image, "/dev/zero")
    assert used(guest, image) >= 4 * MIB
    copy(guest, noise)
    guest.run("fallocate", "--punch-hole", "--length", 4 * MIB, NODE)
    assert same(guest, image, "/dev/zero")
    assert used(guest, image) < MIB


def test_a_flush_syncs_the_file_and_a_fua_write_syncs_itself(
    guest: Guest, start: Start, folder: PurePosixPath, noise: str
) -> None:
    image = folder / "served.img"
    server = start("strace", "-f", "-e", "trace=fdatasync,pwritev2", FILE, "--size=64M", image)
    copy(guest, noise)
    assert "fdatasync" not in server.stderr
    assert "RWF_DSYNC" not in server.stderr
    copy(guest, noise, "conv=fsync")
    server.wait_for("fdatasync(")
    assert counter(guest, "flushes") >= 1
    copy(guest, noise, "count=1", "oflag=dsync")
    server.wait_for("RWF_DSYNC")


def test_a_read_only_device_takes_no_writes(
    guest: Guest, start: Start, folder: PurePosixPath, noise: str
) -> None:
    image = folder / "served.img"
    guest.run("cp", noise, image)
    server = start(FILE, "--read-only", image)
    assert guest.run("blockdev", "--getro", NODE).stdout == "1\n"
    assert same(guest, NODE, noise)
    assert guest.run("dd", "if=/dev/zero", f"of={NODE}", "count=1", check=False).status != OK
    files = ["find", f"/proc/{server.pid}/fd", "-lname", str(image)]
    assert guest.run(*files, "-perm", "/400").stdout != ""
    assert guest.run(*files, "-perm", "/200").stdout == ""  # not even by mistake
    assert status_of(guest)["features"] == ["read_only"]


def test_a_block_device_is_served_past_the_page_cache(
    guest: Guest, start: Start, loop: str, noise: str
) -> None:
    server = start(FILE, "--name=served", "--direct", loop)
    copy(guest, noise, "conv=fsync")
    assert same(guest, loop, noise)
    flags = guest.run("sh", "-c", f"grep -h flags /proc/{server.pid}/fdinfo/*").stdout
    o_direct = 0o40000
    assert any(int(line.split()[1], 8) & o_direct for line in flags.splitlines())
    guest.run("blkdiscard", "--force", NODE)
    assert same(guest, NODE, "/dev/zero")
    copy(guest, noise)
    guest.run("blkdiscard", "--force", "--zeroout", NODE)
    assert same(guest, NODE, "/dev/zero")


def test_a_file_is_served_once(guest: Guest, start: Start, folder: PurePosixPath) -> None:
    image = folder / "served.img"
    start(FILE, "--size=64M", image)
    guest.run("ln", image, folder / "link.img")
    for other in ("served.img", "link.img"):
        refused = guest.run(FILE, "--name=other", folder / other, status=BUSY)
        assert str(folder / other) in refused.stderr
        assert "another server has locked it" in refused.stderr


def test_a_mounted_block_device_is_not_served(
    guest: Guest, start: Start, folder: PurePosixPath, loop: str
) -> None:
    start(FILE, "--size=64M", folder / "served.img")
    guest.run("mkfs.ext4", "-q", loop, timeout=120)
    with mounted(guest, loop, "/mnt/below"):
        refused = guest.run(FILE, "--name=other", loop, status=BUSY)
    assert "in use" in refused.stderr


def test_a_killed_server_is_replaced_below_a_mounted_file_system(
    guest: Guest, start: Start, folder: PurePosixPath, noise: str
) -> None:
    image = folder / "served.img"
    server = start(FILE, "--size=64M", image)
    guest.run("mkfs.ext4", "-q", NODE, timeout=120)
    with mounted(guest, NODE, "/mnt/disk"):
        guest.run("cp", noise, "/mnt/disk/before")
        server.kill("KILL")
        server.wait(20)
        guest.run("cp", noise, "/mnt/disk/between")
        refused = guest.run(FILE, image, status=NAME_TAKEN)
        assert "--reattach" in refused.stderr
        start(FILE, "--reattach", image)
        guest.run("sync")
        for name in ("before", "between"):
            assert same(guest, f"/mnt/disk/{name}", noise)
    guest.run("fsck.ext4", "-fn", NODE, timeout=120)


def test_a_living_server_is_not_reattached_over(
    guest: Guest, start: Start, folder: PurePosixPath
) -> None:
    image = folder / "served.img"
    start(FILE, "--size=64M", image)
    refused = guest.run(FILE, "--reattach", image, status=BUSY)
    assert "living server" in refused.stderr
    assert "--take-over" in refused.stderr


def test_servers_take_over_from_each_other_under_load(
    guest: Guest, start: Start, folder: PurePosixPath, noise: str
) -> None:
    image = folder / "served.img"
    servers = [start(FILE, "--size=64M", "--threads=3", image)]
    script = f'while [ ! -e "$1" ]; do dd if={noise} of={NODE} bs=16k oflag=direct || exit 1; done'
    with guest.start("sh", "-c", script, "load", folder / "stop") as load:
        for _ in range(3):
            servers.append(start(FILE, "--take-over", "--threads=2", image))
            ended = servers[-2].wait(20)
            assert ended.status == OK
            assert "another server has taken /dev/served over" in ended.stderr
            assert status_of(guest)["servers"] == 1
        guest.run("touch", folder / "stop")
        assert load.wait(60).status == OK
    assert same(guest, image, noise)
    assert counter(guest, "errors") == 0


def test_a_take_over_that_fails_leaves_the_server_at_work(
    guest: Guest, start: Start, loop: str, noise: str
) -> None:
    guest.run("mkfs.ext4", "-q", loop, timeout=120)
    with mounted(guest, loop, "/mnt/below"):
        server = start(FILE, "--size=16M", "--threads=2", "/mnt/below/served.img")
        write = ["dd", f"if={noise}", f"of={NODE}", "bs=4k", "count=1", "oflag=direct"]
        with frozen(guest, "/mnt/below"):
            stuck = guest.start(*write)
            guest.wait_until("a write to hang", 20, "sh", "-c", in_hands(1))
            refused = guest.run(FILE, "--take-over", "/mnt/below/served.img", status=FAILED)
            assert "goes on" in refused.stderr
        assert stuck.wait(20).status == OK
        # Both of its threads are at work again.
        guest.run(*write)
        with frozen(guest, "/mnt/below"):
            both = [guest.start(*write), guest.start(*write, "seek=9")]
            guest.wait_until("two writes to hang", 20, "sh", "-c", in_hands(2))
        assert [each.wait(20).status for each in both] == [OK, OK]
        assert not server.ended
        guest.run(CTL, "destroy", "served")
        assert server.wait(20).status == OK


@contextmanager
def frozen(guest: Guest, where: str) -> Iterator[None]:
    """Have writes to a file system wait."""
    guest.run("fsfreeze", "-f", where)
    try:
        yield
    finally:
        guest.run("fsfreeze", "-u", where)


def in_hands(count: int) -> str:
    """A command that succeeds when a server works on so many requests."""
    folder = "/sys/block/served/zosbd2"
    return f"[ $(cat {folder}/in_flight) = {count} ] && [ $(cat {folder}/queued) = 0 ]"


def test_a_grown_device_grows_its_file(
    guest: Guest, start: Start, folder: PurePosixPath, noise: str
) -> None:
    image = folder / "served.img"
    server = start(FILE, "--size=64M", image)
    guest.run(CTL, "resize", "served", "128M")
    assert guest.run("blockdev", "--getsize64", NODE).stdout == f"{128 * MIB}\n"
    copy(guest, noise, "seek=100")
    assert guest.run("stat", "-c", "%s", image).stdout == f"{104 * MIB}\n"
    guest.run("cmp", "-i", f"{100 * MIB}:0", "-n", 4 * MIB, NODE, noise)
    server.kill("KILL")
    server.wait(20)
    refused = guest.run(FILE, "--reattach", image, status=FAILED)
    assert f"--size={128 * MIB}" in refused.stderr
    start(FILE, "--reattach", "--size=128M", image)
    guest.run("cmp", "-i", f"{100 * MIB}:0", "-n", 4 * MIB, NODE, noise)


def test_a_resize_that_cannot_be_is_told(guest: Guest, start: Start, folder: PurePosixPath) -> None:
    start(FILE, "--size=64M", folder / "served.img")
    with guest.start("sh", "-c", f"exec 3<>{NODE}; echo open; exec sleep 600") as opener:
        opener.wait_for("open")
        assert "shrinks" in guest.run(CTL, "resize", "served", "32M", status=BUSY).stderr
    assert "nobody" in guest.run(CTL, "resize", "nobody", "32M", status=NO_DEVICE).stderr


def test_a_file_that_does_not_fit_the_device_is_refused(
    guest: Guest, start: Start, folder: PurePosixPath
) -> None:
    guest.run("truncate", "-s", "32M", folder / "other.img")
    server = start(FILE, "--size=64M", folder / "served.img")
    other = ("--name=served", folder / "other.img")
    living = guest.run(FILE, "--take-over", "--size=64M", *other, status=FAILED)
    assert "its server does not serve" in living.stderr
    server.kill("KILL")
    server.wait(20)
    refusals = {
        ("--reattach", *other): "33554432",
        ("--reattach", "--read-only", folder / "served.img"): "leave out --read-only",
        ("--reattach", "--partitions", folder / "served.img"): "without --partitions",
        ("--reattach", "--recovery=fail", folder / "served.img"): "another recovery policy",
        ("--reattach", "--timeout=9", folder / "served.img"): "another time-out",
    }
    for options, complaint in refusals.items():
        assert complaint in guest.run(FILE, *options, status=FAILED).stderr
    start(FILE, "--reattach", folder / "served.img")


def test_the_device_of_a_ram_disk_is_refused(
    guest: Guest, start: Start, folder: PurePosixPath
) -> None:
    server = start("zosbd2_sample_ramdisk", "--name=served", "--size=64M")
    guest.run("truncate", "-s", "64M", folder / "served.img")
    server.kill("KILL")
    server.wait(20)
    refused = guest.run(FILE, "--reattach", folder / "served.img", status=FAILED)
    assert "created without flush" in refused.stderr


def test_what_cannot_be_served_is_told(guest: Guest, start: Start, folder: PurePosixPath) -> None:
    start(FILE, "--size=64M", folder / "taken.img")
    guest.run("mkfifo", folder / "fifo")
    guest.run("truncate", "-s", "5000000", folder / "odd.img")
    guest.run("truncate", "-s", "64M", folder / "long.img")
    complaints = {
        ("nothing.img",): "give --size to make a new file",
        ("fifo",): "neither a regular file nor a block device",
        ("odd.img",): "no multiple of 4096",
        ("--size=32M", "long.img"): "a file is never made shorter",
    }
    for words, complaint in complaints.items():
        refused = guest.run(FILE, *words, status=FAILED, cwd=str(folder))
        assert complaint in refused.stderr
        assert words[-1] in refused.stderr
    assert guest.run(CTL, "list").stdout.count("\n") == 2


def test_the_partitions_of_a_file_are_there_at_once(
    guest: Guest, start: Start, folder: PurePosixPath
) -> None:
    image = folder / "served.img"
    start(FILE, "--size=64M", image)
    # On the device: a table counts in blocks, and the file has others.
    guest.run("sfdisk", "-q", "--no-reread", NODE, stdin="label: gpt\n,16M\n,16M\n")
    assert not guest.exists(f"{NODE}2")
    guest.run(FILE, "--destroy", image)
    guest.wait_until("the file to be free", 20, "flock", "-n", str(image), "true")
    start(FILE, "--partitions", image)
    assert guest.exists("/sys/block/served/served1")
    assert guest.read("/sys/block/served/served2/size") == f"{16 * MIB // 512}\n"


def test_recovery_fail_fails_while_nobody_serves(
    guest: Guest, start: Start, folder: PurePosixPath, noise: str
) -> None:
    image = folder / "served.img"
    server = start(FILE, "--size=64M", "--recovery=fail", image)
    assert status_of(guest)["recovery"] == "fail"
    server.kill("KILL")
    server.wait(20)
    write = ["dd", f"if={noise}", f"of={NODE}", "bs=1M", "oflag=direct"]
    assert "Input/output error" in guest.run(*write, status=FAILED).stderr
    start(FILE, "--reattach", image)
    guest.run(*write)


def test_errors_of_the_file_reach_the_client(guest: Guest, start: Start, noise: str) -> None:
    with mounted(guest, "none", "/mnt/small", "-t", "tmpfs", "-o", "size=2M"):
        start(FILE, "--size=64M", "/mnt/small/served.img")
        full = guest.run("dd", f"if={noise}", f"of={NODE}", "bs=1M", "oflag=direct", status=FAILED)
        assert "No space left on device" in full.stderr
        guest.run(CTL, "destroy", "served", "--force")
        guest.wait_until("the file to be free", 20, "flock", "-n", "/mnt/small/served.img", "true")


def test_a_signal_ends_the_server_and_the_file_stays(
    guest: Guest, start: Start, folder: PurePosixPath, noise: str
) -> None:
    server = start(FILE, "--size=64M", folder / "served.img")
    guest.run("dd", f"if={noise}", f"of={NODE}", "bs=1M")  # what is dirty is written back
    server.kill("TERM")
    done = server.wait(20)
    assert (done.status, done.stderr) == (OK, "")
    assert same(guest, folder / "served.img", noise)
