# SPDX-License-Identifier: MIT
"""The truth of iostat: what is counted is what was done, and what is told is what is there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from zosbd2 import WireProtocol

from vmtest.guest import Guest, Process
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython
from vmtest.scenarios.conftest import RAMDISK
from vmtest.scenarios.guestlib import counters

from .equipment import ServerPython

NAME = "zosbd2ramdisk"
SIZE = 64 << 20
READS, WRITES, DISCARDS = 70, 50, 30

Growth = dict[str, dict[str, int]]


@pytest.fixture
def small(start_ramdisk: Callable[..., Process]) -> str:
    """A RAM disk of 64 MiB."""
    start_ramdisk("--size", "64M")
    return RAMDISK


@pytest.fixture(scope="module")
def measured() -> dict[WireProtocol, Growth]:
    """What `growth` found, once it has."""
    return {}


@pytest.fixture
def growth(
    request: pytest.FixtureRequest,
    measured: dict[WireProtocol, Growth],
    protocol: WireProtocol,
) -> Growth:
    """How the counters grew by direct I/O of 8 KiB a piece; done once for all the tests."""
    if protocol not in measured:
        request.getfixturevalue("small")
        python: RemotePython = request.getfixturevalue("python")
        grown = python.call(counters.count_direct_io, NAME, READS, WRITES, DISCARDS)
        measured[protocol] = grown
    return measured[protocol]


def test_every_direct_io_is_counted_once(growth: Growth) -> None:
    told = {field: growth["stat"][field] for field in ("reads", "writes", "discards", "flushes")}
    assert told == {"reads": READS, "writes": WRITES, "discards": DISCARDS, "flushes": 0}


def test_sectors_are_counted_as_the_bytes_of_the_io(growth: Growth) -> None:
    fields = ("sectors read", "sectors written", "sectors discarded")
    assert [growth["stat"][field] for field in fields] == [
        16 * count for count in (READS, WRITES, DISCARDS)
    ]


def test_proc_diskstats_tells_the_same_as_sysfs(growth: Growth) -> None:
    exact = [field for field in growth["stat"] if not field.endswith("ms")]
    assert {field: growth["diskstats"][field] for field in exact} == {
        field: growth["stat"][field] for field in exact
    }


def test_nothing_is_in_flight_when_all_io_has_ended(growth: Growth) -> None:
    assert (growth["stat"]["in flight"], growth["own"]["in_flight"]) == (0, 0)


def test_counters_of_the_module_agree_with_the_block_layer(growth: Growth) -> None:
    assert growth["own"] == {
        "requests": READS + WRITES + DISCARDS,
        "read_bytes": READS * 8192,
        "write_bytes": WRITES * 8192,
        "discard_bytes": DISCARDS * 8192,
        "errors": 0,
        "in_flight": 0,
    }


@pytest.mark.parametrize("count", [1, 20])
def test_requests_that_a_server_holds_are_in_flight_and_cost_time(
    servers: ServerPython, module: KernelModule, count: int
) -> None:
    assert module.loaded
    seen = servers.call(counters.hold_requests, count, 0.3)
    held, ended = seen["held"], seen["ended"]
    told = {"in flight", "in_flight", "inflight reads"}
    assert {field: held[field] for field in told} == dict.fromkeys(told, count)
    assert (held["reads"], held["inflight writes"], held["queued"]) == (0, 0, 0)
    assert (ended["in flight"], ended["in_flight"], ended["reads"]) == (0, 0, count)
    assert ended["read ms"] >= 250 * count
    assert 250 <= ended["io ms"] <= ended["queue ms"] + 250


def test_failed_reads_are_errors_and_no_bytes(servers: ServerPython, module: KernelModule) -> None:
    assert module.loaded
    grown = servers.call(counters.fail_reads, 9)
    assert grown == {"errors": 9, "requests": 9, "read_bytes": 0}


def test_block_sizes_and_size_are_told_as_created(python: RemotePython, small: str) -> None:
    told = python.call(counters.geometry, small)
    sizes = ("size", "logical block", "physical block", "minimum io", "read only",
             "alignment offset")  # fmt: skip
    assert [told[what] for what in sizes] == [SIZE, 4096, 4096, 4096, 0, 0]


def test_the_geometry_has_as_many_sectors_as_the_device(python: RemotePython, small: str) -> None:
    told = python.call(counters.geometry, small)
    assert told["heads"] * told["sectors"] * told["cylinders"] * 512 == SIZE
    assert told["start"] == 0


def test_the_geometry_of_a_huge_device_does_not_wrap(
    python: RemotePython, start_ramdisk: Callable[..., Process]
) -> None:
    start_ramdisk("--size", "12T")
    told = python.call(counters.geometry, RAMDISK)
    assert told["size"] == 12 << 40
    assert told["cylinders"] == 65_535


def test_iostat_prints_the_device(guest: Guest, small: str) -> None:
    guest.run("dd", f"if={small}", "of=/dev/null", "bs=64k", "count=16", "iflag=direct")
    printed = guest.run("iostat", "-d", "-k", "-o", "JSON", NAME).stdout
    assert f'"disk_device": "{NAME}"' in printed
