# SPDX-License-Identifier: MIT
"""The crash scenarios prove themselves: a broken promise turns them red, and for that reason."""

from __future__ import annotations

import re

import pytest

from vmtest.pytest_plugin import Session
from vmtest.scenarios.negative_run import InnerRun, run_inner

pytestmark = pytest.mark.long(150)


@pytest.fixture(scope="session")
def crashes(vmtest_session: Session) -> InnerRun:
    """The run of all that is broken."""
    return run_inner(vmtest_session, "crash-controls", "crashes.py")


@pytest.mark.parametrize("test", ["test_kills[none]", "test_power_cut[none]"])
def test_crash_recovery_control_an_honest_server_passes(crashes: InnerRun, test: str) -> None:
    assert crashes.test(test).outcome == "passed", crashes.test(test).text


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("test_kills[answers early]", "err=84"),
        ("test_kills[loses a write after reattach]", "err=84"),
        # What is lost is a file or two, as the oracle says, or the file system.
        ("test_power_cut[drops flushes]", r"E +.*\bw\d/.+: |Structure needs|wrong fs|e2fsck"),
        ("test_module_that_forgets", "it is queued again: not within"),
    ],
)
def test_crash_recovery_control_a_broken_promise_is_noticed(
    crashes: InnerRun, test: str, reason: str
) -> None:
    found = crashes.test(test)
    assert found.outcome == "failed", f"{found.outcome}: {found.text}"
    print(found.text)
    assert re.search(reason, found.text), found.text
