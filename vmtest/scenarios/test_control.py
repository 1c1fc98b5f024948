# SPDX-License-Identifier: MIT
"""The control node: create, destroy, list, status and lookup, and every limit of them."""

from __future__ import annotations

import errno

import pytest
from zosbd2.abi import ControlCall

from vmtest.remote_python import RemotePython

from .guestlib import control

pytestmark = pytest.mark.usefixtures("module")

LAST_OF_U32 = 2**32 - 1
LAST_OF_U64 = 2**64 - 1


def refused(number: int) -> control.Attempt:
    """The call's errno is in the error field too, and the handle is as it was."""
    return {"outcome": errno.errorcode[number], "error": -number, "handle": 0}


def limits(python: RemotePython, field: str, *values: object) -> dict[object, str]:
    """The outcome of a create for each value; the error field must agree with it."""
    attempts = python.call(control.creates, [{field: value} for value in values])
    for attempt in attempts:
        ended = attempt["outcome"]
        assert attempt["error"] == (0 if ended == "OK" else -getattr(errno, ended))
        assert (attempt["handle"] != 0) == (ended == "OK")
    return dict(zip(values, (attempt["outcome"] for attempt in attempts), strict=True))


def test_block_size_is_4096_or_invalid(python: RemotePython) -> None:
    assert limits(python, "block_size", 4096, 0, 1, 512, 4095, 4097, 8192, LAST_OF_U32) == {
        4096: "OK",
        0: "EINVAL",
        1: "EINVAL",
        512: "EINVAL",
        4095: "EINVAL",
        4097: "EINVAL",
        8192: "EINVAL",
        LAST_OF_U32: "EINVAL",
    }


def test_number_of_blocks_is_1024_to_3221225472_or_out_of_range(python: RemotePython) -> None:
    counts = (1024, 3_221_225_472, 0, 1, 1023, 3_221_225_473, LAST_OF_U32, 2**52, LAST_OF_U64)
    assert limits(python, "blocks", *counts) == {
        1024: "OK",
        3_221_225_472: "OK",
        0: "ERANGE",
        1: "ERANGE",
        1023: "ERANGE",
        3_221_225_473: "ERANGE",
        LAST_OF_U32: "ERANGE",
        2**52: "ERANGE",
        LAST_OF_U64: "ERANGE",
    }


def test_timeout_is_1_to_1200_seconds_or_out_of_range(python: RemotePython) -> None:
    # 4294968 s are 2^32 + 704 ms: in range if somebody multiplies in 32 bits first.
    assert limits(python, "timeout", 1, 1200, 0, 1201, 4_294_968, LAST_OF_U32) == {
        1: "OK",
        1200: "OK",
        0: "ERANGE",
        1201: "ERANGE",
        4_294_968: "ERANGE",
        LAST_OF_U32: "ERANGE",
    }


def test_batch_queue_size_is_at_most_256_or_out_of_range(python: RemotePython) -> None:
    assert limits(python, "batch", 0, 256, 257, LAST_OF_U32) == {
        0: "OK",
        256: "OK",
        257: "ERANGE",
        LAST_OF_U32: "ERANGE",
    }


def test_no_segments_or_too_many_mean_256(python: RemotePython) -> None:
    wanted = [0, 1, 255, 256, 257, LAST_OF_U32]
    assert python.call(control.segments_of_devices, wanted) == [256, 1, 255, 256, 256, 256]


def test_names_that_fit_a_node_are_taken(python: RemotePython) -> None:
    names = ("a", "Disk-1_x.y", "0", "n" * 31)
    assert limits(python, "name", *names) == dict.fromkeys(names, "OK")


def test_names_that_do_not_fit_a_node_are_invalid(python: RemotePython) -> None:
    names = (
        "", "n" * 32, ".", "..", "a/b", "/etc", "../x", "a b", "a\tb", "a\nb", "a\x7f", "a\x01",
        "caf\xe9", "-rf", ".hidden", "a!b", "a*b", "a;b", "$a", "a%sb", "a\\b", 'a"b', "a'b",
    )  # fmt: skip
    assert limits(python, "name", *names) == dict.fromkeys(names, "EINVAL")


def test_name_in_use_is_refused_and_its_owner_stays(python: RemotePython) -> None:
    first, second = python.call(control.create_twice)
    assert first == {"outcome": "OK", "error": 0, "handle": 1}
    assert second == refused(errno.EEXIST)


def test_names_of_other_nodes_are_refused_and_the_nodes_stay(python: RemotePython) -> None:
    names = ["null", "zosbd2ctl", "vda", "shm", "ordinary-file"]
    assert python.call(control.create_over_nodes, names) == ["EEXIST"] * len(names)


def test_handles_count_up_from_one_and_are_not_reused(python: RemotePython) -> None:
    assert python.call(control.handles_in_turn) == [[1, 2, 3], [4, 5]]


