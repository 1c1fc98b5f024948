# SPDX-License-Identifier: MIT
"""Kills, stops, reattaches, panics and power cuts at random, for as long as SOAK_MINUTES says.

`make soak MINUTES=n` runs it; no other run collects it. `--seed` repeats a run.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vmtest.disks import Disk
from vmtest.guest import Process
from vmtest.mortal import Mortal
from vmtest.pytest_plugin import Session
from vmtest.remote_python import RemotePython

from . import recovery
from .equipment import Equipment
from .filesystems import JOURNALLING
from .oracle import Journal, Verdict

BACKING = "/var/tmp/soak.img"
KILLS = 20
IMAGES = 2


@dataclass
class Tally:
    """What was survived so far."""

    rounds: int = 0
    kills: int = 0
    panics: int = 0
    power_cuts: int = 0
    #: States of the disk that were looked at after power cuts.
    disks: int = 0
    promises: int = 0
    verified: int = 0
    errors: int = 0

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds: survived {self.kills} kills, {self.panics} panics, "
            f"{self.power_cuts} power cuts ({self.disks} states of the disk); "
            f"{self.verified} bytes verified, {self.promises} promises held, {self.errors} errors"
        )


class Soak:
    """One run's rounds."""

    def __init__(self, mortal: Mortal, equipment: Equipment, folder: Path) -> None:
        self.tally = Tally()
        self._mortal = mortal
        self._equipment = equipment
        self._folder = folder

    def round(self, rng: random.Random) -> str:
        """Something at random; returns what."""
        deeds = {
            "kills under fio": (self._kills_under_fio, 4),
            "kills under a file system": (self._kills_under_files, 4),
            "panic": (self._panic, 1),
            "power cut": (self._power_cut, 1),
        }
        what = rng.choices(list(deeds), [weight for _, weight in deeds.values()])[0]
        seed, kind = rng.randrange(1 << 32), rng.choice(JOURNALLING)
        try:
            deeds[what][0](seed, kind)
        except BaseException:
            self.tally.errors += 1
            raise
        self.tally.rounds += 1
        return f"{what} (seed {seed}, {kind})"

    @contextmanager
    def _kills(self, seed: int) -> Iterator[tuple[RemotePython, Process]]:
        """A file, served and killed all the while; at the end no request has failed."""
        guest = self._mortal.guest
        guest.run("rm", "-f", BACKING)
        servers = recovery.file_servers(BACKING)
        with (
            self._equipment.on(self._mortal.vm) as python,
            recovery.killed_repeatedly(guest, python, servers, KILLS, seed) as storm,
        ):
            yield python, storm
            errors = recovery.counter(guest, "errors")
            assert errors == 0, f"{errors} requests failed"
        self.tally.kills += KILLS

    def _kills_under_fio(self, seed: int, _kind: str) -> None:
        with self._kills(seed) as (_, storm):
            self.tally.verified += recovery.fio_until(
                self._mortal.guest, lambda: "killed" in storm.stdout, seed
            )

    def _kills_under_files(self, seed: int, kind: str) -> None:
        with self._kills(seed) as (python, storm), Journal() as journal:
            guest = self._mortal.guest
            self._judge(recovery.use_while_killed(guest, python, kind, storm, seed, journal))

    def _panic(self, seed: int, kind: str) -> None:
        vm = self._mortal.vm

        def kill() -> None:
            vm.guest.start("sh", "-c", "echo c >/proc/sysrq-trigger")

        with Disk.blank(recovery.SIZE) as disk, Journal() as journal:
            with self._mortal.dying("sysrq"), self._equipment.on(vm) as python:
                recovery.work_until_dead(vm, python, disk, kind, seed, journal, kill)
            vm = self._mortal.boot_again()
            with self._equipment.on(vm):
                self._judge(recovery.verdict_after(vm, disk, kind, journal))
        self.tally.panics += 1

    def _power_cut(self, seed: int, kind: str) -> None:
        for verdict in recovery.survive_power_cuts(
            self._mortal, self._equipment, kind, seed, IMAGES, self._folder
        ):
            self._judge(verdict)
            self.tally.disks += 1
        self.tally.power_cuts += 1

    def _judge(self, verdict: Verdict) -> None:
        self.tally.verified += verdict.bytes_read
        self.tally.promises += verdict.promises
        assert not verdict.problems, str(verdict)


def test_soak(
    mortal: Mortal, equipment: Equipment, vmtest_session: Session, seed: int, tmp_path: Path
) -> None:
    minutes = float(os.environ.get("SOAK_MINUTES", "10"))
    vmtest_session.say(f"soaking for {minutes:g} minutes, seed {seed}")
    deadline = time.monotonic() + minutes * 60
    rng = random.Random(seed)
    soak = Soak(mortal, equipment, tmp_path)
    try:
        while time.monotonic() < deadline:
            what = soak.round(rng)
            vmtest_session.say(f"{what}; {soak.tally}")
    finally:
        vmtest_session.say(f"seed {seed}, {soak.tally}")
