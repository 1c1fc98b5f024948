# SPDX-License-Identifier: MIT
"""Writes of zeroes, devices that are read-only or have partitions, sizes that change, refusals."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import zosbd2
from zosbd2 import Feature, WireProtocol, abi
from zosbd2.abi import NO_FEATURES, RESPONSE_TO, ExtensionCall

from .disks import (
    BLOCK,
    MIB,
    Store,
    Submitter,
    discard,
    opened,
    outlived,
    pattern,
    pread,
    pwrite,
    udev_held,
)
from .outcomes import outcome
from .patience import wait_until
from .rawio import device_size
from .sessions import SIZE, Log, logged, mounted, queue, session_exchange

_BLKRRPART = 0x125F
_BLKROSET = 0x125D
_BLKZEROOUT = 0x127F
_KEEP_SIZE, _PUNCH_HOLE, _ZERO_RANGE = 0x01, 0x02, 0x10


class _Zeroing(Store):
    """A RAM disk that is served through a session, as it can write zeroes."""

    def write_zeroes(self, offset: int, length: int, no_unmap: bool) -> None:
        self.requests.append(("keep" if no_unmap else "unmap", offset, length))
        self.memory[offset : offset + length] = bytes(length)


def zero_out(fd: int, offset: int, length: int) -> None:
    """BLKZEROOUT, which keeps the space."""
    fcntl.ioctl(fd, _BLKZEROOUT, struct.pack("=QQ", offset, length))


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.fallocate64
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if call(fd, mode, offset, length) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def writes_of_zeroes(protocol: WireProtocol, features: int) -> dict[str, list[str]]:
    """What a server gets when somebody zeroes 1 MiB in three ways."""
    ways: dict[str, Callable[[int], None]] = {
        "BLKZEROOUT": lambda fd: zero_out(fd, MIB, MIB),
        "ZERO_RANGE": lambda fd: fallocate(fd, _ZERO_RANGE | _KEEP_SIZE, MIB, MIB),
        "PUNCH_HOLE": lambda fd: fallocate(fd, _PUNCH_HOLE | _KEEP_SIZE, MIB, MIB),
    }
    found = {}
    with logged(Feature(features), protocol) as log, opened("testdisk", os.O_RDWR) as fd:
        for name, way in ways.items():
            log.memory[: 3 * MIB] = b"\xff" * (3 * MIB)
            log.entries.clear()
            ended = outcome(partial(way, fd))
            found[name] = [ended, *log.entries]
            if ended == "OK":
                assert log.memory[: 3 * MIB] == b"\xff" * MIB + bytes(MIB) + b"\xff" * MIB
    return found


def wrong_answers_to_write_zeroes() -> list[str]:
    """Answers of a wrong kind or length to a write of zeroes, then the right one."""
    with zosbd2.Control() as control, session_exchange(control, Feature.WRITE_ZEROES) as server:

        def work() -> None:
            with opened("testdisk") as fd:
                zero_out(fd, 0, MIB)

        zeroing = Submitter(work)
        right = server.fetch_request().answer()
        wrong = [
            right._replace(operation=each)
            for each in RESPONSE_TO.values()
            if each != right.operation
        ]
        wrong.append(right._replace(total_length=BLOCK))
        found = [outcome(partial(server.call, each, timeout=5)) for each in wrong]
        server.hand_in(right)
        return [*found, outcome(zeroing.end)]


def zeroes_that_the_server_cannot_write(protocol: WireProtocol) -> dict[str, object]:
    """A server that answers EOPNOTSUPP: the block layer writes the zeroes itself."""
    log = Log()
    log.memory[:MIB] = b"\xff" * MIB
    with (
        zosbd2.Control() as control,
        session_exchange(control, Feature.WRITE_ZEROES, protocol) as server,
    ):

        def work() -> None:
            with opened("testdisk") as fd:
                zero_out(fd, 0, MIB)

        zeroing = Submitter(work)
        answer = server.fetch_request().answer(error=-errno.EOPNOTSUPP)
        message = server.call(answer, timeout=10)
        while isinstance(message, zosbd2.Request):
            message = server.call(log.answer(message), timeout=0.5)
        return {"outcome": outcome(zeroing.end), "zeroed": log.memory[:MIB] == bytes(MIB)}


def read_only(protocol: WireProtocol) -> dict[str, str]:
    """What can be done to a read-only device with a file system on it."""
    image = Path("/tmp/image")
    with image.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-b", str(BLOCK), str(image)], check=True)
    disk = Store(SIZE)
    disk.memory[:] = image.read_bytes()
    image.unlink()
    found = {}
    with zosbd2.served("testdisk", SIZE, disk, features=Feature.READ_ONLY, protocol=protocol):
        with opened("testdisk") as fd:
            found["write"] = outcome(lambda: pwrite(fd, bytes(BLOCK), 0))
            found["discard"] = outcome(lambda: discard(fd, 0, MIB))
            found["zero"] = outcome(lambda: zero_out(fd, 0, MIB))
            fcntl.ioctl(fd, _BLKROSET, struct.pack("=i", 0))
            found["write after BLKROSET"] = outcome(lambda: pwrite(fd, bytes(BLOCK), 0))
        with mounted("/dev/testdisk") as where:
            options = subprocess.run(
                ["findmnt", "-no", "OPTIONS", str(where)],
                check=True,
                capture_output=True,
                text=True,
            )
            found["mounted"] = options.stdout.split(",")[0]
            found["file"] = outcome((where / "file").touch)
        found["discard_max_bytes"] = queue("discard_max_bytes")
    found["other requests"] = " ".join({kind for kind, _, _ in disk.requests} - {"read"})
    return found


def _with_partition(disk: Store, start: int, length: int) -> None:
    """A partition table with one entry, in bytes."""
    entry = struct.pack("<B3sB3sII", 0, b"", 0x83, b"", start // BLOCK, length // BLOCK)
    disk.memory[446 : 446 + len(entry)] = entry
    disk.memory[510:512] = b"\x55\xaa"


@contextlib.contextmanager
def open_elsewhere(node: str) -> Iterator[None]:
    """Another process has *node* open; this one may be its server, which does not count."""
    with subprocess.Popen(
        ["sh", "-c", 'exec 3<"$0" && echo && read _', node],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"\n", f"{node} does not open"
        yield
        process.stdin.close()


def partitions(protocol: WireProtocol, features: int) -> dict[str, object]:
    """A table that is there before the device: before and after BLKRRPART, and in use."""
    disk = Store(SIZE)
    _with_partition(disk, MIB, 4 * MIB)
    partition = Path("/sys/block/testdisk/testdisk1")
    found: dict[str, object] = {}
    with (
        udev_held(),
        zosbd2.served("testdisk", SIZE, disk, features=Feature(features), protocol=protocol),
        zosbd2.Control() as control,
    ):
        with opened("testdisk", os.O_RDONLY) as fd:
            found["before"] = partition.exists()
            found["BLKRRPART"] = outcome(lambda: fcntl.ioctl(fd, _BLKRRPART))
        found["after"] = partition.exists()
        if partition.exists():
            wait_until("the partition's node", Path("/dev/testdisk1").is_block_device)
            with opened("testdisk1") as fd:
                found["size"] = device_size(fd)
                pwrite(fd, pattern(0, BLOCK), BLOCK)
            with open_elsewhere("/dev/testdisk1"):
                busy = partial(control.destroy, "testdisk", patience=0)
                found["destroy"] = outcome(busy)
            found["arrived"] = disk.memory[MIB + BLOCK :][:BLOCK] == pattern(0, BLOCK)
    found["at the end"] = partition.exists()
    return found


def partition_behind_the_end(protocol: WireProtocol) -> dict[str, object]:
    """Shrink a device so that a partition is cut in two, then read behind the new end."""
    disk = _Zeroing(SIZE)
    _with_partition(disk, MIB, 12 * MIB)
    with (
        udev_held(),
        zosbd2.Control() as control,
        zosbd2.served(
            "testdisk",
            SIZE,
            disk,
            features=Feature.PARTITIONS | Feature.WRITE_ZEROES,
            protocol=protocol,
        ),
    ):
        with opened("testdisk", os.O_RDONLY) as fd:
            fcntl.ioctl(fd, _BLKRRPART)
        wait_until("the partition's node", Path("/dev/testdisk1").is_block_device)
        control.resize(control.lookup("testdisk"), 8 * MIB)
        disk.requests.clear()

        def read() -> None:
            with opened("testdisk1", os.O_RDONLY | os.O_DIRECT) as fd:
                pread(fd, BLOCK, 10 * MIB)

        ended = outcome(read)
        beyond = [request for request in disk.requests if request[1] >= 8 * MIB]
        return {"read": ended, "beyond": beyond}


def resize_under_an_opener(protocol: WireProtocol) -> dict[str, object]:
    """Grow and shrink a device that somebody has open, and shrink it when nobody has."""
    disk = _Zeroing(32 * MIB)
    found: dict[str, object] = {}
    with udev_held(), zosbd2.Control() as control:
        handle = control.create("testdisk", SIZE, features=Feature.WRITE_ZEROES)
        try:
            with zosbd2.Server(control, handle, disk, protocol=protocol):
                with opened("testdisk") as fd:
                    found["behind the end"] = outcome(lambda: pwrite(fd, bytes(BLOCK), SIZE))
                    control.resize(handle, 32 * MIB)
                    found["size"] = device_size(fd)
                    pwrite(fd, pattern(SIZE, BLOCK), SIZE)
                    found["arrived"] = disk.memory[SIZE:][:BLOCK] == pattern(SIZE, BLOCK)
                    shrink = partial(control.resize, handle, 8 * MIB, patience=0)
                    found["shrink"] = outcome(shrink)
                    found["size after"] = device_size(fd)
                found["shrink when closed"] = outcome(shrink)
                with opened("testdisk") as fd:
                    found["small"] = device_size(fd)
                found["described"] = control.describe(handle).size
                found["classic"] = control.status(handle).size
        finally:
            outlived(control, handle)
    return found


def described() -> dict[str, object]:
    """What the module says of itself and of a device with everything."""
    with zosbd2.Control() as control:
        features = control.info().features
        handle = control.create(
            "testdisk",
            SIZE,
            features=features,
            recovery=zosbd2.Recovery.FAIL,
            timeout_seconds=7,
            max_segments=12,
            block_size=512,
            queue_depth=32,
            physical_block_size=2048,
            max_io_bytes=MIB // 2,
            io_opt=8192,
            max_discard_bytes=4 * MIB,
            discard_granularity=1024,
        )
        try:
            unserved = control.describe(handle)
            with control.attach(handle):
                served = control.describe(handle).servers
            return {
                "version": control.info().version,
                "features": int(unserved.features),
                "all": features == ~NO_FEATURES,
                "name": unserved.name,
                "size": unserved.size,
                "timeout": unserved.timeout_seconds,
                "segments": unserved.max_segments,
                "recovery": int(unserved.recovery),
                "shape": [unserved.block_size, *unserved[unserved._fields.index("queues") :]],
                "servers": [unserved.servers, served, control.describe(handle).servers],
            }
        finally:
            outlived(control, handle)


def refused_creates() -> dict[str, str]:
    """Creates that differ from a right one in one field."""
    wrong: dict[str, dict[int, object]] = {
        "unknown feature": {2: 1 << 6},
        "feature of the last bit": {2: 1 << 63},
        "FUA without FLUSH": {2: int(Feature.FUA)},
        "block size": {3: 256},
        "no time-out": {4: 0},
        "segments": {5: 257},
        "recovery": {6: 2},
        "reserved": {16: 1},
        "queues for polled I/O": {15: 65},
        "too small": {1: 1023},
        "too large": {1: abi.MAX_BLOCKS + 1},
        "no name": {0: b""},
        "name with a slash": {0: b"a/b"},
        "name without end": {0: b"x" * 32},
    }
    right = [b"testdisk", SIZE // BLOCK, 0, BLOCK, 60, *(0,) * 12]
    with zosbd2.Control() as control:
        found = {}
        for name, fields in wrong.items():
            values = [fields.get(index, value) for index, value in enumerate(right)]
            buffer = bytearray(abi.EXTENDED_CREATE.pack(*values))
            found[name] = outcome(partial(control.call, ExtensionCall.CREATE, buffer))
        assert control.handles() == []
        return found


def refused_calls() -> dict[str, str]:
    """Attaches, resizes and looks that are wrong in one way."""
    with zosbd2.Control() as control, session_exchange(control, Feature.FLUSH) as server:
        handle, knows = server.handle, int(Feature.FLUSH)
        attach = partial(_call, control, ExtensionCall.ATTACH, abi.ATTACH)
        resize = partial(_call, control, ExtensionCall.RESIZE, abi.RESIZE)
        status = partial(_call, control, ExtensionCall.GET_STATUS, abi.EXTENDED_STATUS)
        return {
            "attach, flag": attach(handle, 2, knows, 0, b""),
            "attach, reserved": attach(handle, 0, knows, 0, b"\1"),
            "attach, lacking": attach(handle, 0, int(Feature.WRITE_ZEROES), 0, b""),
            "attach, nowhere": attach(handle + 1, 0, knows, 0, b""),
            "attach, not of servers": attach(handle, 0, knows | Feature.READ_ONLY, 0, b""),
            "resize, reserved": resize(handle, 1, 2048),
            "resize, small": resize(handle, 0, 1023),
            "resize, large": resize(handle, 0, abi.MAX_BLOCKS + 1),
            "resize, nothing": resize(handle + 1, 0, 2048),
            "status, nothing": status(handle + 1, *(0,) * 7, b"", *(0,) * 8),
            "session, unknown call": outcome(partial(server.node.call, 59)),
            "unknown call": outcome(partial(control.call, 0x4010BD05, bytearray(16))),
        }


def _call(control: zosbd2.Control, number: int, layout: struct.Struct, *values: int | bytes) -> str:
    return outcome(partial(control.call, number, bytearray(layout.pack(*values))))
