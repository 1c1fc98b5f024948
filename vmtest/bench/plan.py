# SPDX-License-Identifier: MIT
"""What is measured of a target, as the host asks for it and the guest does it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

#: As fio names them.
PATTERNS = ("randread", "randwrite", "read", "write")
#: In bytes.
BLOCK_SIZES = (4 << 10, 128 << 10)
QUEUE_DEPTHS = (1, 16, 64)
#: Of targets that keep what is written to them.
WORKLOADS = ("mkfs.ext4", "files")

#: Of every target: small enough to be filled in a moment.
DISK_SIZE = 64 << 20


@dataclass(frozen=True)
class Row:
    """A way to do I/O: ``block_size`` in bytes, ``queue_depth`` in requests."""

    pattern: str
    block_size: int
    queue_depth: int


@dataclass(frozen=True)
class Amount:
    """How many I/Os are done to measure a row."""

    #: How many times fewer than usual: for a target that is slow.
    slowness: int = 1
    #: How many times more than usual: for a figure that little things do not sway.
    effort: int = 1
    #: How often a job of few and a job of many is run.
    pairs: int = 5

    def counts(self, row: Row) -> tuple[int, int]:
        """Few, and many. A figure comes of their difference: what happens once is not in it."""
        few, more = (500, 4000) if row.block_size < (32 << 10) else (50, 500)
        few = max(few // self.slowness, 2 * row.queue_depth)  # the queue is to be full
        return few, few + more * self.effort // self.slowness


@dataclass(frozen=True)
class Disk:
    """How a device is brought about."""

    #: Modules to load: the path, then parameters.
    modules: list[list[str]]
    #: Commands that are run to their end, one after the other.
    preparations: list[list[str]]
    #: The command that serves the device until it is killed, if there is one.
    server: list[str] | None
    #: What the server says when it serves.
    ready: str
    #: The device.
    node: str


@dataclass(frozen=True)
class Plan:
    """All that the guest is told that counts instructions."""

    disk: Disk
    rows: list[Row]
    workloads: list[str]
    #: How many I/Os are done, see Amount.
    amount: Amount
    #: Whether to mark what is counted of the one row, and to tell where programs and functions are.
    profiled: bool = False

    def to_json(self) -> str:
        """For the guest."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """What ``to_json`` made."""
        values = json.loads(text)
        values["disk"] = Disk(**values["disk"])
        values["rows"] = [Row(**row) for row in values["rows"]]
        values["amount"] = Amount(**values["amount"])
        return cls(**values)


@dataclass(frozen=True)
class Contest:
    """All that the guest is told in which disks take turns."""

    #: By the names of their targets.
    disks: dict[str, Disk]
    rows: list[Row]
    #: How often each disk has its turn with a row.
    rounds: int
    #: Of fio, each with the row's queue depth.
    jobs: int
    #: For which a disk is used in a turn.
    seconds: int

    def to_json(self) -> str:
        """For the guest."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Contest:
        """What ``to_json`` made."""
        values = json.loads(text)
        values["disks"] = {name: Disk(**disk) for name, disk in values["disks"].items()}
        values["rows"] = [Row(**row) for row in values["rows"]]
        return cls(**values)
