# SPDX-License-Identifier: MIT
"""The folder of a run: ``build/vmtest/<run>/``; ``build/vmtest/latest`` is the newest."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

_KEPT_RUNS = 20


def new_run_dir(base: Path) -> Path:
    """Make a fresh folder below ``base`` and point ``latest`` at it; old runs beyond 20 go."""
    base.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    run = base / f"{stamp}-{os.getpid()}"
    run.mkdir()
    link = base / f".latest-{os.getpid()}"
    link.symlink_to(run.name)
    link.replace(base / "latest")
    _forget_old(base)
    return run


def slug(nodeid: str) -> str:
    """A file name: ``test_mkfs.py::test_mounts[ext4]`` -> ``test_mkfs-test_mounts-ext4``."""
    words = re.split(r"[^A-Za-z0-9_.]+", nodeid.replace("vmtest/scenarios/", "").replace(".py", ""))
    return "-".join(word for word in words if word)[:150]


def _forget_old(base: Path) -> None:
    runs = sorted(path for path in base.iterdir() if re.match(r"\d{8}-\d{6}-\d+$", path.name))
    for old in runs[:-_KEPT_RUNS]:
        for path in sorted(old.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        old.rmdir()
