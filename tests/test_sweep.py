# SPDX-License-Identifier: MIT
"""Whose processes and folders a sweep takes, and whose it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from vmtest import sweep

Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes with a token, in a session of their own as VMs are."""
    with ExitStack() as stack:

        def start(token: str) -> subprocess.Popen[bytes]:
            process = stack.enter_context(
                subprocess.Popen(
                    ["sleep", "600"],
                    env={**os.environ, sweep.VARIABLE: token},
                    start_new_session=True,
                )
            )
            stack.callback(process.kill)
            # It has begun its new life a moment before the kernel can tell its environment.
            environment = Path("/proc", str(process.pid), "environ")
            deadline = time.monotonic() + 30
            while token.encode() not in environment.read_bytes():
                assert time.monotonic() < deadline, f"{environment} has no {token} after 30 s"
                time.sleep(0.001)
            return process

        yield start


def test_a_sweep_takes_a_run_with_its_workers_and_nothing_else(start: Start) -> None:
    owned = [start(token) for token in ("5eed", "5eed-gw0", "5eed-gw0-1a2b")]
    others = [start(token) for token in ("5eed1", "a5eed", "a-5eed")]
    sweep.sweep("5eed")
    assert [process.wait(10) for process in owned] == [-signal.SIGKILL] * 3
    assert [process.poll() for process in others] == [None] * 3


def test_a_sweep_after_a_worker_leaves_the_other_workers(start: Start) -> None:
    crashed, tenth = start("5eed-gw1"), start("5eed-gw10")
    sweep.sweep("5eed-gw1")
    assert crashed.wait(10) == -signal.SIGKILL
    assert tenth.poll() is None


def test_a_sweep_removes_the_folders_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folders = {}
    for token in ("5eed", "5eed-gw0", "5eed1"):
        monkeypatch.setenv(sweep.VARIABLE, token)
        folders[token] = Path(tempfile.mkdtemp(prefix=sweep.folder_prefix()))
        (folders[token] / "file").touch()
    sweep.sweep("5eed")
    assert [token for token, path in folders.items() if path.exists()] == ["5eed1"]


def test_an_interrupt_is_for_workers_and_not_for_what_they_started(start: Start) -> None:
    worker, machine = start("5eed"), start("5eed-gw0")
    sweep.interrupt("5eed")
    assert worker.wait(10) == -signal.SIGTERM
    assert machine.poll() is None
