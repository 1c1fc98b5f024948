# SPDX-License-Identifier: MIT
"""Runs the scenarios on several kernels, one after the other, each in a pytest of its own.

A kernel that cannot be built or booted is a column with the reason, and the others go on. It is
booted once before pytest is started: there, every test would find out by itself. That costs next
to nothing, since guests under emulation go on from the snapshot of the first.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vmtest import accel, images, kernels
from vmtest.errors import GuestError, SetupError, VmtestError
from vmtest.follow import follow
from vmtest.report.matrix import Column, State
from vmtest.report.results import read_results
from vmtest.rundir import slug
from vmtest.vm import VM, VmConfig

Say = Callable[[str], None]

_NO_TESTS = 5  # pytest.ExitCode


@dataclass(frozen=True)
class Matrix:
    """What is run on each kernel."""

    #: Gets a folder for each kernel.
    directory: Path
    #: As pytest's ``-k``.
    expression: str = ""
    #: Workers; 0: pytest's own process.
    jobs: int = 0
    accelerator: str = "auto"
    #: Scenarios, as pytest's arguments.
    paths: Sequence[str] = field(default_factory=lambda: [str(images.TOP / "vmtest")])

    def run(self, kernel: str, say: Say, only: Sequence[str] = ()) -> Column:
        """The column of a kernel; ``only`` are the node ids of the tests, all of them if empty.

        An interrupt does not come out of here: it is the column's state.
        """
        folder = self.directory / slug(kernel)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            unfit = self._why_unfit(kernel, folder, say)
        except KeyboardInterrupt:
            return Column(kernel, State.INTERRUPTED)
        return unfit or self._run_pytest(kernel, folder, say, only)

    def _why_unfit(self, kernel: str, folder: Path, say: Say) -> Column | None:
        """The column of a kernel on which nothing can be run; None if it boots."""
        try:
            resolved = kernels.resolve(kernel, say)
            chosen = accel.choose(self.accelerator, resolved.image.kernel)
            say(f"booting under {chosen.name}")
            with VM(VmConfig(resolved, chosen), folder):
                return None
        except GuestError as error:
            return Column(kernel, State.NOT_BOOTED, str(error))
        except VmtestError as error:
            return Column(kernel, State.NOT_BUILT, str(error))

    def _run_pytest(self, kernel: str, folder: Path, say: Say, only: Sequence[str]) -> Column:
        command = [
            sys.executable, "-m", "pytest", *(only or self.paths), "-v", "-p", "no:cacheprovider",
            "--kernel", kernel, "--accel", self.accelerator, "-n", str(self.jobs),
            "--run-dir", str(folder),
            *(["-k", self.expression] if self.expression else []),
        ]  # fmt: skip
        for old in (folder / "latest", log := folder / "pytest.log"):
            old.unlink(missing_ok=True)
        status = None
        with suppress(KeyboardInterrupt):
            status = follow(command, images.TOP, log, say)
        results = folder / "latest" / "results.json"
        run = read_results(results) if results.exists() else None
        if status is None:
            return Column(kernel, State.INTERRUPTED, run=run)
        if status in (0, 1) and run is not None:
            return Column(kernel, State.DONE, run=run)
        why = "no test was chosen" if status == _NO_TESTS else f"pytest ended with status {status}"
        return Column(kernel, State.NO_RESULT, f"{why}; log: {log}", run)


def chosen(names: str | None) -> list[str]:
    """The recipes of the matrix, or what ``names`` lists, with commas: anything KERNEL= may be.

    Raises SetupError for what it may not be.
    """
    if names is None:
        return [recipe.name for recipe in images.recipes() if recipe.matrix]
    words = [word for word in re.split(r"[,\s]+", names) if word]
    if not words:
        raise SetupError("no kernel is named", hint="vmtest kernels lists them")
    for word in words:
        kernels.check(word)
    return list(dict.fromkeys(map(_column_name, words)))


def _column_name(spec: str) -> str:
    """One name for a kernel, whatever it was called: its recipe's, or the tree's path."""
    if "/" in spec:
        return str(Path(spec).expanduser().resolve())
    return kernels.recipe_of(spec).name
