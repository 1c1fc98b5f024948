# SPDX-License-Identifier: MIT
"""The folder of a run: ``build/vmtest/<run>/``; ``build/vmtest/latest`` is the newest."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

_KEPT_RUNS = 20


def name_run_dir(base: Path) -> Path:
    """A name below ``base`` that no other run has; nothing is made yet."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return base.absolute() / f"{stamp}-{os.getpid()}"


def make_run_dir(run: Path) -> Path:
    """Make the folder ``run``, unless another process of this run already has.

    Who makes it points ``latest`` at it, and removes old runs beyond 20.
    """
    run.parent.mkdir(parents=True, exist_ok=True)
    try:
        run.mkdir()
    except FileExistsError:
        return run
    link = run.parent / f".latest-{os.getpid()}"
    link.symlink_to(run.name)
    link.replace(run.parent / "latest")
    _forget_old(run.parent)
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
