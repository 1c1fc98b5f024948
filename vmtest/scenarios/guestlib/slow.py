# SPDX-License-Identifier: MIT
"""A server whose callbacks are slow, and how soon each of several requests ends."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import zosbd2
from zosbd2 import WireProtocol

from .disks import BLOCK, MIB, reader, udev_held
from .memory_disk import RequestLog
from .patience import stretched

#: What a read takes. Seconds.
SECONDS = stretched(0.1)


class _Slow(RequestLog):
    """Takes its time for each read."""

    def read(self, offset: int, into: memoryview) -> None:
        """Zeroes, later."""
        time.sleep(SECONDS)
        super().read(offset, into)


def ends_of_reads(protocol: WireProtocol, library: str) -> list[float]:
    """Four reads at a time of a server with one thread: when they end, in reads' durations.

    The server is the Python package's, or with ``library`` "C" zosbd2_file on the one of Python.
    """
    with (
        udev_held(),
        zosbd2.served("slow", 8 * MIB, _Slow(8 * MIB), protocol=protocol),
        _over("slow", library) as name,
    ):
        # Far apart, so that nothing of it is read ahead, or merged.
        readers = [reader(name, at * MIB) for at in range(1, 5)]
        for one in readers:
            assert one.end() == bytes(BLOCK)
        return sorted(one.seconds / SECONDS for one in readers)


@contextmanager
def _over(name: str, library: str) -> Iterator[str]:
    if library == "Python":
        yield name
        return
    command = ["zosbd2_file", "--name=over", "--threads=1", f"/dev/{name}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert select.select([server.stdout], [], [], stretched(20))[0], "it is not ready"
            line = server.stdout.readline()
            assert line.startswith("ready"), line
            yield "over"
        finally:
            subprocess.run(["zosbd2ctl", "destroy", "--force", "over"], check=False)
            server.wait(stretched(20))
