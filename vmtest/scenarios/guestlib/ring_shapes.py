# SPDX-License-Identifier: MIT
"""Devices of every shape, served over rings; and shapes and channels that cannot be."""

from __future__ import annotations

import mmap
import os
from functools import partial
from pathlib import Path
from typing import TypedDict

import zosbd2
from zosbd2 import DeviceOptions, Feature, abi
from zosbd2.abi import ExtensionCall
from zosbd2.ring_abi import RING_ATTACH

from . import rawio
from .disks import BLOCK, MIB, Store, discard, opened, udev_held
from .outcomes import outcome
from .ring import NAME, SIZE, device

_MAP_HUGETLB = 0x40000


class Shape(TypedDict):
    """What the block layer says of a device, and what came of I/O to it."""

    queue: dict[str, str]
    depth: str
    right: bool
    in_blocks: bool


def io_to(options: DeviceOptions, attributes: list[str]) -> Shape:
    """Write, read and discard single blocks and many, of a device of some shape.

    *attributes* are those of its queue that are wanted.
    """
    block = options.get("block_size", BLOCK)
    disk = Store(SIZE)
    with udev_held(), zosbd2.served(NAME, SIZE, disk, protocol="ring", **options):
        right = []
        with opened(NAME) as fd:
            for offset, length in ((3 * block, block), (0, MIB), (SIZE - block, block)):
                data = rawio.pattern(length, offset)
                rawio.write_at(fd, data, offset)
                right.append(disk.memory[offset : offset + length] == data)
                right.append(rawio.read_at(fd, length, offset) == data)
            granularity = options.get("discard_granularity", block)
            discard(fd, granularity, granularity)
            right.append(disk.memory[granularity : 2 * granularity] == bytes(granularity))
            right.append(disk.memory[:granularity] != bytes(granularity))
        return {
            "queue": {
                name: Path(f"/sys/block/{NAME}/queue/{name}").read_text().strip()
                for name in attributes
            },
            "depth": Path(f"/sys/block/{NAME}/zosbd2/queue_depth").read_text().strip(),
            "right": all(right),
            "in_blocks": all(
                offset % block == 0 and length % block == 0 for _, offset, length in disk.requests
            ),
        }


def large_requests(max_io_bytes: int, length: int) -> dict[str, object]:
    """Write and read *length* bytes, from huge pages, in one call each: the requests."""
    disk = Store(2 * SIZE)
    queue = Path(f"/sys/block/{NAME}/queue")
    pages = Path("/proc/sys/vm/nr_hugepages")
    pages.write_text(str(length // (2 * MIB)))
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_HUGETLB
    try:
        with (
            udev_held(),
            zosbd2.served(NAME, 2 * SIZE, disk, protocol="ring", max_io_bytes=max_io_bytes),
            opened(NAME) as fd,
            mmap.mmap(-1, length, flags=flags) as memory,
        ):
            most = (queue / "max_hw_sectors_kb").read_text().strip()
            # The block layer itself makes no larger ones than 1280 KiB by default.
            (queue / "max_sectors_kb").write_text(most)
            data = rawio.pattern(length)
            memory[:] = data
            assert os.pwritev(fd, [memory], MIB) == length
            written = disk.memory[MIB : MIB + length] == data
            memory[:] = bytes(length)
            assert os.preadv(fd, [memory], MIB) == length
            return {
                "max_hw_sectors_kb": most,
                "requests": [(kind, size) for kind, _, size in disk.requests],
                "right": [written, memory[:] == data],
            }
    finally:
        pages.write_text("0")


def created(wanted: list[dict[str, int]]) -> list[str]:
    """How creates end, each with these fields of a right one's changed."""
    names = [
        "device_name", "number_of_blocks", "features", "block_size", "timeout_seconds",
        "max_segments", "recovery", "handle", "queues", "queue_depth", "physical_block_size",
        "max_io_bytes", "io_opt", "max_discard_bytes", "discard_granularity", "poll_queues",
        "reserved",
    ]  # fmt: skip
    found = []
    with udev_held(), zosbd2.Control() as control:
        for fields in wanted:
            right = dict.fromkeys(names, 0) | {"number_of_blocks": 4096, "block_size": BLOCK}
            values: dict[str, object] = {**right, "timeout_seconds": 60, **fields}
            values |= {"device_name": abi.name_field(NAME)}
            buffer = bytearray(abi.EXTENDED_CREATE.pack(*values.values()))
            found.append(outcome(partial(control.call, ExtensionCall.CREATE, buffer)))
            control.destroy_all(force=True)
    return found


def attached(wanted: list[dict[str, int]]) -> list[str]:
    """How attaches to a device with FLUSH end, each with these fields of a right one's changed.

    To the handle something is added.
    """
    names = ["handle", "flags", "features", "timeout_ms", "queue", "entries", "requests_offset",
             "answers_offset", "map_bytes", "generation"]  # fmt: skip
    found = []
    with device(features=Feature.FLUSH) as (control, handle):
        for fields in wanted:
            right = dict.fromkeys(names, 0) | {"features": int(Feature.FLUSH)}
            values = right | fields | {"handle": handle + fields.get("handle", 0)}
            reserved = values.pop("reserved", 0).to_bytes(16, "little")
            buffer = bytearray(RING_ATTACH.pack(*values.values(), reserved))
            found.append(outcome(partial(_attach_and_close, control, buffer)))
    return found


def _attach_and_close(control: zosbd2.Control, buffer: bytearray) -> None:
    os.close(control.call(ExtensionCall.ATTACH_QUEUE, buffer))


def entries_of_rings(wanted: list[int], queue_depth: int) -> list[list[int]]:
    """How many entries rings have for each number asked for, and where what is in a mapping."""
    found = []
    with device(queue_depth=queue_depth) as (control, handle):
        for entries in wanted:
            with control.attach_queue(handle, entries=entries) as channel:
                found.append(list(channel.layout))
    return found
