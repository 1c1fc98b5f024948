# SPDX-License-Identifier: MIT
"""Closes files whose I/O is still under way, so that the end of the I/O closes them for good."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from zosbd2 import WireProtocol

from . import memory_disk, processes, rawio
from .memory_disk import MemoryDisk
from .patience import stretched, wait_until

# From asm/unistd_64.h of x86 and asm-generic/unistd.h.
_IO_SETUP, _IO_GETEVENTS, _IO_SUBMIT = {
    "x86_64": (206, 208, 209),
    "aarch64": (0, 4, 2),
}[os.uname().machine]
_PREAD = 0  # IOCB_CMD_PREAD
_BLKRRPART = 0x125F  # linux/fs.h

_libc = ctypes.CDLL(None, use_errno=True)


def _syscall(number: int, *args: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class _Reading:
    """A block that is read from the start of ``fd``, by io_submit(2)."""

    def __init__(self, fd: int) -> None:
        self._memory = rawio.aligned(rawio.BLOCK)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        # struct iocb of linux/aio_abi.h, 64 bytes.
        fields = (0, 0, 0, _PREAD, 0, fd, address, rawio.BLOCK, 0, 0, 0, 0)
        self._iocb = ctypes.create_string_buffer(struct.pack("=QIIHhIQQqQII", *fields), 64)
        self._context = ctypes.c_ulong(0)
        _syscall(_IO_SETUP, ctypes.c_long(1), ctypes.byref(self._context))
        blocks = (ctypes.c_void_p * 1)(ctypes.addressof(self._iocb))
        _syscall(_IO_SUBMIT, self._context, ctypes.c_long(1), blocks)

    def read(self) -> int:
        """How many bytes were read, or the negative error."""
        event = ctypes.create_string_buffer(32)
        deadline = struct.pack("=qq", int(stretched(30)), 0)
        one = ctypes.c_long(1)
        if not _syscall(_IO_GETEVENTS, self._context, one, one, event, deadline):
            raise TimeoutError("the read that was submitted has not ended")
        bytes_read: int = struct.unpack_from("=q", event, 16)[0]
        return bytes_read


def _read_and_close(fd: int, server: int) -> int:
    """Read from ``fd`` and close it before the process ``server`` can have answered."""
    try:
        os.kill(server, signal.SIGSTOP)
        wait_until("the server has stopped", lambda: processes.state(server) == "T")
        reading = _Reading(fd)
        os.close(fd)
    finally:
        os.kill(server, signal.SIGCONT)
    return reading.read()


def of_the_device(node: str, server: int) -> int:
    """The device itself is closed; returns what was read of it."""
    rawio.settle()
    return _read_and_close(os.open(node, os.O_RDONLY | os.O_DIRECT), server)


def before_a_partition_scan(node: str, server: int) -> str:
    """The device is closed, and then the kernel reads its partition table."""
    assert of_the_device(node, server) == rawio.BLOCK

    def scan() -> None:
        with rawio.opened(node, os.O_RDONLY) as fd:
            fcntl.ioctl(fd, _BLKRRPART)

    return _outcome(scan, node)


def of_a_deleted_file(path: str, other: str, server: int, node: str) -> str:
    """``path`` is deleted and closed, which frees its blocks, and then ``other`` is read.

    The file system has just been mounted, so it has to be read what is free.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    Path(path).unlink()
    os.sync()
    free = os.statvfs(other).f_ffree
    assert _read_and_close(fd, server) == rawio.BLOCK

    def use() -> None:
        Path(other).read_bytes()
        wait_until("the file is freed", lambda: os.statvfs(other).f_ffree > free)

    return _outcome(use, node)


class _SlowDisk(MemoryDisk):
    """Reads wait until ``go`` is set, when ``slow``."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.slow = False
        self.go = threading.Event()

    def read(self, offset: int, into: memoryview) -> None:
        """Fill ``into``."""
        if self.slow:
            self.go.wait(stretched(30))
        super().read(offset, into)


def _descriptors(path: str) -> list[Path]:
    """Below /proc/self/fd, all of the file at ``path``."""
    return [one for one in Path("/proc/self/fd").iterdir() if os.path.realpath(one) == path]


def of_a_server(protocol: WireProtocol, headless: bool) -> dict[str, object]:
    """A server closes its own device amid I/O, which another process has open; then that closes.

    What the server serves through has two descriptors, and still is one open. A ``headless`` one
    has lost its first thread.
    """
    if headless:
        return processes.without_first_thread(lambda: _of_this_server(protocol))
    return _of_this_server(protocol)


def _of_this_server(protocol: WireProtocol) -> dict[str, object]:
    name = "ownclose"
    with memory_disk.serving(name, 4 << 20, _SlowDisk, protocol) as (node, disk):
        with subprocess.Popen(
            ["sh", "-c", f"exec 3<{node}; echo open; read _"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as other:  # fmt: skip
            assert other.stdout is not None
            other.stdout.readline()
            duplicates = [os.dup(int(one.name)) for one in _descriptors(node)]
            fd = os.open(node, os.O_RDONLY | os.O_DIRECT)
            disk.slow = True
            reading = _Reading(fd)
            os.close(fd)
            disk.go.set()
            read = reading.read()
            time.sleep(1)  # what is not to happen would be over by then
            used = subprocess.run(["zosbd2ctl", "destroy", name], check=False, timeout=30)
            other.communicate(b"\n")
        unused = subprocess.run(["zosbd2ctl", "destroy", name], check=False, timeout=30)
        for duplicate in duplicates:
            os.close(duplicate)
    return {"read": read, "used": used.returncode, "unused": unused.returncode}


def _outcome(do: Callable[[], None], node: str) -> str:
    """Whether ``do`` ends; a hung one is freed by a forced destroy of the device."""
    child = os.fork()
    if not child:
        status = 1
        try:
            do()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    deadline = time.monotonic() + stretched(15)
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return f"ended {os.waitstatus_to_exitcode(status)}"
        time.sleep(0.05)
    subprocess.run(["zosbd2ctl", "destroy", node.removeprefix("/dev/"), "--force"], check=True)
    os.waitpid(child, 0)
    return "hung"
