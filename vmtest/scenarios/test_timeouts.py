# SPDX-License-Identifier: MIT
"""Requests that no server answers in time."""

from __future__ import annotations

import pytest

from vmtest.kmodule import KernelModule

from .equipment import ServerPython
from .guestlib import timeouts

pytestmark = pytest.mark.usefixtures("module")

# The devices' time-out is 1 s; the block layer looks for expired requests once a second or so.
EARLIEST, LATEST = 0.95, 6.0


def in_time(seconds: list[float]) -> bool:
    """Whether requests ended not before their time-out and not long after."""
    return all(EARLIEST <= each <= LATEST for each in seconds)


def test_requests_that_no_server_fetches_time_out(servers: ServerPython) -> None:
    expiry = servers.call(timeouts.never_fetched)
    assert in_time(expiry["seconds"]), expiry
    assert expiry["outcomes"] == ["EIO", "EIO"]
    assert (expiry["timeouts"], expiry["errors"], expiry["in_flight"]) == (2, 2, 0)
    assert expiry["usable"]


def test_requests_that_the_server_never_answers_time_out(servers: ServerPython) -> None:
    expiry = servers.call(timeouts.never_answered)
    assert in_time(expiry["seconds"]), expiry
    assert expiry["outcomes"] == ["EIO", "EIO"]
    assert (expiry["timeouts"], expiry["errors"], expiry["in_flight"]) == (2, 2, 0)
    assert expiry["usable"]


@pytest.mark.parametrize("depth", [1, 128])
def test_a_late_answer_is_dropped_and_ends_no_other_request(
    module: KernelModule, servers: ServerPython, depth: int
) -> None:
    module.unload()
    module.load(queue_depth=depth)
    assert servers.call(timeouts.answered_late) == {
        "first": "EIO",
        "late_answers": 1,
        "second_waits": True,
        "second": True,
        "errors": 1,
    }


def test_a_request_that_times_out_leaves_its_neighbours_alone(servers: ServerPython) -> None:
    assert servers.call(timeouts.just_in_time) == {"answered": True, "never": "EIO", "timeouts": 1}


def test_signals_to_the_submitter_do_not_restart_the_timeout(servers: ServerPython) -> None:
    ended = servers.call(timeouts.submitter_with_signals)
    assert ended["outcome"] == "EIO"
    assert EARLIEST <= float(str(ended["seconds"])) <= LATEST


def test_a_killed_submitter_leaves_a_device_that_works(servers: ServerPython) -> None:
    assert servers.call(timeouts.killed_submitter) == {"signal": 9, "usable": True}


def test_a_request_that_is_handed_on_has_its_whole_time_again(servers: ServerPython) -> None:
    ended = servers.call(timeouts.handed_on)
    assert ended["outcomes"] == ["EIO", "EIO"]
    assert ended["timeouts"] == 2
    # The first lost its server after 3 s, and waited 4 s for another one.
    first, second = ended["seconds"]
    assert 3 + 4 * EARLIEST <= first <= 3 + 4 + LATEST, ended
    assert 4 * EARLIEST <= second <= 4 + LATEST, ended


def test_a_request_behind_one_that_is_handed_on_ends_in_its_own_time(servers: ServerPython) -> None:
    assert servers.call(timeouts.behind_what_was_handed_on) == {
        "second": "EIO",
        "first": True,
        "usable": True,
    }
