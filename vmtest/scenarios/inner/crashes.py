# SPDX-License-Identifier: MIT
"""The crash scenarios with servers, and a module, that break a promise: all but one must fail."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from vmtest import build
from vmtest.guest import Guest
from vmtest.images import TOP
from vmtest.kmodule import KernelModule
from vmtest.mortal import Mortal
from vmtest.pytest_plugin import Session
from vmtest.remote_python import RemotePython
from vmtest.scenarios import recovery
from vmtest.scenarios.equipment import Equipment, guest_python
from vmtest.scenarios.guestlib import lying, moments

BACKING = "/var/tmp/lying.img"
SEED = 20


def _servers(python: RemotePython, lie: str) -> recovery.Servers:
    size = 64 << 20
    arguments = [lie, recovery.NAME, BACKING, size]
    return recovery.Servers(
        python.command(lying.serve, *arguments, False),
        python.command(lying.serve, *arguments, True),
    )


def _kill_under_fio(guest: Guest, python: RemotePython, lie: str) -> None:
    guest.run("rm", "-f", BACKING)
    with recovery.killed_repeatedly(guest, python, _servers(python, lie), 4, SEED) as storm:
        recovery.fio_until(guest, lambda: "killed" in storm.stdout, SEED)


@pytest.mark.usefixtures("module", "programs")
@pytest.mark.parametrize("lie", ["none", "answers early", "loses a write after reattach"])
def test_kills(guest: Guest, python: RemotePython, lie: str) -> None:
    """Passes with no lie, and only then."""
    _kill_under_fio(guest, python, lie)


@pytest.mark.parametrize("lie", ["none", "drops flushes"])
def test_power_cut(mortal: Mortal, equipment: Equipment, lie: str, tmp_path: Path) -> None:
    """Passes with no lie, and only then."""

    def command(node: str) -> Sequence[str]:
        python = guest_python(mortal.guest)
        return python.command(lying.serve, lie, recovery.NAME, node, recovery.SIZE, False)

    verdicts = recovery.survive_power_cuts(mortal, equipment, "ext4", SEED, 3, tmp_path, command)
    problems = [problem for verdict in verdicts for problem in verdict.problems]
    assert not problems, "\n".join(problems)


@pytest.fixture
def forgetful(guest: Guest, vmtest_session: Session, tmp_path: Path) -> Iterator[KernelModule]:
    """zosbd2.ko, built from sources in which a dead server's requests are not handed on."""
    source = tmp_path / "kmod"
    shutil.copytree(TOP / "kmod", source)
    file = source / "zosbd2_server.c"
    right, wrong = "zosbd2_request_hand_on(queue, slot);", "zosbd2_request_take_away(queue, slot);"
    text = file.read_text()
    assert text.count(right) == 1, "the source has changed: change this control too"
    file.write_text(text.replace(right, wrong))
    built = build.module(vmtest_session.default.kernel, source)
    module = KernelModule(guest, built.path, "zosbd2")
    module.load()
    yield module
    module.unload_if_loaded()


@pytest.mark.usefixtures("forgetful")
def test_module_that_forgets(python: RemotePython) -> None:
    """As test_crash_recovery_killed_while_holding_one, which passes with the right module."""
    assert python.call(moments.holding, "ring", "WRITE_REQUEST")["outcomes"] == ["OK"]
