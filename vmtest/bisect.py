# SPDX-License-Identifier: MIT
"""``git bisect run`` for a kernel's repository, or for that of the module, and a scenario.

The revisions are checked out in a work tree of its own, so the developer's is left alone. What is
known of good and bad is tested first: a bisection between wrong ends finds a commit all the same.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vmtest import kernels
from vmtest.bisect_step import MARK, Plan, Verdict
from vmtest.errors import SetupError, VmtestError
from vmtest.follow import follow
from vmtest.images import TOP

Say = Callable[[str], None]

_NOTHING_CHOSEN = 5  # pytest.ExitCode


@dataclass(frozen=True)
class Found:
    """What a bisection has come to."""

    #: The first bad commit; without it, those among which it is and that could not be tested.
    first_bad: str | None
    candidates: tuple[str, ...]
    #: ``git bisect log``.
    log: Path


@dataclass(frozen=True)
class Bisection:
    """Of a repository, between two revisions; the plan's work tree is made and removed."""

    repository: Path
    good: str
    bad: str
    plan: Plan
    #: Test both ends first.
    check_ends: bool = True

    def run(self, say: Say, tell: Say) -> Found:
        """Find the first bad commit.

        ``tell`` gets a line for each revision that was tested, ``say`` all that happens. Raises
        SetupError for revisions between which nothing can be found.
        """
        good, bad = self._ends()
        _check_scenario(self.plan)
        if self.plan.kernel is not None:
            kernels.resolve(self.plan.kernel, say)  # not in the first step, where nobody sees it
        directory = self.plan.directory
        directory.mkdir(parents=True, exist_ok=True)
        plan_file = directory / "plan.json"
        self.plan.write(plan_file)
        step = [sys.executable, "-P", "-m", "vmtest.bisect_step", str(plan_file)]
        with self._worktree(bad) as git:
            if self.check_ends:
                self._check_end(git, "bad", bad, step, say, tell)
                self._check_end(git, "good", good, step, say, tell)
            git("bisect", "start", bad, good)
            status = _follow(
                ["git", "bisect", "run", *step], self.plan.worktree, directory, say, tell
            )
            log = directory / "git-bisect.log"
            log.write_text(git("bisect", "log"))
            left = git("rev-list", "refs/bisect/bad", "--not", "--glob=refs/bisect/good-*")
            candidates = left.split()
            if status == 0:
                return Found(git("rev-parse", "refs/bisect/bad"), (), log)
        if "only skipped commits left" in log.read_text():
            return Found(None, tuple(candidates), log)
        raise VmtestError(
            f"git bisect run ended with status {status}; {len(candidates)} commits are left",
            hint=f"see {directory}/run.log",
        )

    def show(self, commit: str) -> str:
        """The commit for people: who, when, what, which files."""
        return _git(self.repository, "show", "--stat", "--format=medium", commit)

    @property
    def is_dirty(self) -> bool:
        """Whether there are changes in the developer's tree, which take no part."""
        return bool(_git(self.repository, "status", "--porcelain", "--untracked-files=no"))

    def _ends(self) -> tuple[str, str]:
        """The commits of both ends."""
        if not self.repository.is_dir():
            raise SetupError(f"{self.repository} is no folder")
        try:
            _git(self.repository, "rev-parse", "--git-dir")
        except VmtestError as error:
            raise SetupError(
                f"{self.repository} is not in a git repository",
                hint="a bisection is made between revisions: use a clone",
            ) from error
        good, bad = (self._commit(name, end) for name, end in (("good", self.good),
                                                               ("bad", self.bad)))  # fmt: skip
        if good == bad:
            raise SetupError(f"good and bad are the same commit, {good[:12]}")
        try:
            _git(self.repository, "merge-base", "--is-ancestor", good, bad)
        except VmtestError as error:
            raise SetupError(
                f"the good commit {self.good} is not an ancestor of the bad one, {self.bad}",
                hint="a regression is looked for from good to bad; were they swapped?",
            ) from error
        return good, bad

    def _commit(self, name: str, revision: str) -> str:
        try:
            return _git(self.repository, "rev-parse", "--verify", "--quiet", "--end-of-options",
                        f"{revision}^{{commit}}")  # fmt: skip
        except VmtestError as error:
            raise SetupError(
                f"--{name} {revision}: {self.repository} has no such commit"
            ) from error

    @contextmanager
    def _worktree(self, commit: str) -> Iterator[Callable[..., str]]:
        """The work tree at ``commit``, and git in it; gone at the end, whatever happens."""
        path = self.plan.worktree

        def git(*words: str) -> str:
            return _git(path, *words)

        _git(self.repository, "worktree", "add", "--detach", "--force", str(path), commit)
        try:
            yield git
        finally:
            with suppress(VmtestError):
                git("bisect", "reset")
            shutil.rmtree(path, ignore_errors=True)
            _git(self.repository, "worktree", "prune")

    def _check_end(
        self, git: Callable[..., str], name: str, commit: str, step: Sequence[str],
        say: Say, tell: Say,
    ) -> None:  # fmt: skip
        say(f"testing the {name} end")
        git("checkout", "--quiet", "--detach", commit)
        told: list[str] = []
        status = _follow(step, self.plan.worktree, self.plan.directory, say, told.append)
        for line in told:
            tell(line)
        wanted = Verdict.BAD if name == "bad" else Verdict.GOOD
        if status != wanted:
            seen = told[-1] if told else f"status {status}; see {self.plan.directory}/run.log"
            raise SetupError(
                f"the {name} end is not {name}: {seen}",
                hint="choose other ends, or another --scenario; --no-check-ends goes on regardless",
            )


def new_plan(plan: Plan, base: Path) -> Plan:
    """``plan`` with a folder of its own below ``base``, and a work tree in it."""
    directory = base / secrets.token_hex(4)
    return replace(plan, directory=directory, worktree=directory / "tree")


def _check_scenario(plan: Plan) -> None:
    """A scenario that chooses no test would end every step."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *plan.paths, "-k", plan.scenario,
         "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=TOP, env={**os.environ, "KERNEL": ""}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == _NOTHING_CHOSEN:
        raise SetupError(f"--scenario {plan.scenario!r} chooses no test", hint="it is pytest's -k")
    if done.returncode != 0:
        raise SetupError(f"--scenario {plan.scenario!r}: pytest said:\n{done.stdout[-2000:]}"
                         f"{done.stderr[-2000:]}")  # fmt: skip


def _follow(command: Sequence[str], cwd: Path, directory: Path, say: Say, tell: Say) -> int:
    """Run steps; returns the status. All they say is appended to ``run.log``."""

    def heard(line: str) -> None:
        if line.startswith(MARK):
            tell(line.removeprefix(MARK))
        elif line.strip():
            say(line)

    return follow(command, cwd, directory / "run.log", heard)


def _git(where: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(where), *words], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise VmtestError(f"git {' '.join(words)} in {where}: {done.stderr.strip()}")
    return done.stdout.strip()