def test_fifty_devices_fit_and_the_next_one_is_refused(python: RemotePython) -> None:
    assert python.call(control.fill_up, timeout=90) == {
        "all_listed": True,
        "nodes": 50,
        "one_more": refused(errno.EINVAL),
        "in_the_gap": "OK",
        "left": 0,
    }


def test_status_describes_the_device(python: RemotePython) -> None:
    size = 1024 * 4096 * 3
    status = python.call(control.status_of_device, "a-name-of-exactly-31-bytes-long", size, 7)
    assert status == {
        "created": 1,
        "handle": 1,
        "name": "a-name-of-exactly-31-bytes-long",
        "size": size,
        "number_of_blocks": 3072,
        "block_size": 4096,
        "max_segments": 256,
        "timeout_ms": 7000,
    }


def test_status_of_an_unknown_handle_finds_nothing(python: RemotePython) -> None:
    assert python.call(control.status_of_strangers, [0, 2, LAST_OF_U32]) == ["ENOENT"] * 3


@pytest.mark.parametrize("devices", [0, 3])
def test_list_is_zero_where_there_is_no_device(python: RemotePython, devices: int) -> None:
    handles = list(range(1, devices + 1))
    assert python.call(control.list_over_dirt, devices) == [
        devices,
        *handles,
        *[0] * (50 - devices),
    ]


def test_lookup_finds_a_device_by_its_whole_name(python: RemotePython) -> None:
    missing = {"outcome": "ENOENT", "error": -errno.ENOENT, "handle": 77}
    assert python.call(control.look_up, ["testdisk", "dis", "disk1", "", "a/b", "n" * 32]) == [
        {"outcome": "OK", "error": 0, "handle": 1},
        *[missing] * 5,
    ]


@pytest.mark.parametrize("force", [0, 1, LAST_OF_U32])
def test_devices_without_a_server_are_destroyed_at_once(python: RemotePython, force: int) -> None:
    destroyed = python.call(control.destroys, force)
    assert destroyed["ended"] == {"name": "OK 0", "id": "OK 0", "all": "OK", "none": "OK"}
    assert (destroyed["left"], destroyed["nodes"]) == ([], [])
    assert destroyed["seconds"] < 10


@pytest.mark.parametrize("force", [0, 1])
def test_destroying_an_unknown_device_finds_nothing(python: RemotePython, force: int) -> None:
    strangers: list[int | str] = [0, 2, LAST_OF_U32, "dis", "disk1", "", "../disk", "n" * 32]
    attempts = python.call(control.destroy_strangers, strangers, force)
    assert attempts == ["ENOENT -2"] * len(strangers)


def test_destroying_a_device_again_finds_nothing(python: RemotePython) -> None:
    assert python.call(control.destroy_twice) == ["OK 0", "ENOENT -2", "ENOENT -2"]


def test_unforced_destroy_waits_for_the_last_opener_to_leave(python: RemotePython) -> None:
    assert python.call(control.destroy_with_opener) == {
        "busy": ["EBUSY -16", "EBUSY -16"],
        "all": "EBUSY",
        "there": True,
        "closed": "OK 0",
    }


# Clients in the field: one passes each call's fields and not a byte more, the other a union of
# 208 bytes whatever the call is.
@pytest.mark.parametrize("size", [None, 208], ids=["fields", "union"])
def test_calls_write_their_results_and_nothing_else(python: RemotePython, size: int | None) -> None:
    assert python.call(control.changed_bytes, size) == {
        "PING": "OK: nothing",
        "CREATE_DEVICE": "OK: 60-67, 8",
        "DESTROY_DEVICE_BY_ID": "OK: 4-7, 4",
        "DESTROY_DEVICE_BY_NAME": "OK: 32-35, 4",
        "DESTROY_ALL_DEVICES": "OK: nothing",
        "GET_HANDLE_ID_BY_NAME": "OK: 32-39, 8",
        "STATUS_DEVICE_LIST": "OK: 0-203, 204",
        "STATUS_DEVICE_STATUS": "OK: 8-71, 64",
    }


def test_a_buffer_one_byte_short_is_refused_and_nothing_happens(python: RemotePython) -> None:
    calls = ControlCall.__members__.keys() - {"PING"}
    assert python.call(control.one_byte_short) == dict.fromkeys(calls, "EFAULT")


def test_pointers_that_lead_nowhere_are_refused(python: RemotePython) -> None:
    addresses = [0, 1, 0x7FFF_FFFF_F000, 0xFFFF_8880_0000_0000, LAST_OF_U64]
    for call, outcomes in python.call(control.bad_pointers, addresses).items():
        assert outcomes == ["EFAULT"] * len(addresses), call


def test_unknown_call_numbers_are_invalid(python: RemotePython) -> None:
    known = {12, 21, 22, 23, 25, 26, 60, 61}
    # 2 is FIGETBSZ, which the kernel answers for every file by itself.
    numbers = sorted({*range(120), 0x1234, 2**31, LAST_OF_U32} - known - {2})
    assert python.call(control.unknown_calls, numbers) == {"EINVAL": numbers}
