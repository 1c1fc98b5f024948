# SPDX-License-Identifier: MIT
"""I/O of every shape: sizes, offsets, alignments, vectors, mappings, the device's ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmtest.guest import Guest, Process
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython
from vmtest.scenarios.conftest import RAMDISK
from vmtest.scenarios.guestlib import model, shapes

from .equipment import ServerPython

BLOCK = 4096
MIB = 1 << 20
# A prime number of blocks: no larger unit fits in, and the last read-ahead is cut.
ODD_BLOCKS = 1031


@pytest.fixture
def small(start_ramdisk: Callable[..., Process]) -> str:
    """A RAM disk of 64 MiB."""
    start_ramdisk("--size", "64M")
    return RAMDISK


@pytest.fixture
def odd(start_ramdisk: Callable[..., Process]) -> str:
    """A RAM disk of a prime number of blocks."""
    start_ramdisk("--size", str(ODD_BLOCKS * BLOCK))
    return RAMDISK


def test_pieces_of_odd_sizes_at_odd_offsets_read_back(python: RemotePython, small: str) -> None:
    python.call(model.write_odd_pieces, small, 7, 80)


def test_aligned_direct_io_succeeds(python: RemotePython, small: str) -> None:
    answer = python.call(shapes.direct_with, small, 0, BLOCK, 3 * BLOCK)
    assert answer == {"read": "success", "write": "success"}


def test_misaligned_direct_io_is_refused(python: RemotePython, small: str) -> None:
    # (bytes into a page, offset, length): a sector's offset, half a block, odd memory, odd offset
    for shape in [(0, 512, BLOCK), (0, 0, 512), (0, 0, BLOCK + 512), (1, 0, BLOCK), (0, 1, BLOCK)]:
        answer = python.call(shapes.direct_with, small, *shape)
        assert answer == {"read": "EINVAL", "write": "EINVAL"}, shape


def test_direct_io_from_the_middle_of_a_page_keeps_the_data(
    python: RemotePython, small: str
) -> None:
    python.call(shapes.direct_from_the_middle_of_a_page, small)


def test_stores_into_a_shared_mapping_reach_the_server(python: RemotePython, small: str) -> None:
    python.call(shapes.mapped_writes_reach_the_server, small)


def test_a_mapping_shows_what_was_written_past_the_cache(python: RemotePython, small: str) -> None:
    python.call(shapes.mapped_reads_see_what_was_written, small)


def test_large_writes_come_in_requests_of_one_mebibyte_at_most(
    servers: ServerPython, module: KernelModule
) -> None:
    assert module.loaded
    for length in (MIB, MIB + BLOCK, 3 * MIB, 5 * MIB - BLOCK):
        sizes = servers.call(shapes.large_write_is_split, length)
        assert max(sizes) <= MIB
        # Scattered pages make bios of 1 MiB at least; each may leave a rest.
        assert len(sizes) <= 2 * -(-length // MIB)


def test_vectors_of_scattered_blocks_keep_their_order(python: RemotePython, small: str) -> None:
    for pieces in (1, 255, 256, 257, 600):
        python.call(shapes.vectored_direct, small, pieces)


def test_vectors_of_odd_lengths_through_the_cache(python: RemotePython, small: str) -> None:
    python.call(shapes.vectored_buffered, small)


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "buffered"])
def test_io_ends_at_the_end_of_the_device(python: RemotePython, odd: str, direct: bool) -> None:
    assert python.call(shapes.end_of_device, odd, direct) == {
        "last block": True,
        "read across the end": BLOCK,
        "read at the end": 0,
        "read past the end": 0,
        "write across the end": BLOCK,
        "write at the end": "ENOSPC",
        "write past the end": "ENOSPC",
    }


def test_every_byte_of_a_device_of_odd_size_can_be_written(python: RemotePython, odd: str) -> None:
    assert python.call(shapes.fill_and_check, odd) == ODD_BLOCKS * BLOCK


def test_read_ahead_stops_at_the_last_block(servers: ServerPython, module: KernelModule) -> None:
    assert module.loaded
    requests = servers.call(shapes.read_ahead_stays_inside, ODD_BLOCKS)
    assert max(offset + length for offset, length in requests) == ODD_BLOCKS * BLOCK


def test_syncs_succeed_on_a_write_through_device(
    guest: Guest, python: RemotePython, small: str
) -> None:
    python.call(shapes.sync_calls, small)
    assert guest.read("/sys/block/zosbd2ramdisk/queue/write_cache").strip() == "write through"
