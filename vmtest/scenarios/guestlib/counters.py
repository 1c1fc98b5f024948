# SPDX-License-Identifier: MIT
"""What the kernel counts about a device, against what was really done to it."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from pathlib import Path

import zosbd2
from zosbd2 import WireProtocol

from . import rawio
from .disks import by_hand

# Documentation/admin-guide/iostats.rst
_STAT_FIELDS = (
    "reads", "reads merged", "sectors read", "read ms",
    "writes", "writes merged", "sectors written", "write ms",
    "in flight", "io ms", "queue ms",
    "discards", "discards merged", "sectors discarded", "discard ms",
    "flushes", "flush ms",
)  # fmt: skip

_BLKDISCARD = 0x1277
_NAME = "counters"


def stat(name: str) -> dict[str, int]:
    """/sys/block/NAME/stat."""
    values = Path(f"/sys/block/{name}/stat").read_text().split()
    return dict(zip(_STAT_FIELDS, map(int, values), strict=True))


def diskstats(name: str) -> dict[str, int]:
    """The line of /proc/diskstats."""
    for line in Path("/proc/diskstats").read_text().splitlines():
        _, _, disk, *values = line.split()
        if disk == name:
            return dict(zip(_STAT_FIELDS, map(int, values), strict=True))
    raise AssertionError(f"{name} is not in /proc/diskstats")


def own(name: str, *fields: str) -> dict[str, int]:
    """The module's own counters."""
    folder = Path(f"/sys/block/{name}/zosbd2")
    return {field: int((folder / field).read_text()) for field in fields}


def count_direct_io(name: str, reads: int, writes: int, discards: int) -> dict[str, dict[str, int]]:
    """Do that many of each, 8 KiB a time; by how much each counter grew."""
    fields = ("requests", "read_bytes", "write_bytes", "discard_bytes", "errors", "in_flight")
    with rawio.opened(f"/dev/{name}") as fd:
        rawio.settle()
        before = {"stat": stat(name), "diskstats": diskstats(name), "own": own(name, *fields)}
        memory = rawio.aligned(8192)
        for index in range(writes):
            os.pwritev(fd, [memory], index * 8192)
        for index in range(reads):
            os.preadv(fd, [memory], index * 8192)
        for index in range(discards):
            fcntl.ioctl(fd, _BLKDISCARD, struct.pack("=QQ", index * 8192, 8192))
        after = {"stat": stat(name), "diskstats": diskstats(name), "own": own(name, *fields)}
    return {
        place: {field: after[place][field] - before[place][field] for field in after[place]}
        for place in after
    }


def geometry(device: str) -> dict[str, int]:
    """HDIO_GETGEO, and the sizes that the block layer tells."""
    numbers = {
        "size": (0x80081272, "Q"),
        "logical block": (0x1268, "i"),
        "physical block": (0x127B, "I"),
        "minimum io": (0x1278, "I"),
        "read only": (0x125E, "i"),
        "alignment offset": (0x127A, "i"),
    }
    with rawio.opened(device, os.O_RDONLY) as fd:
        found = {
            what: struct.unpack_from("=" + kind, fcntl.ioctl(fd, number, bytes(8)))[0]
            for what, (number, kind) in numbers.items()
        }
        heads, sectors, cylinders, start = struct.unpack(
            "@BBHL", fcntl.ioctl(fd, 0x0301, bytes(16))
        )
    return found | {"heads": heads, "sectors": sectors, "cylinders": cylinders, "start": start}


def hold_requests(protocol: WireProtocol, count: int, seconds: float) -> dict[str, dict[str, int]]:
    """Hold ``count`` reads for a while in a server: the counters then, and once they ended."""
    with zosbd2.Control() as control:
        handle = control.create(_NAME, 64 << 20)
        try:
            with by_hand(control, _NAME, handle, protocol) as server:
                return _hold(server, count, seconds)
        finally:
            control.destroy(handle, force=True)


def _hold(server: zosbd2.Exchange, count: int, seconds: float) -> dict[str, dict[str, int]]:
    _serve_udev(server)
    before = stat(_NAME)
    readers = [
        threading.Thread(target=_read_block, args=(index,), daemon=True) for index in range(count)
    ]
    for reader in readers:
        reader.start()
    requests = [server.fetch_request(timeout=30) for _ in range(count)]
    held = _growth(before, stat(_NAME)) | own(_NAME, "in_flight", "queued")
    reading, writing = Path(f"/sys/block/{_NAME}/inflight").read_text().split()
    held |= {"inflight reads": int(reading), "inflight writes": int(writing)}
    time.sleep(seconds)  # what is measured: how long a request took
    for request in requests:
        server.hand_in(request.answer())
    for reader in readers:
        reader.join()
    return {"held": held, "ended": _growth(before, stat(_NAME)) | own(_NAME, "in_flight")}


def _growth(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {field: after[field] - before[field] for field in after}


def _serve_udev(exchange: zosbd2.Exchange) -> None:
    """Answer what udev asks, until it has looked enough."""
    settled = threading.Event()

    def settle() -> None:
        rawio.settle()
        settled.set()

    threading.Thread(target=settle, daemon=True).start()
    while True:
        try:
            request = exchange.fetch_request(timeout=0.1)
        except TimeoutError:
            if settled.is_set():
                return
            continue
        exchange.hand_in(request.answer(), timeout=0.001)


def _read_block(index: int) -> None:
    # A stride: neighbours might be merged.
    with rawio.opened(f"/dev/{_NAME}", os.O_RDONLY | os.O_DIRECT) as fd:
        rawio.read_at(fd, rawio.BLOCK, index << 20)


def fail_reads(protocol: WireProtocol, count: int) -> dict[str, int]:
    """Reads that the server fails with EIO: the module's counters."""
    disk = _Failing()
    with (
        zosbd2.served(_NAME, 64 << 20, disk, protocol=protocol),
        rawio.opened(f"/dev/{_NAME}") as fd,
    ):
        rawio.settle()
        disk.failing = True
        before = own(_NAME, "errors", "requests", "read_bytes")
        for _ in range(count):
            try:
                rawio.read_at(fd, rawio.BLOCK, 0)
            except OSError:
                continue
            raise AssertionError("a read that the server failed has succeeded")
        return _growth(before, own(_NAME, "errors", "requests", "read_bytes"))


class _Failing:
    failing = False

    def read(self, _offset: int, into: memoryview) -> None:
        if self.failing:
            raise OSError(5, "on purpose")
        into[:] = bytes(len(into))

    def write(self, _offset: int, _data: memoryview) -> None:
        pass

    def discard(self, _offset: int, _length: int) -> None:
        pass
