# SPDX-License-Identifier: MIT
"""Features of a device: flushes, durable writes, writes of zeroes, partitions, sizes."""

from __future__ import annotations

import pytest
from zosbd2 import Feature

from vmtest.remote_python import RemotePython

from .equipment import ServerPython
from .guestlib import durability, features

pytestmark = pytest.mark.usefixtures("module")

MIB = 1 << 20
NOT_SUPPORTED = "ENOTSUP"
"""Python's name for EOPNOTSUPP."""


def test_fsync_on_ext4_returns_when_its_flush_was_answered(servers: ServerPython) -> None:
    held = servers.call(durability.fsync_on_ext4_waits_for_its_flush)
    assert held == {"waits": True, "then": None}


def test_fsync_on_ext4_fails_when_its_flush_does(servers: ServerPython) -> None:
    assert servers.call(durability.fsync_on_ext4_fails_with_its_flush) == ["OK", "EIO", "OK"]


def test_fsync_tells_the_error_of_a_flush(servers: ServerPython) -> None:
    errors = [-5, -28, -1, 0]
    seen = servers.call(durability.fsync_when_a_flush_is_answered_with, errors)
    assert seen == ["EIO", "ENOSPC", "EIO", "OK"]


def test_fsync_fails_when_its_flush_is_answered_with_eopnotsupp(servers: ServerPython) -> None:
    assert servers.call(durability.fsync_when_a_flush_is_answered_with, [-95]) != ["OK"]


def test_a_durable_write_comes_as_fua(servers: ServerPython) -> None:
    # O_DSYNC on a block device flushes as well.
    assert servers.call(durability.durable_write, int(Feature.FLUSH | Feature.FUA)) == {
        "write_cache": "write back",
        "fua": "1",
        "requests": ["write 0+4096 fua", "flush"],
    }


def test_without_fua_a_durable_write_comes_as_write_and_flush(servers: ServerPython) -> None:
    seen = servers.call(durability.durable_write, int(Feature.FLUSH))
    assert (seen["write_cache"], seen["fua"]) == ("write back", "0")
    assert seen["requests"] == ["write 0+4096", "flush", "flush"]


def test_a_device_without_cache_gets_neither(servers: ServerPython) -> None:
    for seen in (
        servers.call(durability.durable_write, 0),
        servers.call(durability.fsync_of_a_write, 0),
    ):
        assert seen == {"write_cache": "write through", "fua": "0", "requests": ["write 0+4096"]}


def test_fsync_comes_behind_the_write(servers: ServerPython) -> None:
    seen = servers.call(durability.fsync_of_a_write, int(Feature.FLUSH | Feature.FUA))
    assert seen["requests"] == ["write 0+4096", "flush"]


@pytest.mark.parametrize(
    ("has_method", "calls"),
    [(True, ["write_durably", "flush"]), (False, ["write", "flush", "flush"])],
)
def test_a_handler_gets_durable_writes(
    servers: ServerPython, has_method: bool, calls: list[str]
) -> None:
    assert servers.call(durability.handler_of_durable_writes, has_method) == calls


def test_the_flush_of_a_write_waits_for_its_answer(servers: ServerPython) -> None:
    seen = servers.call(durability.flush_behind_a_write)
    assert [what for what, held in seen.items() if not held] == []


def test_reads_and_writes_pass_a_flush(servers: ServerPython) -> None:
    assert servers.call(durability.io_beside_a_flush) == {
        "written": 4096,
        "read": True,
        "flush waits": True,
    }


def test_a_flush_is_fetched_after_the_writes_that_it_covers(servers: ServerPython) -> None:
    assert servers.call(durability.flushes_cover_acknowledged_writes, 40) == []


def test_wrong_answers_to_flush_and_write_are_refused(python: RemotePython) -> None:
    refused = ["EINVAL"] * 5 + ["OK"]
    assert python.call(durability.wrong_answers) == {"flush": refused, "write": refused}


def test_a_server_that_knows_no_flush_is_refused(python: RemotePython) -> None:
    assert python.call(durability.a_handler_without_flush) == {
        "classic call": NOT_SUPPORTED,
        "handler": NOT_SUPPORTED,
        "attach": NOT_SUPPORTED,
        "ping": "OK",
    }


