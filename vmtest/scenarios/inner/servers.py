# SPDX-License-Identifier: MIT
"""The integrity checks of test_integrity.py against a server that lies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vmtest.guest import Guest, Process, mounted
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython
from vmtest.scenarios import integrity
from vmtest.scenarios.guestlib import corrupting, model, trees

SIZE = 48 << 20
NODE = "/dev/lying"
BLOCK = 4096


@pytest.fixture
def server(
    guest: Guest, module: KernelModule, programs: str, python: RemotePython
) -> Iterator[Process]:
    """Serves NODE, and is honest so far."""
    assert module.loaded
    with python.start(corrupting.serve, "lying", SIZE) as process:
        process.wait_for("ready")
        yield process
        guest.run(f"{programs}/zosbd2ctl", "destroy", "--all", "--force")
        process.wait(30)


def _lie(server: Process, skipped: int, least: int) -> None:
    server.send(f"{skipped} {least}\n")
    server.wait_for("lying")


def test_honest_server(guest: Guest, python: RemotePython, server: Process) -> None:
    """What fails below must pass here, or it would prove nothing."""
    assert not server.ended
    integrity.check_random_writes(guest, NODE)
    python.call(model.overwrite_at_random, NODE, 3, 40)
    _make_file_system(guest)
    with mounted(guest, NODE, "/mnt/disk"):
        _keep_files(python)


def test_one_wrong_byte_in_random_writes(guest: Guest, server: Process) -> None:
    """Write 57 of some hundred."""
    _lie(server, 57, BLOCK)
    integrity.check_random_writes(guest, NODE)


def test_one_wrong_byte_against_the_model(python: RemotePython, server: Process) -> None:
    """The last of 40 writes, as nothing overwrites it."""
    _lie(server, 39, BLOCK)
    python.call(model.overwrite_at_random, NODE, 3, 40)


def test_one_wrong_byte_in_a_file(guest: Guest, python: RemotePython, server: Process) -> None:
    """The first write that is so large that it must be a file's data."""
    _make_file_system(guest)
    with mounted(guest, NODE, "/mnt/disk"):
        guest.run("sync")
        _lie(server, 0, 16 * BLOCK)
        _keep_files(python)


def _make_file_system(guest: Guest) -> None:
    guest.run("mkfs.ext4", "-q", "-N", "128", "-O", "^has_journal", NODE)


def _keep_files(python: RemotePython) -> None:
    python.call(trees.write_tree, "/mnt/disk/tree", 1)
    python.call(trees.drop_caches)
    python.call(trees.check_tree, "/mnt/disk/tree", 1)
