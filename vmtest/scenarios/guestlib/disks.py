# SPDX-License-Identifier: MIT
"""Devices for scenarios: created, served from memory, read and written past the page cache."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import zosbd2

from .patience import stretched, wait_until
from .processes import oldest, state
from .servers import attached

MIB = 1 << 20
BLOCK = 4096
WAIT, FAIL = zosbd2.Recovery.WAIT, zosbd2.Recovery.FAIL
_BLKDISCARD = 0x1277
_SYS_IOCTL = 16


class Store:
    """A RAM disk's memory; ``requests`` are (kind, offset, length) in order of arrival."""

    def __init__(self, size: int) -> None:
        self.memory = bytearray(size)
        self.requests: list[tuple[str, int, int]] = []

    def read(self, offset: int, into: memoryview) -> None:
        """Fill *into*."""
        self.requests.append(("read", offset, len(into)))
        into[:] = self.memory[offset : offset + len(into)]

    def write(self, offset: int, data: memoryview) -> None:
        """Keep *data*."""
        self.requests.append(("write", offset, len(data)))
        self.memory[offset : offset + len(data)] = data

    def discard(self, offset: int, length: int) -> None:
        """Zero it."""
        self.requests.append(("discard", offset, length))
        self.memory[offset : offset + length] = bytes(length)


@contextlib.contextmanager
def created(
    control: zosbd2.Control,
    name: str,
    size: int = 16 * MIB,
    *,
    timeout_seconds: int = 60,
    recovery: int = WAIT,
) -> Iterator[int]:
    """A device that nobody serves yet; destroyed by force if it is still there at the end."""
    handle = control.create(
        name, size, timeout_seconds=timeout_seconds, recovery=zosbd2.Recovery(recovery)
    )
    try:
        yield handle
    finally:
        outlived(control, handle)


@contextlib.contextmanager
def exchange(
    control: zosbd2.Control,
    name: str,
    protocol: zosbd2.WireProtocol = "classic",
    *,
    size: int = 16 * MIB,
    timeout_seconds: int = 60,
) -> Iterator[zosbd2.Exchange]:
    """A device that the caller serves by hand, with nobody else looking at it.

    In the classic protocol that is through the block device, as the first servers did.
    """
    with (
        udev_held(),
        created(control, name, size, timeout_seconds=timeout_seconds) as handle,
        by_hand(control, name, handle, protocol) as server,
    ):
        try:
            yield server
        finally:
            # Before the node is closed: closing it would wait for write-back.
            outlived(control, handle)


@contextlib.contextmanager
def by_hand(
    control: zosbd2.Control, name: str, handle: int, protocol: zosbd2.WireProtocol
) -> Iterator[zosbd2.Exchange]:
    """A server of a device, through the block device or a channel."""
    if protocol == "ring":
        server = attached(control, handle, protocol)
    else:
        server = zosbd2.Exchange(zosbd2.DeviceNode(name), handle)
    with server.node:
        yield server


@contextlib.contextmanager
def unwatched(
    control: zosbd2.Control, recovery: int = WAIT, *, timeout_seconds: int = 60
) -> Iterator[int]:
    """/dev/testdisk, with nobody looking at it; destroyed by force at the end."""
    with (
        udev_held(),
        created(control, "testdisk", timeout_seconds=timeout_seconds, recovery=recovery) as handle,
    ):
        yield handle


def outlived(control: zosbd2.Control, handle: int) -> None:
    """Destroy a device unless somebody has done so."""
    with contextlib.suppress(zosbd2.NoSuchDevice):
        control.destroy(handle, force=True)


@contextlib.contextmanager
def udev_held() -> Iterator[None]:
    """Keep udev from looking into new devices, where each request is counted.

    It sleeps meanwhile, and finds its events afterwards. To ask udevadm for that takes seconds on a
    debug kernel.
    """
    udevd = oldest("systemd-udevd")
    os.kill(udevd, signal.SIGSTOP)
    try:
        wait_until("udev stands still", lambda: state(udevd) == "T")
        yield
    finally:
        os.kill(udevd, signal.SIGCONT)


@contextlib.contextmanager
def opened(name: str, flags: int = os.O_RDWR | os.O_DIRECT) -> Iterator[int]:
    """The block device, past the page cache."""
    fd = os.open(f"/dev/{name}", flags | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def pread(fd: int, length: int, offset: int) -> bytes:
    """Read from a descriptor with O_DIRECT, which wants aligned memory."""
    with mmap.mmap(-1, length) as memory:
        got = os.preadv(fd, [memory], offset)
        return memory[:got]


def pwrite(fd: int, data: bytes, offset: int) -> int:
    """Write to a descriptor with O_DIRECT, which wants aligned memory."""
    with mmap.mmap(-1, len(data)) as memory:
        memory[:] = data
        return os.pwritev(fd, [memory], offset)


def discard(fd: int, offset: int, length: int) -> int:
    """Discard, and nothing else: blkdiscard(8) looks for file systems first.  Returns 0."""
    fcntl.ioctl(fd, _BLKDISCARD, struct.pack("=QQ", offset, length))
    return 0


def pattern(offset: int, length: int, seed: int = 0) -> bytes:
    """Bytes that differ from block to block and from seed to seed."""
    blocks = range(offset // BLOCK, (offset + length) // BLOCK)
    return b"".join(
        (block.to_bytes(8, "little") + seed.to_bytes(8, "little")) * (BLOCK // 16)
        for block in blocks
    )


def answer_of(request: zosbd2.Request) -> zosbd2.Answer:
    """Right for a read of a block."""
    return request.answer(pattern(request.offset, BLOCK))


class Submitter:
    """I/O in a thread of its own: how it ended, what it returned, how long it took."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.value: object = None
        self.error: Exception | None = None
        self.seconds = 0.0
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self, timeout: float = 30.0) -> object:
        """Wait for the end; returns what the work returned, raises what it raised."""
        self._thread.join(stretched(timeout))
        if self._thread.is_alive():
            raise TimeoutError(f"I/O did not end within {stretched(timeout)} s")
        if self.error is not None:
            raise self.error
        return self.value

    def waits_for_the_module(self) -> bool:
        """Whether its thread sleeps in a call of the module."""
        return sleeps_in_ioctl(os.getpid(), self._thread.native_id or 0)

    def _run(self) -> None:
        began = time.monotonic()
        try:
            self.value = self._work()
        except Exception as error:  # for the one who awaits it
            self.error = error
        self.seconds = time.monotonic() - began


def reader(name: str, offset: int, length: int = BLOCK) -> Submitter:
    """Reads from the device in the background."""

    def work() -> bytes:
        with opened(name) as fd:
            return pread(fd, length, offset)

    return Submitter(work)


def writer(name: str, data: bytes, offset: int) -> Submitter:
    """Writes to the device in the background."""

    def work() -> int:
        with opened(name) as fd:
            return pwrite(fd, data, offset)

    return Submitter(work)


def discarder(name: str, offset: int, length: int) -> Submitter:
    """Discards a piece of the device in the background."""

    def work() -> int:
        with opened(name) as fd:
            return discard(fd, offset, length)

    return Submitter(work)


def sleeps_in_ioctl(process: int, thread: int) -> bool:
    """Whether a thread does, as one does that waits for a request."""
    call = Path(f"/proc/{process}/task/{thread}/syscall").read_text()
    return call.split()[0] == str(_SYS_IOCTL)


def counter(name: str, which: str) -> int:
    """One of the device's counters."""
    return int(Path(f"/sys/block/{name}/zosbd2/{which}").read_text())
