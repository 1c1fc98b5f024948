# SPDX-License-Identifier: MIT
"""What the crash scenarios do to a served device, and how they look at what is left.

The negative controls in ``inner/`` do the same with servers and a module that break their promises.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zosbd2 import WireProtocol

from vmtest.disks import Disk
from vmtest.errors import CommandFailed
from vmtest.guest import Guest, Process, mounted
from vmtest.mortal import Mortal
from vmtest.remote_python import RemotePython
from vmtest.scenarios.equipment import Equipment
from vmtest.scenarios.filesystems import FILE_SYSTEMS
from vmtest.scenarios.guestlib import storm
from vmtest.scenarios.oracle import Journal, Verdict, Workload, check, read_files
from vmtest.vm import VM

NAME = "crash"
NODE = f"/dev/{NAME}"
MOUNT_POINT = "/mnt/crash"

#: xfs wants 300 MiB at least.
SIZE = 320 << 20


@dataclass(frozen=True)
class Servers:
    """The command lines of a server that creates the device, and of one that takes it up again."""

    first: Sequence[str]
    again: Sequence[str]


def file_servers(
    path: str, protocol: WireProtocol = "ring", *options: str, size: int = SIZE
) -> Servers:
    """zosbd2_file on a file or block device."""
    command = ["zosbd2_file", f"--name={NAME}", f"--protocol={protocol}", *options]
    return Servers([*command, f"--size={size}", path], [*command, "--reattach", path])


def kept_ramdisk(protocol: WireProtocol) -> list[str]:
    """The command line of zosbd2_sample_ramdisk with memory that outlives it."""
    command = ["zosbd2_sample_ramdisk", f"--name={NAME}", f"--protocol={protocol}"]
    return [*command, "--keep", "--size=64M"]


@contextmanager
def killed_repeatedly(
    guest: Guest, python: RemotePython, servers: Servers, kills: int, seed: int
) -> Iterator[Process]:
    """The device is served, by one server after the other. Says "killed" when no more kills come.

    At the end the device is destroyed, without force, and the last server must end well.
    """
    command = [NAME, list(servers.first), list(servers.again), kills, seed]
    with python.start(storm.kill_repeatedly, *command) as process, _ending(guest, process):
        yield process
        process.wait_for("killed", 120)


@contextmanager
def replaced_repeatedly(
    guest: Guest, python: RemotePython, servers: Servers, times: int, seed: int
) -> Iterator[Process]:
    """The same with servers that take over from a living one. Says "replaced" at their end."""
    command = [list(servers.first), list(servers.again), times, seed]
    with python.start(storm.replace_repeatedly, *command) as process, _ending(guest, process):
        yield process
        process.wait_for("replaced", 120)


def _await_udev(guest: Guest) -> None:
    """It opens a disk for a moment when it is new, and when who wrote to it has closed it.

    A server takes that for another server, and a destroy for a user.
    """
    guest.run("udevadm", "settle", timeout=60)


def destroy(guest: Guest) -> None:
    """Without force: nobody uses the device any more."""
    _await_udev(guest)
    guest.run("zosbd2ctl", "destroy", NAME)


@contextmanager
def _ending(guest: Guest, process: Process) -> Iterator[None]:
    process.wait_for("ready", 60)
    try:
        yield
        destroy(guest)
    except BaseException:
        guest.run("zosbd2ctl", "destroy", NAME, "--force", check=False)
        raise
    process.wait_for("ended 0", 60)


def fio_until(guest: Guest, over: Callable[[], bool], seed: int) -> int:
    """Write at random and verify what was written, again and again; returns how many bytes were.

    Each round ends with every byte of it verified; any error ends the test.
    """
    rounds = 0
    while not over():
        guest.run(
            "fio", "--name=verify", f"--filename={NODE}", "--rw=randwrite", "--direct=1",
            "--bssplit=4k/60:32k/30:256k/10", "--size=24M", "--ioengine=libaio", "--iodepth=8",
            "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=64", "--fsync=50",
            f"--randseed={seed + rounds}", f"--offset={rounds % 2 * 24}M",
            timeout=180,
        )  # fmt: skip
        rounds += 1
    return rounds * (24 << 20)


def counter(guest: Guest, which: str) -> int:
    """One of the device's counters."""
    return int(guest.read(f"/sys/block/{NAME}/zosbd2/{which}"))


def make_file_system(guest: Guest, kind: str) -> None:
    """On the device."""
    guest.run("modprobe", kind)
    guest.run(*FILE_SYSTEMS[kind][0], NODE, timeout=120)


