# SPDX-License-Identifier: MIT
"""Servers that use their channels wrongly: wrong answers, positions, callers, and nonsense."""

from __future__ import annotations

import pytest

from vmtest.remote_python import RemotePython

from .guestlib import ring_hostile

pytestmark = pytest.mark.usefixtures("module")


def test_a_wrong_answer_is_refused_where_it_stands(python: RemotePython) -> None:
    ended, right = python.call(ring_hostile.wrong_answers_to_a_read)
    assert {wrong: seen for wrong, seen in ended.items() if seen != ["EBADMSG", True, True]} == {}
    assert right


def test_what_has_no_data_is_not_copied(python: RemotePython) -> None:
    refused = ["EBADMSG", "EBADMSG", "OK"]
    assert python.call(ring_hostile.data_for_what_has_none) == {
        "DISCARD": refused,
        "FLUSH": refused,
    }


def test_positions_that_cannot_be_are_refused(python: RemotePython) -> None:
    ended, right = python.call(ring_hostile.wrong_positions)
    assert {wrong: seen for wrong, seen in ended.items() if set(seen) != {"EPROTO"}} == {}
    assert right == [True, True]


def test_who_is_retired_is_told_so_whatever_it_says_of_its_requests(python: RemotePython) -> None:
    assert python.call(ring_hostile.wrong_positions_amid_a_take_over) == {
        "requests": [0, 0],
        "answers": ["EPROTO", "EPROTO"],
        "intact": True,
    }


def test_a_channel_knows_no_other_calls(python: RemotePython) -> None:
    assert python.call(ring_hostile.wrong_calls) == {
        "next bit": "EINVAL",
        "last bit of 32": "EINVAL",
        "last bit": "EINVAL",
        "another number": "ENOTTY",
        "another size": "ENOTTY",
        "classic ping": "ENOTTY",
        "classic operation": "ENOTTY",
    }


def test_a_channel_is_mapped_as_a_whole_and_shared(python: RemotePython) -> None:
    assert python.call(ring_hostile.wrong_mappings) == {
        "private": "EINVAL",
        "a page more": "EINVAL",
        "behind the end": "EINVAL",
        "from the second page on": "OK",
        "for reading": "OK",
    }


def test_a_channel_belongs_to_the_process_that_attached_it(python: RemotePython) -> None:
    assert python.call(ring_hostile.other_processes) == {
        "child": ["EPERM", "EPERM", "EPERM"],
        "parent": ["OK", "OK", "OK"],
    }


def test_who_attached_needs_no_rights_any_more(python: RemotePython) -> None:
    assert python.call(ring_hostile.without_the_capability) == ["OK", "OK"]


def test_a_second_thread_is_sent_away(python: RemotePython) -> None:
    assert python.call(ring_hostile.two_threads) == {
        "ended": ["EBUSY", "EBUSY"],
        "brought": 1,
        "right": True,
    }


def test_closing_a_channel_leaves_a_waiting_thread_to_be_sent_home(python: RemotePython) -> None:
    seen = python.call(ring_hostile.closed_under_a_waiter)
    assert seen == {"closed": "EBADF", "waiter": "ENOENT"}


def test_nonsense_in_the_rings_harms_no_other_device(python: RemotePython, seed: int) -> None:
    print(f"seed {seed}")
    seen = python.call(ring_hostile.scribbled, seed, 5.0, timeout=120)
    print(seen)
    assert seen["rounds"] > 0
    assert (seen["mismatches"], seen["in_flight"], seen["afterwards"]) == (0, 0, True)
    assert set(seen["victim"]) <= {"OK", "EIO"}
    assert "OK" in seen["calls"], "all of it was refused at the door"
