#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A RAM disk: run it as root, and end it with Ctrl-C or "zosbd2ctl destroy NAME"."""

from __future__ import annotations

import argparse
import contextlib
import errno

import zosbd2

BLOCK = 4096
ZEROES = bytes(BLOCK)


class RamDisk:
    """Keeps the blocks that were written; the others are zero."""

    def __init__(self) -> None:
        self.blocks: dict[int, bytes] = {}

    def read(self, offset: int, into: memoryview) -> None:
        for at in range(0, len(into), BLOCK):
            into[at : at + BLOCK] = self.blocks.get((offset + at) // BLOCK, ZEROES)

    def write(self, offset: int, data: memoryview) -> None:
        try:
            for at in range(0, len(data), BLOCK):
                self.blocks[(offset + at) // BLOCK] = bytes(data[at : at + BLOCK])
        except MemoryError:
            raise OSError(errno.ENOSPC, "out of memory") from None

    def discard(self, offset: int, length: int) -> None:
        first, last = offset // BLOCK, (offset + length) // BLOCK
        for block in range(first, last):
            self.blocks.pop(block, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="zosbd2pyramdisk", help="node below /dev")
    parser.add_argument("--mib", type=int, default=512, help="size in MiB")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    disk = RamDisk()
    with zosbd2.served(args.name, args.mib << 20, disk, threads=args.threads) as server:
        print(f"ready: /dev/{args.name}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()


if __name__ == "__main__":
    main()
