# SPDX-License-Identifier: MIT
"""Polled I/O: who submits a request ends it himself when it is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from zosbd2 import WireProtocol

from vmtest.guest import Guest, Process

NODE = "/dev/zosbd2ramdisk"
_COUNTERS = "/sys/block/zosbd2ramdisk/zosbd2"
# What the block layer has given to the module and not got back: reads, writes.
_INFLIGHT = "/sys/block/zosbd2ramdisk/inflight"


@pytest.fixture
def protocol() -> WireProtocol:
    """Several queues are served by the ring protocol only."""
    return "ring"


@pytest.fixture
def polled(guest: Guest, start_ramdisk: Callable[..., Process]) -> Iterator[Process]:
    """A RAM disk with a queue for polled I/O."""
    server = start_ramdisk("--size=64M", "--poll-queues=1")
    assert guest.read("/sys/block/zosbd2ramdisk/queue/io_poll").strip() == "1"
    yield server
    guest.run("pkill", "fio", check=False)


def _fio(seed: int, *options: str) -> list[str]:
    return [
        "fio", "--name=polled", f"--filename={NODE}", "--ioengine=io_uring", "--hipri=1",
        "--direct=1", "--rw=randwrite", "--bs=4k", "--size=4M", f"--randseed={seed}", *options,
    ]  # fmt: skip


def _counter(guest: Guest, name: str) -> int:
    return int(guest.read(f"{_COUNTERS}/{name}"))


def _wait_for_writes(guest: Guest) -> None:
    written = f"$(cat {_COUNTERS}/write_bytes)"
    guest.wait_until("it runs", 60, "sh", "-c", f"[ {written} -gt 1000000 ]")


@pytest.mark.parametrize("depth", [1, 16])
def test_what_is_written_by_polled_io_is_read_by_it(
    guest: Guest, polled: Process, depth: int, seed: int
) -> None:
    assert not polled.ended
    guest.run(*_fio(seed, f"--iodepth={depth}", "--verify=crc32c"), timeout=180)
    assert _counter(guest, "errors") == 0
    assert _counter(guest, "in_flight") == 0


def test_ordinary_io_goes_on_beside_it(guest: Guest, polled: Process, seed: int) -> None:
    assert not polled.ended
    with guest.start(*_fio(seed, "--iodepth=8", "--verify=crc32c", "--loops=2")) as load:
        for _ in range(10):
            guest.run("dd", f"if={NODE}", "of=/dev/null", "bs=1M", "count=8", "iflag=direct")
        assert load.wait(180).status == 0
    assert _counter(guest, "errors") == 0


def test_a_forced_destroy_ends_it(guest: Guest, polled: Process, seed: int) -> None:
    with guest.start(*_fio(seed, "--iodepth=16", "--time_based", "--runtime=60")) as load:
        _wait_for_writes(guest)
        guest.run("zosbd2ctl", "destroy", "--force", "zosbd2ramdisk")
        assert polled.wait(20).status == 0
        assert load.wait(30).status != 0


def test_who_polls_no_more_has_his_requests_ended_by_the_time_out(
    guest: Guest, start_ramdisk: Callable[..., Process], seed: int
) -> None:
    # It is not to pass before the three commands are over that look at what it would end.
    timeout = round(2 * guest.slowness)
    server = start_ramdisk("--size=64M", "--poll-queues=1", f"--timeout={timeout}")
    with guest.start(*_fio(seed, "--iodepth=16", "--time_based", "--runtime=300")) as load:
        _wait_for_writes(guest)
        try:
            _stopped_with_requests(guest)
            guest.wait_until("their end", 30, "grep", "-qx", " *0 *0", _INFLIGHT)
        finally:
            guest.run("pkill", "-CONT", "fio")
        guest.run("pkill", "-INT", "fio")
        # That is what fio says of the signal; an error of I/O would be 1.
        assert load.wait(60).status == 128
    assert not server.ended
    assert _counter(guest, "errors") == _counter(guest, "timeouts") == 0


def _stopped_with_requests(guest: Guest) -> None:
    """Stop fio when it has not polled for all requests that are answered."""
    for _ in range(50):
        guest.run("pkill", "-STOP", "fio")
        guest.wait_until("their answers", 10, "grep", "-qx", "0", f"{_COUNTERS}/in_flight")
        if guest.read(_INFLIGHT).split() != ["0", "0"]:
            return
        guest.run("pkill", "-CONT", "fio")
    raise AssertionError("fio was stopped 50 times, and had polled for everything each time")
