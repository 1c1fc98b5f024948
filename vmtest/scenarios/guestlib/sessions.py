# SPDX-License-Identifier: MIT
"""Devices with features: served by hand, or from memory with a log."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import zosbd2
from zosbd2.abi import NO_FEATURES, Operation

from .disks import MIB, Submitter, outlived, udev_held
from .servers import attached

SIZE = 16 * MIB


@contextlib.contextmanager
def session_exchange(
    control: zosbd2.Control,
    features: zosbd2.Feature = NO_FEATURES,
    protocol: zosbd2.WireProtocol = "classic",
    *,
    size: int = SIZE,
) -> Iterator[zosbd2.Exchange]:
    """/dev/testdisk, which the caller serves by hand, with nobody else looking at it."""
    with udev_held():
        handle = control.create("testdisk", size, features=features)
        try:
            server = attached(control, handle, protocol)
            with server.node:
                yield server
        finally:
            outlived(control, handle)


class Log:
    """What a server was asked for, in the order in which it fetched it."""

    def __init__(self, size: int = SIZE) -> None:
        self.memory = bytearray(size)
        self.entries: list[str] = []

    def answer(self, request: zosbd2.Request) -> zosbd2.Answer:
        """Do what *request* wants, and note it: such as ``write 0+4096 fua``."""
        start, end = request.offset, request.offset + request.total_length
        words = [request.operation.name.removesuffix("_REQUEST").lower()]
        if request.operation is not Operation.FLUSH_REQUEST:
            words.append(f"{start}+{request.total_length}")
        words += [name for name in ("fua", "no_unmap") if getattr(request, name)]
        self.entries.append(" ".join(words))
        match request.operation:
            case Operation.READ_REQUEST:
                return request.answer(bytes(self.memory[start:end]))
            case Operation.WRITE_REQUEST:
                self.memory[start:end] = request.data
            case Operation.WRITE_ZEROES_REQUEST:
                self.memory[start:end] = bytes(end - start)
        return request.answer()


@contextlib.contextmanager
def logged(
    features: zosbd2.Feature, protocol: zosbd2.WireProtocol = "classic", log: Log | None = None
) -> Iterator[Log]:
    """/dev/testdisk with *features*, served from memory by one thread."""
    log = log or Log()
    zosbd2.install_wake_handler()
    with (
        zosbd2.Control() as control,
        session_exchange(control, features, protocol, size=len(log.memory)) as server,
    ):

        def serve() -> None:
            answer = None
            while isinstance(message := server.call(answer), zosbd2.Request):
                answer = log.answer(message)

        thread = Submitter(serve)
        try:
            yield log
        finally:
            control.destroy(server.handle, force=True)
            thread.end()


@contextlib.contextmanager
def mounted(node: str, *options: str) -> Iterator[Path]:
    """A file system, mounted."""
    where = Path("/tmp/mounted")
    where.mkdir(exist_ok=True)
    subprocess.run(["mount", *options, node, str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


def queue(attribute: str) -> str:
    """An attribute of /dev/testdisk's queue."""
    return Path(f"/sys/block/testdisk/queue/{attribute}").read_text().strip()