def test_writes_of_zeroes_say_whether_to_keep_the_space(servers: ServerPython) -> None:
    kept = ["OK", f"write_zeroes {MIB}+{MIB} no_unmap"]
    assert servers.call(features.writes_of_zeroes, int(Feature.WRITE_ZEROES)) == {
        "BLKZEROOUT": kept,
        "ZERO_RANGE": kept,
        "PUNCH_HOLE": ["OK", f"write_zeroes {MIB}+{MIB}"],
    }


def test_without_the_feature_zeroes_are_written(servers: ServerPython) -> None:
    seen = servers.call(features.writes_of_zeroes, 0)
    written = ["OK", f"write {MIB}+{MIB}"]
    assert (seen["BLKZEROOUT"], seen["ZERO_RANGE"]) == (written, written)
    assert seen["PUNCH_HOLE"] == [NOT_SUPPORTED]


def test_wrong_answers_to_a_write_of_zeroes_are_refused(python: RemotePython) -> None:
    assert python.call(features.wrong_answers_to_write_zeroes) == ["EINVAL"] * 5 + ["OK"]


def test_zeroes_that_a_server_cannot_write_are_sent(servers: ServerPython) -> None:
    seen = servers.call(features.zeroes_that_the_server_cannot_write)
    assert seen == {"outcome": "OK", "zeroed": True}


def test_a_read_only_device_refuses_writes(servers: ServerPython) -> None:
    assert servers.call(features.read_only) == {
        "write": "EPERM",
        "discard": NOT_SUPPORTED,
        "zero": "EPERM",
        "write after BLKROSET": "EPERM",
        "mounted": "ro",
        "file": "EROFS",
        "discard_max_bytes": "0",
        "other requests": "",
    }


def test_partitions_come_when_the_table_is_read(servers: ServerPython) -> None:
    assert servers.call(features.partitions, int(Feature.PARTITIONS)) == {
        "before": False,
        "BLKRRPART": "OK",
        "after": True,
        "size": 4 * MIB,
        "destroy": "EBUSY",
        "arrived": True,
        "at the end": False,
    }


def test_without_the_feature_there_are_no_partitions(servers: ServerPython) -> None:
    seen = servers.call(features.partitions, 0)
    assert seen == {"before": False, "BLKRRPART": "EINVAL", "after": False, "at the end": False}


def test_a_partition_ends_where_the_device_does(servers: ServerPython) -> None:
    seen = servers.call(features.partition_behind_the_end)
    assert seen["beyond"] == []


def test_a_device_grows_while_open_and_shrinks_when_closed(servers: ServerPython) -> None:
    assert servers.call(features.resize_under_an_opener) == {
        "behind the end": "ENOSPC",
        "size": 32 * MIB,
        "arrived": True,
        "shrink": "EBUSY",
        "size after": 32 * MIB,
        "shrink when closed": "OK",
        "small": 8 * MIB,
        "described": 8 * MIB,
        "classic": 8 * MIB,
    }


def test_a_device_is_described(python: RemotePython) -> None:
    seen = python.call(features.described)
    assert seen == {
        "version": 2,
        "features": 63,
        "all": True,
        "name": "testdisk",
        "size": 16 * MIB,
        "timeout": 7,
        "segments": 12,
        "recovery": 1,
        "shape": [512, 1, 32, 2048, MIB // 2, 8192, 4 * MIB, 1024, 0],
        "servers": [0, 1, 0],
    }


def test_wrong_creates_are_refused(python: RemotePython) -> None:
    seen = python.call(features.refused_creates)
    by_range = {"no time-out", "too small", "too large"}
    unknown = {"unknown feature", "feature of the last bit"}
    assert seen == {
        name: "ERANGE" if name in by_range else NOT_SUPPORTED if name in unknown else "EINVAL"
        for name in seen
    }


def test_wrong_calls_are_refused(python: RemotePython) -> None:
    assert python.call(features.refused_calls) == {
        "attach, flag": "EINVAL",
        "attach, reserved": "EINVAL",
        "attach, lacking": NOT_SUPPORTED,
        "attach, nowhere": "ENOENT",
        "attach, not of servers": "EINVAL",
        "resize, reserved": "EINVAL",
        "resize, small": "ERANGE",
        "resize, large": "ERANGE",
        "resize, nothing": "ENOENT",
        "status, nothing": "ENOENT",
        "session, unknown call": "ENOTTY",
        "unknown call": "EINVAL",
    }
