# SPDX-License-Identifier: MIT
"""Bisections of small repositories whose builds and scenarios are stand-ins; no VM."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vmtest.bisect import Bisection, Found
from vmtest.bisect_step import Plan, Verdict, judge
from vmtest.errors import SetupError
from vmtest.report import Environment, Outcome, RunResult, TestResult

pytest_plugins = ["pytester"]

# Stands for the plugin's fixture: a kernel without a VM, which is what lies in the work tree.
_CONFTEST = """
import pytest
from pathlib import Path
from vmtest import pytest_plugin
from vmtest.pytest_parallel import share_of
from vmtest.report import Environment

@pytest.fixture
def driver(request):
    class Kernel:
        environment = Environment("tree", "tcg", "no need")
        pool = type("Pool", (), {"kept": (), "close": lambda self: None})()
    share_of(request.config).make_directory()
    request.config.stash[pytest_plugin.SESSION] = Kernel()
    return Path(request.config.getoption("kernel"), "driver.o").read_text()
"""

_TESTS = """
import pytest
from vmtest.errors import BootFailed

def test_driver(driver):
    if "no boot" in driver:
        raise BootFailed("the guest ended before its sshd was up")
    assert "bug" not in driver

def test_other(driver): pass
"""

# A tree that this has built looks like a kernel's. The source must not be broken.
_BUILD = """
! grep -q broken driver.c && mkdir -p include/config && echo 1.2 >include/config/kernel.release &&
touch .config Module.symvers && cp driver.c driver.o
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose owner is busy in it."""
    for name in list(os.environ):
        if name.startswith(("VMTEST_RUN", "PYTEST_XDIST", "PYTEST_ADDOPTS", "GITHUB_", "GIT_")):
            monkeypatch.delenv(name)
    for name, value in (("NAME", "A"), ("EMAIL", "a@example.org")):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    folder = tmp_path / "linux"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commits(tree: Path, *contents: str) -> list[str]:
    """A commit for each content of driver.c."""
    made = []
    for number, content in enumerate(contents):
        (tree / "driver.c").write_text(f"/* {number} */ {content}\n")
        git(tree, "add", "driver.c")
        git(tree, "commit", "--quiet", "-m", f"change {number}: {content}")
        made.append(git(tree, "rev-parse", "HEAD"))
    return made


@pytest.fixture
def bisection(tree: Path, pytester: pytest.Pytester, tmp_path: Path) -> Bisection:
    """Of a tree that is still empty."""
    pytester.makeconftest(_CONFTEST)
    pytester.makepyfile(test_them=_TESTS)
    plan = Plan(
        worktree=tmp_path / "logs" / "tree", directory=tmp_path / "logs", scenario="test_driver",
        build_command=_BUILD, paths=(str(pytester.path / "test_them.py"),),
    )  # fmt: skip
    return Bisection(tree, "", "HEAD", plan, check_ends=False)


def run(bisection: Bisection) -> tuple[Found, list[str]]:
    told: list[str] = []
    return bisection.run(lambda _: None, told.append), told


def test_the_first_bad_commit_is_found_and_the_tree_is_left_alone(
    bisection: Bisection, tree: Path
) -> None:
    made = commits(tree, "good", "good", "good", "bug", "bug", "bug")
    (tree / "driver.c").write_text("half an idea")
    found, told = run(replace(bisection, good=made[0], check_ends=True))
    assert found.first_bad == made[3]
    assert told[0].startswith(f"bad: {made[5][:7]} ")
    assert told[1].startswith(f"good: {made[0][:7]} ")
    assert any(line.startswith(f"bad: {made[3][:7]} change 3: bug: test_them::") for line in told)
    assert any(line.startswith(f"good: {made[2][:7]} change 2: good: 1 passed") for line in told)
    assert "first bad commit" in found.log.read_text()
    assert "driver.c" in bisection.show(made[3])
    assert bisection.is_dirty
    assert (tree / "driver.c").read_text() == "half an idea"
    assert git(tree, "rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert git(tree, "worktree", "list").count("\n") == 0
    assert "refs/bisect" not in git(tree, "for-each-ref")
    assert not bisection.plan.worktree.exists()


def test_a_revision_that_does_not_build_is_skipped(bisection: Bisection, tree: Path) -> None:
    made = commits(tree, "good", "good", "broken", "good", "bug", "bug")
    found, told = run(replace(bisection, good=made[0]))
    assert found.first_bad == made[4]
    assert any("skip: " in line and "it does not build; log: " in line for line in told)


def test_where_only_skipped_ones_are_left_they_are_named(bisection: Bisection, tree: Path) -> None:
    made = commits(tree, "good", "broken", "broken", "bug")
    found, _ = run(replace(bisection, good=made[0]))
    assert found.first_bad is None
    assert set(found.candidates) == set(made[1:])


@pytest.mark.parametrize(("bad", "first"), [(False, 3), (True, 2)])
def test_a_kernel_that_does_not_boot_is_what_the_user_says(
    bisection: Bisection, tree: Path, bad: bool, first: int
) -> None:
    made = commits(tree, "good", "good", "no boot", "bug", "bug")
    plan = replace(bisection.plan, boot_failure_is_bad=bad)
    found, _ = run(replace(bisection, good=made[0], plan=plan))
    # Where it is skipped, the last one before it cannot be told from it.
    assert found.first_bad == made[first] or (not bad and set(found.candidates) == set(made[2:4]))


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("HEAD", "HEAD~1", "is not an ancestor of the bad one, HEAD~1"),
        ("HEAD", "HEAD", "good and bad are the same commit"),
        ("nonsense", "HEAD", "--good nonsense: .* has no such commit"),
        ("HEAD~1", "-n", "--bad -n: .* has no such commit"),
        ("HEAD~1", "HEAD", r"the bad end is not bad: good: \w+ change 1: good: 1 passed"),
    ],
)
def test_ends_between_which_there_is_nothing_are_refused(
    bisection: Bisection, tree: Path, good: str, bad: str, message: str
) -> None:
    commits(tree, "good", "good")
    with pytest.raises(SetupError, match=message):
        run(replace(bisection, good=good, bad=bad, check_ends=True))
    assert git(tree, "worktree", "list").count("\n") == 0


def test_a_scenario_that_chooses_no_test_is_refused(bisection: Bisection, tree: Path) -> None:
    commits(tree, "good", "bug")
    plan = replace(bisection.plan, scenario="no_such_test")
    with pytest.raises(SetupError, match="'no_such_test' chooses no test"):
        run(replace(bisection, good="HEAD~1", plan=plan))


def test_a_folder_without_a_repository_is_refused(bisection: Bisection, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="is not in a git repository"):
        run(replace(bisection, repository=tmp_path, good="a"))


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_leaves_nothing_in_the_repository(
    bisection: Bisection, tree: Path, pytester: pytest.Pytester
) -> None:
    made = commits(tree, "good", "good", "bug")
    started = pytester.path / "started"
    pytester.makepyfile(
        test_them=f"""
        import pathlib, time
        def test_driver(driver):
            pathlib.Path({str(started)!r}).touch()
            time.sleep(600)
        """
    )

    def interrupt() -> None:
        deadline = time.monotonic() + 60
        while not started.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(replace(bisection, good=made[0]))
    thread.join()
    assert git(tree, "worktree", "list").count("\n") == 0
    assert not bisection.plan.worktree.exists()


@pytest.mark.parametrize(
    ("tests", "boot_is_bad", "expected"),
    [
        ([("passed", "")], False, Verdict.GOOD),
        ([("passed", ""), ("skipped", "no X")], False, Verdict.GOOD),
        ([("skipped", "no X")], False, Verdict.SKIP),
        ([("passed", ""), ("failed", "assert 1 == 2")], False, Verdict.BAD),
        ([("failed", "KernelReported: WARNING in f")], False, Verdict.BAD),
        ([("error", "GuestPanicked: vm1: the kernel died")], False, Verdict.BAD),
        ([("error", "BootFailed: vm1: no sshd")], False, Verdict.SKIP),
        ([("error", "BootFailed: vm1: no sshd")], True, Verdict.BAD),
        ([("error", "BuildError: kmod does not build")], True, Verdict.SKIP),
        ([("error", "SetupError: no mirror"), ("failed", "assert 0")], False, Verdict.BAD),
    ],
)
def test_only_the_scenario_and_the_kernel_make_a_revision_bad(
    tests: list[tuple[str, str]], boot_is_bad: bool, expected: Verdict
) -> None:
    results = tuple(
        TestResult(f"test_a.py::test_{number}", Outcome(outcome), 1.0, message)
        for number, (outcome, message) in enumerate(tests)
    )
    now = datetime(2026, 11, 25, tzinfo=UTC)
    result = RunResult(Environment("6.12", "tcg", ""), now, 1.0, results, Path("/x"))
    assert judge(result, boot_failure_is_bad=boot_is_bad)[0] is expected
