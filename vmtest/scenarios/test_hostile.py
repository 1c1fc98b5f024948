# SPDX-License-Identifier: MIT
"""Servers and strangers that do everything wrong: a clean errno, and no harm to anybody else."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

import pytest
from zosbd2.abi import ControlCall, Operation

from vmtest.remote_python import RemotePython

from .equipment import ServerPython
from .guestlib import compat, fuzz, hostile

pytestmark = pytest.mark.usefixtures("module")

REQUESTS = [Operation.READ_REQUEST, Operation.WRITE_REQUEST, Operation.DISCARD_REQUEST]


def assert_refused(
    python: RemotePython, wrong: Callable[[int], hostile.Refusals], kind: Operation
) -> None:
    """Every wrong answer is EINVAL, and the request still gets its right one."""
    seen = python.call(wrong, int(kind))
    assert set(seen["refused"]) == {"EINVAL"}, seen
    assert seen["intact"]


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: str(kind.name))
def test_a_response_of_another_kind_is_refused(python: RemotePython, kind: Operation) -> None:
    assert_refused(python, hostile.wrong_kinds, kind)


def test_an_operation_that_is_no_response_is_refused(python: RemotePython) -> None:
    assert_refused(python, hostile.wrong_operations, Operation.READ_REQUEST)


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: str(kind.name))
def test_a_response_of_another_length_is_refused(python: RemotePython, kind: Operation) -> None:
    assert_refused(python, hostile.wrong_lengths, kind)


def test_a_response_with_another_handle_is_refused(python: RemotePython) -> None:
    assert_refused(python, hostile.wrong_handles, Operation.WRITE_REQUEST)


def test_a_device_cannot_be_served_through_the_node_of_another(python: RemotePython) -> None:
    assert python.call(hostile.other_devices_handle) == {
        "refused": ["EINVAL"] * 3,
        "dropped": 1,
        "intact": True,
    }


def test_answers_to_unknown_operations_are_dropped(servers: ServerPython) -> None:
    assert servers.call(hostile.unknown_ids, 20) == {"dropped": True, "waits": True, "intact": True}


def test_bad_memory_at_a_fetch_is_refused_and_the_next_server_gets_the_request(
    python: RemotePython,
) -> None:
    assert python.call(hostile.bad_pointers_at_fetch) == {
        "refused": ["EFAULT"] * 8,
        "queued": 1,
        "intact": True,
    }


def test_bad_memory_at_an_answer_is_refused_and_the_request_waits_on(python: RemotePython) -> None:
    assert python.call(hostile.bad_pointers_at_answer) == {
        "refused": ["EFAULT"] * 4,
        "waits": True,
        "intact": True,
    }


def test_buffers_at_odd_addresses_are_served(python: RemotePython) -> None:
    assert python.call(hostile.misaligned, [1, 7, 8, 511, 4095]) == [True] * 5


def test_data_past_the_length_of_a_read_goes_nowhere(python: RemotePython) -> None:
    assert python.call(hostile.sizes_of_data, [1, 4096, 65536]) == [True] * 3


def test_closing_the_node_leaves_a_waiting_server_to_be_sent_home(python: RemotePython) -> None:
    assert python.call(hostile.closed_under_a_waiter) == {"closed": "EBADF", "waiter": "Gone"}


def test_a_device_that_is_open_for_reading_cannot_be_served(python: RemotePython) -> None:
    assert python.call(hostile.serve_through, os.O_RDONLY) == "EBADF"


def test_a_user_without_rights_can_do_nothing_even_with_open_files(python: RemotePython) -> None:
    seen = python.call(hostile.without_rights)
    calls = (*(call.name for call in ControlCall), "device PING", "device OPERATION", "unknown")
    assert seen == {
        "tried": {
            "open control": "EACCES",
            "open control for reading": "EACCES",
            "open device": "EACCES",
            "open device for reading": "EACCES",
            **dict.fromkeys(calls, "EPERM"),
        },
        "devices": True,
        "intact": True,
    }


@pytest.mark.needs_config("CONFIG_IA32_EMULATION")
def test_32_bit_processes_are_refused(python: RemotePython) -> None:
    outcomes = python.call(compat.calls_of_32_bits)
    assert set(outcomes.values()) == {"ENOTTY"}, outcomes


def test_random_calls_harm_no_other_device(servers: ServerPython) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    seen = servers.call(fuzz.fuzz, seed, 4, 1000, timeout=120)
    print(seen)
    assert seen["calls"] == 4 * 1000
    assert seen["rounds"] > 0
    assert seen["mismatches"] == 0
