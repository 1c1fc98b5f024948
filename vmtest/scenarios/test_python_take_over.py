# SPDX-License-Identifier: MIT
"""Python servers that take over from each other."""

from __future__ import annotations

import pytest
from zosbd2 import Feature

from .equipment import ServerPython
from .guestlib import take_over

pytestmark = pytest.mark.usefixtures("module")


@pytest.mark.parametrize("features", [0, int(Feature.FLUSH)], ids=["plain", "flush"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_server_that_is_taken_over_ends(
    servers: ServerPython, features: int, threads: int
) -> None:
    assert servers.call(take_over.take_over, features, threads) == {
        "ended": "taken over",
        "retired": True,
        "old": True,
        "new": True,
        "runs": True,
        "after": "stopped",
        "still there": True,
        "left alone": True,
    }


def test_a_take_over_that_fails_costs_no_thread(servers: ServerPython) -> None:
    assert servers.call(take_over.take_over_that_fails) == {
        "attach": "ETIMEDOUT",
        "both threads serve": ["OK", "OK"],
        "ended": None,
        "then": "taken over",
    }


def test_a_server_tells_why_it_ended(servers: ServerPython) -> None:
    assert servers.call(take_over.ended_otherwise) == [None, "destroyed", "stopped"]
