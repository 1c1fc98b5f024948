# SPDX-License-Identifier: MIT
"""The guest's kernel panics, or its power is cut, amid writes: what fsync acknowledged is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmtest import build
from vmtest.disks import Disk
from vmtest.faulty import SOURCE, TRIGGER
from vmtest.kmodule import KernelModule
from vmtest.mortal import Mortal
from vmtest.pytest_plugin import Session

from .equipment import Equipment
from .filesystems import EVERY_JOURNALLING, file_system
from .oracle import Journal
from .recovery import SIZE, survive_power_cuts, verdict_after, work_until_dead

pytestmark = pytest.mark.long(180)

#: States of the disk that are looked at after one power cut.
IMAGES = 3


@pytest.mark.parametrize(
    ("kind", "how"),
    [file_system("ext4", "sysrq"), file_system("xfs", "oops"), file_system("btrfs", "sysrq")],
)
def test_crash_recovery_of_a_guest_that_panics(
    mortal: Mortal,
    equipment: Equipment,
    vmtest_session: Session,
    kind: str,
    how: str,
    seed: int,
    tmp_path: Path,
) -> None:
    print(f"seed {seed}")
    vm = mortal.vm
    trigger, title = ("/proc/sysrq-trigger", "sysrq") if how == "sysrq" else (TRIGGER, "faulty")
    if how == "oops":
        faulty = build.module(vmtest_session.default.kernel, SOURCE)
        KernelModule(vm.guest, faulty.path, "vmtest_faulty").load()
    word = "c" if how == "sysrq" else "oops"

    def kill() -> None:
        # Nobody waits for this command: the guest that would answer is gone.
        vm.guest.start("sh", "-c", f"echo {word} >{trigger}")

    with Disk.blank(SIZE) as disk, Journal(tmp_path / "journal") as journal:
        with mortal.dying(title), equipment.on(vm) as python:
            work_until_dead(vm, python, disk, kind, seed, journal, kill)
        vm = mortal.boot_again()
        with equipment.on(vm):
            verdict = verdict_after(vm, disk, kind, journal)
    print(f"{kind}: {verdict}")
    assert verdict.promises > 10
    assert not verdict.problems, str(verdict)


@pytest.mark.parametrize("kind", EVERY_JOURNALLING)
def test_crash_recovery_of_a_guest_whose_power_is_cut(
    mortal: Mortal,
    equipment: Equipment,
    kind: str,
    seed: int,
    vmtest_session: Session,
    tmp_path: Path,
) -> None:
    print(f"seed {seed}")
    images = IMAGES if vmtest_session.default.kernel.slowness == 1 else 1
    verdicts = survive_power_cuts(mortal, equipment, kind, seed, images, tmp_path)
    for verdict in verdicts:
        assert verdict.promises > 10
        assert not verdict.problems, str(verdict)
