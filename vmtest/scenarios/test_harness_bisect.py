# SPDX-License-Identifier: MIT
"""A regression of the module is found by its commit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vmtest.images import TOP
from vmtest.pytest_plugin import Session

pytestmark = pytest.mark.long(150)

_SCENARIO = "test_counters_tell_what_was_done"

# What happens to the module, commit by commit: file, what stands there, what comes instead.
_HARMLESS = ("zosbd2_main.c", '#include "zosbd2.h"\n', '#include "zosbd2.h"\n/* Another line. */\n')
_COUNTS_WRONGLY = ("zosbd2_request.c", "stats.write_bytes += ", "stats.write_bytes -= ")
_DOES_NOT_BUILD = ("zosbd2_main.c", "/* Another line. */\n", "#error not yet\n")
_BUILDS_AGAIN = ("zosbd2_main.c", "#error not yet\n", "")
_HISTORY = (_HARMLESS, _HARMLESS, _DOES_NOT_BUILD, _BUILDS_AGAIN, _COUNTS_WRONGLY, _HARMLESS)


def _git(repository: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), "-c", "user.name=A", "-c", "user.email=a@example.org",
         *words], check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, list[str]]:
    """A repository with the module, and its commits."""
    repository = tmp_path / "history"
    shutil.copytree(TOP / "kmod", repository / "kmod")
    _git(repository.parent, "init", "--quiet", str(repository))
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "-m", "as it is")
    commits = [_git(repository, "rev-parse", "HEAD")]
    for name, right, other in _HISTORY:
        path = repository / "kmod" / name
        text = path.read_text()
        assert right in text, f"{name} has changed: change this test too"
        path.write_text(text.replace(right, other, 1))
        _git(repository, "commit", "--quiet", "--all", "-m", f"{name}: {other.strip()}")
        commits.append(_git(repository, "rev-parse", "HEAD"))
    return repository, commits


def test_the_commit_that_broke_a_scenario_is_found(
    vmtest_session: Session, history: tuple[Path, list[str]]
) -> None:
    repository, commits = history
    vmtest_session.say("bisecting the module, which takes a minute or two")
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "vmtest"), "bisect", "--repo", str(repository),
            "--good", commits[0], "--scenario", _SCENARIO, *vmtest_session.kernel_option,
            "--accel", vmtest_session.default.accelerator.name,
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    print(said)
    _, _, found = done.stdout.partition("the first bad commit:\n")
    assert found.startswith(f"commit {commits[5]}\n"), said
    told = re.findall(r"^(good|bad|skip): (\w+) ", done.stdout, re.MULTILINE)
    verdicts = {commits[[c[: len(s)] for c in commits].index(s)]: verdict for verdict, s in told}
    assert verdicts[commits[0]] == "good"
    assert {verdicts[commits[5]], verdicts[commits[6]]} == {"bad"}
    assert verdicts.get(commits[3], "skip") == "skip"
