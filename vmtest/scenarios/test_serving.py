# SPDX-License-Identifier: MIT
"""Serving: who gets which request, how servers are woken, interrupted and sent home."""

from __future__ import annotations

import signal
from itertools import pairwise

import pytest

from vmtest.remote_python import RemotePython

from .equipment import ServerPython
from .guestlib import serving, slow

pytestmark = pytest.mark.usefixtures("module")


def test_several_devices_at_once_keep_their_data_apart(servers: ServerPython) -> None:
    arrived = servers.call(serving.several_devices, 4)
    assert arrived == {"disk0": True, "disk1": True, "disk2": True, "disk3": True}


def test_each_request_goes_to_exactly_one_thread(servers: ServerPython) -> None:
    shared = servers.call(serving.threads_share_requests, 4, 48)
    assert shared == {"requests": 48, "each_once": True, "servers": 4}


def test_each_request_goes_to_exactly_one_process(servers: ServerPython) -> None:
    shared = servers.call(serving.processes_share_requests, 3, 48)
    assert shared == {"requests": 48, "each_once": True, "servers": 3}


def test_answers_may_come_in_any_order(servers: ServerPython) -> None:
    assert servers.call(serving.answers_in_reverse, 8) == [True] * 8


def test_one_submitter_has_many_requests_in_flight(servers: ServerPython) -> None:
    assert servers.call(serving.in_flight_of_one_submitter, 16 << 20) >= 16


def test_a_forced_destroy_sends_every_server_home_once(servers: ServerPython) -> None:
    seen = servers.call(serving.farewells, 4, 3, True)
    assert seen["first"] == ["Gone"] * 7
    assert seen["again"] == ["ENOENT"] * 7
    assert seen["seconds"] < 10


def test_an_unforced_destroy_sends_every_server_home_once(servers: ServerPython) -> None:
    seen = servers.call(serving.farewells, 7, 0, False)
    assert seen["first"] == ["Gone"] * 7
    assert seen["again"] == ["ENOENT"] * 7


def test_a_destroyed_device_is_nothing_to_newcomers(servers: ServerPython) -> None:
    seen = servers.call(serving.farewells, 1, 0, True)
    assert seen["stranger"] == "ENOENT"
    # A channel has no pings.
    assert seen["ping"] == {"classic": "ENOENT", "ring": "ENOTTY"}[servers.protocol]


def test_sigurg_does_not_disturb_a_waiting_server(python: RemotePython) -> None:
    assert python.call(serving.urgent_storm, 300) == {"interrupted": 0, "handled": 1}


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM, signal.SIGRTMIN + 7])
def test_any_other_signal_interrupts_the_wait_and_is_named(
    python: RemotePython, number: int
) -> None:
    assert python.call(serving.interrupted_by, int(number)) == {
        "outcome": "EINTR",
        "operation": 40,
        "signal": int(number),
        "goes_on": True,
    }


def test_an_answer_that_comes_twice_is_dropped(servers: ServerPython) -> None:
    assert servers.call(serving.resent_answer) == {
        "first_call": "Interrupted",
        "late_answers": 1,
        "offset": 4096,
        "second": True,
        "errors": 0,
    }


def test_requests_are_contiguous_and_within_the_limits(servers: ServerPython) -> None:
    assert servers.call(serving.shapes_of_requests, timeout=90) == {
        "wrong": [],
        "kinds": ["DISCARD_REQUEST", "READ_REQUEST", "WRITE_REQUEST"],
    }


def test_counters_tell_what_was_done(servers: ServerPython) -> None:
    assert servers.call(serving.counters_of_known_io) == {
        "requests": 5,
        "read_bytes": 4 * 4096,
        "write_bytes": 3 * 4096,
        "discard_bytes": 32 * 4096,
        "errors": 1,
        "timeouts": 0,
        "late_answers": 0,
        "queued": 0,
        "in_flight": 0,
        "servers": 1,
    }


def test_an_error_in_an_answer_fails_that_request_alone(servers: ServerPython) -> None:
    outcomes = servers.call(serving.errors_of_servers, [-5, 0, -28, 0, 1, 0])
    assert outcomes == ["EIO", "OK", "ENOSPC", "OK", "EIO", "OK"]


def test_devices_answer_pings_and_no_unknown_calls(python: RemotePython) -> None:
    answers = python.call(serving.ping_device)
    assert answers.pop("ping") == "OK"
    assert set(answers.values()) == {"ENOTTY"}


@pytest.mark.parametrize("library", ["C", "Python"])
@pytest.mark.usefixtures("programs")
def test_an_answer_does_not_wait_for_a_slow_one_that_came_later(
    servers: ServerPython, library: str
) -> None:
    ends = servers.call(slow.ends_of_reads, library)
    # One is served alone, and then the other three in a batch.
    gaps = [later - earlier for earlier, later in pairwise(ends)]
    assert min(gaps) > 0.5, f"reads ended after {ends} of their durations"


def test_a_server_for_which_there_is_no_descriptor_never_was(servers: ServerPython) -> None:
    assert servers.call(serving.attached_without_descriptors) == {
        "refused": "EMFILE",
        "servers": [0, 1],
    }
