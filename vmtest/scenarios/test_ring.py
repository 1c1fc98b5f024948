# SPDX-License-Identifier: MIT
"""The ring protocol: queues and channels, batches, waiting, and data that comes in pieces."""

from __future__ import annotations

import pytest

from vmtest.remote_python import RemotePython

from .guestlib import ring, ring_data

pytestmark = pytest.mark.usefixtures("module")

BLOCK = 4096
NOT_SUPPORTED = "ENOTSUP"
"""Python's name for EOPNOTSUPP."""


def test_io_of_each_cpu_reaches_a_queue_of_its_own(python: RemotePython) -> None:
    seen = python.call(ring.io_reaches_each_queue)
    assert seen["queues"] == seen["cpus"]
    assert sorted(seen["through"]) == list(range(seen["cpus"]))


def test_what_comes_through_a_queue_without_a_channel_waits(python: RemotePython) -> None:
    assert python.call(ring.a_queue_without_a_channel) == {
        "more": 0,
        "waiting": True,
        "right": True,
    }


def test_a_thread_can_be_woken(python: RemotePython) -> None:
    assert python.call(ring.woken) == {"asleep": 0, "before": 0, "brought": 1, "right": True}


def test_channels_share_the_requests_of_a_queue(python: RemotePython) -> None:
    assert python.call(ring.channels_share_a_queue) == {"shares": [5, 3], "right": True}


def test_a_channel_cannot_answer_what_another_one_has(python: RemotePython) -> None:
    assert python.call(ring.answers_of_another_channel) == {"late": 3, "told": -2, "right": True}


def test_a_channel_that_is_closed_hands_on_to_another_one_of_its_process(
    python: RemotePython,
) -> None:
    assert python.call(ring.a_channel_is_closed) == {
        "handed_on": 2,
        "new names": True,
        "servers": 1,
        "right": True,
    }


def test_a_channel_polls_readable_when_a_call_would_not_wait(python: RemotePython) -> None:
    assert python.call(ring.readiness) == {
        "before the first call": False,
        "idle": False,
        "two queued": True,
        "one fetched": True,
        "both fetched": False,
        "taken over from": "QUIESCING",
        "another": False,
        "gone": True,
    }


def test_requests_wake_a_server_that_sleeps_in_epoll(python: RemotePython) -> None:
    assert python.call(ring.woken_by_requests, 30) == [True] * 30


def test_requests_come_and_are_answered_in_batches(python: RemotePython) -> None:
    assert python.call(ring.batches) == {
        "brought": [3, 0, 5, 0],
        "names": 8,
        "positions": [8, 8],
        "right": True,
    }


def test_no_more_is_brought_than_a_ring_has_room_for(python: RemotePython) -> None:
    assert python.call(ring.small_rings, 5) == {
        "entries": 4,
        "overfull": ["ENOBUFS", "OK"],
        "requests": 30,
        "right": True,
    }


def test_the_state_follows_take_overs_and_the_end(python: RemotePython) -> None:
    assert python.call(ring.states) == {
        "at work": "SERVING",
        "told": [0, "QUIESCING"],
        "given up": ["ETIMEDOUT", "SERVING"],
        "told again": [0, "QUIESCING"],
        "handed in": [0, "QUIESCING"],
        "one left": "QUIESCING",
        "nothing left": ["ENOENT", "TAKEN_OVER"],
        "again": ["ENOENT", "TAKEN_OVER"],
        "right": True,
        "destroyed": ["ENOENT", "GONE"],
    }


def test_a_channel_that_is_called_too_late_finds_its_device_gone(python: RemotePython) -> None:
    assert python.call(ring.gone_before_the_first_call) == ["ENOENT", "GONE"]


def test_a_signal_ends_the_wait_and_the_answers_count(python: RemotePython) -> None:
    assert python.call(ring.interrupted) == {"ended": "EINTR", "answered": True, "goes on": True}


def test_both_protocols_serve_a_device_at_once(python: RemotePython) -> None:
    assert python.call(ring.at_once_with_the_classic_protocol, 40) == {"once": True, "both": True}


@pytest.mark.parametrize(("old", "new"), [("classic", "ring"), ("ring", "classic")])
def test_a_server_of_one_protocol_takes_over_from_one_of_the_other(
    python: RemotePython, old: str, new: str
) -> None:
    assert python.call(ring.taken_over_from, old, new) == {
        "told": "ShutdownWanted",
        "right": [True, True],
    }


@pytest.mark.parametrize(
    "options", [{"queues": 2}, {"max_io_bytes": 2 << 20}], ids=["queues", "large requests"]
)
def test_the_classic_protocol_is_refused_what_it_cannot_serve(
    python: RemotePython, options: dict[str, int]
) -> None:
    seen = python.call(ring.refused_to_the_classic_protocol, options)
    assert seen == {"session": NOT_SUPPORTED, "block device": NOT_SUPPORTED}


def test_the_module_does_not_go_while_a_channel_is_open(python: RemotePython) -> None:
    assert python.call(ring.unloading_with_a_channel) == {
        "open": True,
        "of no device": True,
        "mapped": True,
        "closed": 0,
        "left": False,
    }


def test_a_read_is_put_together_from_pieces(python: RemotePython) -> None:
    seen = python.call(ring_data.pieces_of_a_read)
    assert [what for what, right in seen.items() if not right] == []


def test_a_read_that_is_handed_on_begins_anew(python: RemotePython) -> None:
    assert python.call(ring_data.a_handed_on_read_begins_anew)


def test_a_write_is_fetched_in_pieces_of_any_order(python: RemotePython) -> None:
    assert python.call(ring_data.pieces_of_a_write) == {
        "pieces": True,
        "at an odd place, with the end": True,
        "written": 4 * BLOCK,
    }


def test_memory_that_is_not_there_is_told_and_the_request_waits_on(python: RemotePython) -> None:
    seen = python.call(ring_data.memory_that_is_not_there)
    assert seen == {
        "read": [["EFAULT"] * 8, [1], True, True],
        "write": [["EFAULT"] * 9, [1], True, True],
    }


def test_memory_that_nobody_has_touched_is_brought_in(python: RemotePython) -> None:
    assert python.call(ring_data.memory_that_comes_late) == {"to": True, "from": True}


def test_late_answers_are_told_and_harm_nobody(python: RemotePython) -> None:
    assert python.call(ring_data.late_answers) == {
        "ends": ["EIO", "EIO"],
        "told": ["ENOENT", "ENOENT"],
        "late": 4,
        "later": True,
    }
