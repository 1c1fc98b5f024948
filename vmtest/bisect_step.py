# SPDX-License-Identifier: MIT
"""Tests one revision for ``git bisect run``: ``python -P -m vmtest.bisect_step PLAN.json``.

It runs in a work tree with that revision checked out; its status is the verdict. Only what a
scenario or the guest's kernel says makes a revision bad. Where the harness fails, or the build,
nothing is known of the revision.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from vmtest.images import RECIPES, TOP
from vmtest.report.model import Outcome, RunResult
from vmtest.report.results import read_results

#: How the line begins that says what became of a revision.
MARK = "vmtest-bisect: "

# What these errors say is not about the revision.
_OF_HARNESS = ("SetupError", "BuildError")
_OF_BOOT = "BootFailed"


class Verdict(IntEnum):
    """The status that ``git bisect run`` wants."""

    GOOD = 0
    BAD = 1
    SKIP = 125
    #: The bisection ends.
    ABORT = 255


@dataclass(frozen=True)
class Plan:
    """What is the same for every revision."""

    #: Where the revisions are checked out.
    worktree: Path
    #: Gets a folder for each revision.
    directory: Path
    #: Scenarios, as pytest's -k.
    scenario: str
    #: The kernel to boot; without, the work tree is that of a kernel, which is built.
    kernel: str | None = None
    #: Of the kernel in the work tree: what the shell runs there.
    build_command: str = ""
    #: Of the kernel in the work tree: its .config. Without, and without a build command, one is
    #: made that boots in our guests.
    config: Path | None = None
    jobs: int = 1
    #: Whether a kernel that does not boot is bad; else it is skipped.
    boot_failure_is_bad: bool = False
    accelerator: str = "auto"
    #: Tests, as pytest's arguments.
    paths: tuple[str, ...] = (str(TOP / "vmtest"),)

    def write(self, path: Path) -> None:
        """Write it for the steps."""
        path.write_text(json.dumps(asdict(self), default=str, indent=1))

    @classmethod
    def read(cls, path: Path) -> Plan:
        """What ``write`` wrote."""
        plain: dict[str, Any] = json.loads(path.read_text())
        config = Path(plain["config"]) if plain["config"] else None
        changed = {
            "worktree": Path(plain["worktree"]),
            "directory": Path(plain["directory"]),
            "config": config,
            "paths": tuple(plain["paths"]),
        }
        return cls(**plain | changed)


def main() -> None:
    """Entry point."""
    plan = Plan.read(Path(sys.argv[1]))
    head = ["git", "-C", str(plan.worktree), "show", "--no-patch", "--format=%h %s", "HEAD"]
    revision = subprocess.run(head, check=True, capture_output=True, text=True).stdout.strip()
    folder = plan.directory / revision.partition(" ")[0]
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    verdict, why = step(plan, folder)
    seconds = time.monotonic() - began
    print(f"{MARK}{verdict.name.lower()}: {revision}: {why} ({seconds:.0f} s)", flush=True)
    sys.exit(verdict)


def step(plan: Plan, folder: Path) -> tuple[Verdict, str]:
    """The verdict on what is in the work tree, and what it rests on; logs go to ``folder``."""
    if plan.kernel is None and (broken := _build_kernel(plan, folder / "build.log")):
        return Verdict.SKIP, broken
    command = [
        sys.executable, "-P", "-m", "pytest", *plan.paths, "-k", plan.scenario, "-v", "-n", "0",
        "-p", "no:cacheprovider", "--accel", plan.accelerator, "--run-dir", str(folder),
        *_what_is_tested(plan),
    ]  # fmt: skip
    (folder / "latest").unlink(missing_ok=True)
    print("running the scenarios", flush=True)
    status = _logged(command, TOP, folder / "pytest.log")
    results = folder / "latest" / "results.json"
    if status not in (0, 1):
        return Verdict.ABORT, f"pytest ended with status {status}; log: {folder}/pytest.log"
    if not results.exists():
        return Verdict.SKIP, f"there are no results; log: {folder}/pytest.log"
    return judge(read_results(results), boot_failure_is_bad=plan.boot_failure_is_bad)


def judge(run: RunResult, *, boot_failure_is_bad: bool) -> tuple[Verdict, str]:
    """What the results of the scenarios say of the revision, and why."""
    kinds = {test: test.message.partition(":")[0] for test in run.failures}
    told = [f"{test.module}::{test.name}: {test.title}" for test in run.failures]
    for test, text in zip(run.failures, told, strict=True):
        if kinds[test] == _OF_BOOT:
            if boot_failure_is_bad:
                return Verdict.BAD, text
        elif kinds[test] not in _OF_HARNESS:
            return Verdict.BAD, text
    if told:
        return Verdict.SKIP, told[0]
    passed = run.count(Outcome.PASSED)
    if passed == 0:
        reasons = dict.fromkeys(test.message for test in run.tests)
        return Verdict.SKIP, f"all was skipped: {'; '.join(reasons)}"
    return Verdict.GOOD, f"{passed} passed"


def _what_is_tested(plan: Plan) -> list[str]:
    if plan.kernel is None:
        return ["--kernel", str(plan.worktree)]
    folder = plan.worktree / "kmod"
    source = folder if folder.is_dir() else plan.worktree
    return ["--kernel", plan.kernel, "--module-source", str(source)]


def _build_kernel(plan: Plan, log: Path) -> str | None:
    """Build the kernel in the work tree; returns what went wrong."""
    tree = plan.worktree
    log.unlink(missing_ok=True)
    if not (tree / ".config").exists():
        if plan.config is not None:
            shutil.copyfile(plan.config, tree / ".config")
        elif not plan.build_command:
            print("making a configuration", flush=True)
            if _logged(["make", "x86_64_defconfig", "kvm_guest.config"], tree, log):
                return f"it cannot be configured; log: {log}"
            with (tree / ".config").open("a") as config:
                config.write((RECIPES / "guest.config").read_text())
    print("building the kernel", flush=True)
    build = plan.build_command or f"make olddefconfig && make -j{plan.jobs}"
    if _logged(["sh", "-c", build], tree, log):
        return f"it does not build; log: {log}"
    return None


def _logged(command: Sequence[str], cwd: Path, log: Path) -> int:
    """Run a command, with all that it says in ``log``; returns its status."""
    with log.open("a") as sink:
        return subprocess.run(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
            check=False,
        ).returncode  # fmt: skip


if __name__ == "__main__":
    main()
