# SPDX-License-Identifier: MIT
"""Python servers that take over from each other."""

from __future__ import annotations

import pytest
from zosbd2 import Feature

from vmtest.remote_python import RemotePython

from .guestlib import take_over

pytestmark = pytest.mark.usefixtures("module")


@pytest.mark.parametrize("features", [0, int(Feature.FLUSH)], ids=["classic", "session"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_server_that_is_taken_over_ends(
    python: RemotePython, features: int, threads: int
) -> None:
    assert python.call(take_over.take_over, features, threads) == {
        "ended": "taken over",
        "retired": True,
        "old": True,
        "new": True,
        "runs": True,
        "after": "stopped",
        "still there": True,
        "left alone": True,
    }


def test_a_take_over_that_fails_costs_no_thread(python: RemotePython) -> None:
    assert python.call(take_over.take_over_that_fails) == {
        "attach": "ETIMEDOUT",
        "both threads serve": ["OK", "OK"],
        "ended": None,
        "then": "taken over",
    }


def test_a_server_tells_why_it_ended(python: RemotePython) -> None:
    assert python.call(take_over.ended_otherwise) == [None, "destroyed", "stopped"]