def check_file_system(guest: Guest, kind: str) -> None:
    """fsck finds nothing to mend."""
    guest.run(*FILE_SYSTEMS[kind][1], NODE, timeout=120)


def use_while_killed(
    guest: Guest, python: RemotePython, kind: str, storm_: Process, seed: int, journal: Journal
) -> Verdict:
    """Run the oracle's workload on a file system until its servers are killed no more.

    The system does not die, so it is held to all that it acknowledged.
    """
    make_file_system(guest, kind)
    with mounted(guest, NODE, MOUNT_POINT):
        with Workload(python, MOUNT_POINT, seed, journal) as workload:
            acknowledged = 0
            while "killed" not in storm_.stdout or acknowledged < 200:
                acknowledged += 20
                workload.run(until=acknowledged)
            workload.finish()
        guest.write("/proc/sys/vm/drop_caches", "3\n")
        verdict = check(journal, read_files(guest, MOUNT_POINT), crashed=False)
    check_file_system(guest, kind)
    return verdict


@contextmanager
def served_from(
    guest: Guest, node: str, command: Callable[[str], Sequence[str]]
) -> Iterator[Process]:
    """The device is served from a block device of the guest; destroyed at the end if it lives."""
    _await_udev(guest)
    with guest.start(*command(node)) as server:
        server.wait_for("ready", 60)
        yield server
        destroy(guest)
        server.wait(30)


def product(node: str) -> Sequence[str]:
    """The command line of the server that is on trial."""
    return ["zosbd2_file", f"--name={NAME}", node]


def work_until_dead(
    vm: VM,
    python: RemotePython,
    disk: Disk,
    kind: str,
    seed: int,
    journal: Journal,
    kill: Callable[[], None],
    command: Callable[[str], Sequence[str]] = product,
) -> None:
    """Run the oracle's workload on a file system on ``disk``, and ``kill`` the guest amid it."""
    guest = vm.guest
    node = vm.plug(disk)
    _await_udev(guest)
    server = guest.start(*command(node))
    server.wait_for("ready", 60)
    make_file_system(guest, kind)
    guest.run("mkdir", "-p", MOUNT_POINT)
    guest.run("mount", NODE, MOUNT_POINT)
    with Workload(python, MOUNT_POINT, seed, journal) as workload:
        workload.run(until=random.Random(seed).randrange(60, 160))
        kill()
        workload.run_until_dead(60 * guest.slowness)


def verdict_after(
    vm: VM,
    disk: Disk,
    kind: str,
    journal: Journal,
    command: Callable[[str], Sequence[str]] = product,
) -> Verdict:
    """Mount what is on ``disk`` (the journal replays), compare it with the promises, and fsck.

    A file system that does not mount, or is damaged, is a problem like any other.
    """
    guest = vm.guest
    verdict = Verdict(promises=journal.promises)
    with served_from(guest, vm.plug(disk), command):
        guest.run("modprobe", kind)
        try:
            with mounted(guest, NODE, MOUNT_POINT):
                verdict = check(journal, read_files(guest, MOUNT_POINT))
            check_file_system(guest, kind)
        except CommandFailed as error:
            verdict.problems.append(str(error))
    vm.unplug(disk)
    return verdict


def survive_power_cuts(
    mortal: Mortal,
    equipment: Equipment,
    kind: str,
    seed: int,
    images: int,
    folder: Path,
    command: Callable[[str], Sequence[str]] = product,
) -> list[Verdict]:
    """Cut the power once, and look at several of the states that the disk may be found in then."""
    journal_file = folder / f"power-{kind}.journal"
    with Disk.blank(SIZE) as disk, Journal(journal_file) as journal:
        with equipment.on(mortal.vm) as python:
            vm = mortal.vm
            writes = random.Random(seed).randrange(20, 400)
            work_until_dead(
                vm, python, disk, kind, seed, journal,
                kill=lambda: disk.cut_power_after(writes, vm.cut_power), command=command,
            )  # fmt: skip
            assert vm.wait_until_dead(), "the power was not cut: too few writes came"
        verdicts = []
        vm = mortal.boot_again()
        with equipment.on(vm):
            for number in range(images):
                image = disk.after_power_cut(seed + number)
                print(f"{kind}: {image}")
                with Disk(image.store) as found:
                    verdicts.append(verdict_after(vm, found, kind, journal))
                print(f"{kind}: {verdicts[-1]}")
    return verdicts
