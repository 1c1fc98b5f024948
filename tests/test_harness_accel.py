# SPDX-License-Identifier: MIT
"""KVM is believed only when a kernel has run under it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vmtest import accel
from vmtest.errors import SetupError

_PANIC = b"Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer of an earlier probe, and a node that looks usable."""
    monkeypatch.setenv("VMTEST_CACHE", str(tmp_path))
    monkeypatch.setattr(Path, "exists", lambda self: str(self) == "/dev/kvm" or _real(self))
    monkeypatch.setattr(os, "access", lambda *_args: True)
    monkeypatch.setattr(accel, "_qemu_version", lambda: "QEMU 1")


def _real(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _qemu_that(monkeypatch: pytest.MonkeyPatch, output: bytes, status: int | None) -> list[int]:
    """Replace QEMU; returns a list that grows with every run."""
    runs: list[int] = []

    def run(argv: list[str], **_kwargs: Any) -> subprocess.CompletedProcess[bytes]:
        runs.append(1)
        if status is None:
            raise subprocess.TimeoutExpired(argv, 1.0, output)
        return subprocess.CompletedProcess(argv, status, output)

    monkeypatch.setattr(subprocess, "run", run)
    return runs


def test_a_kernel_that_runs_means_kvm(monkeypatch: pytest.MonkeyPatch) -> None:
    _qemu_that(monkeypatch, _PANIC, 0)
    assert accel.choose("auto", Path("vmlinuz")).name == "kvm"


def test_qemu_that_aborts_means_tcg_and_says_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _qemu_that(monkeypatch, b"error: failed to set MSR 0x10a to 0x0\n", -6)
    chosen = accel.choose("auto", Path("vmlinuz"))
    assert chosen.name == "tcg"
    assert "failed to set MSR 0x10a" in chosen.reason


def test_a_kernel_that_hangs_means_tcg(monkeypatch: pytest.MonkeyPatch) -> None:
    _qemu_that(monkeypatch, b"Decompressing Linux...\n", None)
    chosen = accel.choose("auto", Path("vmlinuz"))
    assert chosen.name == "tcg"
    assert "got nowhere" in chosen.reason


def test_the_answer_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = _qemu_that(monkeypatch, _PANIC, 0)
    accel.choose("auto", Path("vmlinuz"))
    accel.choose("auto", Path("vmlinuz"))
    assert len(runs) == 1


def test_kvm_that_was_asked_for_and_does_not_work_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _qemu_that(monkeypatch, b"", 1)
    with pytest.raises(SetupError, match="KVM was asked for"):
        accel.choose("kvm", Path("vmlinuz"))


def test_tcg_that_was_asked_for_is_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = _qemu_that(monkeypatch, _PANIC, 0)
    assert accel.choose("tcg", Path("vmlinuz")).reason == "asked for"
    assert runs == []
