# SPDX-License-Identifier: MIT
"""The crash scenarios prove themselves: a broken promise turns them red, and for that reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmtest.pytest_plugin import Session
from vmtest.scenarios.negative_run import InnerRun, run_inner

INNER = Path(__file__).parent / "inner"


@pytest.fixture(scope="session")
def crashes(request: pytest.FixtureRequest, vmtest_session: Session) -> InnerRun:
    """The run of all that is broken."""
    vmtest_session.say("running the crash scenarios with broken servers and a broken module")
    option = request.config.getoption
    options = ["--accel", vmtest_session.default.accelerator.name]
    if option("kernel"):
        options += ["--kernel", str(option("kernel"))]
    directory = vmtest_session.recorder.directory / "crash-controls"
    return run_inner([INNER / "crashes.py"], directory, options)


@pytest.mark.parametrize("test", ["test_kills[none]", "test_power_cut[none]"])
def test_crash_recovery_control_an_honest_server_passes(crashes: InnerRun, test: str) -> None:
    assert crashes.test(test).outcome == "passed", crashes.test(test).text


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("test_kills[answers early]", "err=84"),
        ("test_kills[loses a write after reattach]", "err=84"),
        ("test_power_cut[drops flushes]", "promised|does not|Structure needs cleaning|wrong fs"),
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
