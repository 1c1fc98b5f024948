# SPDX-License-Identifier: MIT
"""What the workload is ordered to do: a plan without end, made from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

#: Size of a block, which writes past the page cache must be a multiple of.
BLOCK = 4096

_LARGEST = 160 << 10
_FILES = 6


class Verb(StrEnum):
    """As `guestlib.promises` knows them."""

    CREATE = "create"
    WRITE = "write"
    #: Durable itself when it is acknowledged.
    WRITE_THROUGH = "write-through"
    TRUNCATE = "truncate"
    RENAME = "rename"
    UNLINK = "unlink"
    FSYNC = "fsync"
    FDATASYNC = "fdatasync"
    SYNC_DIRECTORY = "sync-directory"
    SYNC_ALL = "sync-all"


#: Those whose acknowledgement is a promise.
PROMISES = frozenset(
    {Verb.WRITE_THROUGH, Verb.FSYNC, Verb.FDATASYNC, Verb.SYNC_DIRECTORY, Verb.SYNC_ALL}
)


@dataclass(frozen=True, slots=True)
class Order:
    """One of a worker's orders. Its number, above 0 and unique, is also the stamp of its data."""

    number: int
    worker: int
    verb: Verb
    #: Which file, whatever its name: the number of the order that created it; 0: none.
    file: int = 0
    name: str = ""
    #: The new name of a rename.
    to: str = ""
    offset: int = 0
    #: Bytes that are written, or the new length of a truncate.
    length: int = 0

    @property
    def end(self) -> int:
        """Where a write ends."""
        return self.offset + self.length

    def message(self) -> list[object]:
        """What the guest is told."""
        arguments: dict[Verb, list[object]] = {
            Verb.WRITE: [self.name, self.number, self.offset, self.length],
            Verb.WRITE_THROUGH: [self.name, self.number, self.offset, self.length],
            Verb.TRUNCATE: [self.name, self.length],
            Verb.RENAME: [self.name, self.to],
            Verb.SYNC_DIRECTORY: [],
            Verb.SYNC_ALL: [],
        }
        return [self.number, self.worker, str(self.verb), *arguments.get(self.verb, [self.name])]


@dataclass
class _File:
    number: int
    length: int = 0


def plan(seed: int, workers: int) -> Iterator[Order]:
    """Orders for ``workers`` workers, by turns. The same seed makes the same plan."""
    numbers = iter(range(1, 1 << 62))
    planners = [_Planner(random.Random(f"{seed} {worker}"), worker) for worker in range(workers)]
    streams = [planner.orders() for planner in planners]
    while True:
        for planner, stream in zip(planners, streams, strict=True):
            planner.number = next(numbers)
            yield next(stream)


class _Planner:
    """One worker's directory, as it will be when all orders so far have been carried out."""

    def __init__(self, rng: random.Random, worker: int) -> None:
        self._rng = rng
        self._worker = worker
        self._files: dict[str, _File] = {}
        self._names = iter(range(1 << 62))
        #: Of the next order.
        self.number = 0

    def orders(self) -> Iterator[Order]:
        """Without end."""
        deeds = [
            (self._make, 3), (self._overwrite, 6), (self._append, 5), (self._write_behind_end, 1),
            (self._write_through, 3), (self._shrink, 1), (self._sync_file, 8), (self._replace, 2),
            (self._rename, 1), (self._remove, 1), (self._sync_directory, 2), (self._sync_all, 1),
        ]  # fmt: skip
        choices, weights = zip(*deeds, strict=True)
        while True:
            yield from self._rng.choices(choices, weights)[0]()

    def _order(self, verb: Verb, name: str = "", **more: object) -> Order:
        file = self._files[name].number if name else 0
        return Order(self.number, self._worker, verb, file, name, **more)  # type: ignore[arg-type]

    def _some(self) -> str:
        return self._rng.choice(sorted(self._files)) if self._files else ""

    def _new_name(self) -> str:
        return f"f{next(self._names)}"

    def _create(self, name: str) -> Iterator[Order]:
        self._files[name] = _File(self.number)
        yield self._order(Verb.CREATE, name)

    def _write_at(self, name: str, offset: int, length: int) -> Iterator[Order]:
        file = self._files[name]
        if length and offset + length <= _LARGEST:
            file.length = max(file.length, offset + length)
            yield self._order(Verb.WRITE, name, offset=offset, length=length)

    def _make(self) -> Iterator[Order]:
        if len(self._files) < _FILES:
            name = self._new_name()
            yield from self._create(name)
            yield from self._write_at(name, 0, self._rng.randrange(1, 40_000))
            if self._rng.random() < 0.7:
                yield self._order(Verb.FSYNC, name)
                yield self._order(Verb.SYNC_DIRECTORY)

    def _overwrite(self) -> Iterator[Order]:
        if (name := self._some()) and (size := self._files[name].length):
            offset = self._rng.randrange(size)
            length = min(self._rng.randrange(1, 24_000), size - offset)
            yield from self._write_at(name, offset, length)

    def _append(self) -> Iterator[Order]:
        if name := self._some():
            size = self._files[name].length
            yield from self._write_at(name, size, self._rng.randrange(1, 24_000))

    def _write_behind_end(self) -> Iterator[Order]:
        if name := self._some():
            start = self._files[name].length + self._rng.randrange(1, 20_000)
            yield from self._write_at(name, start, self._rng.randrange(1, 9_000))

    def _write_through(self) -> Iterator[Order]:
        if name := self._some():
            file = self._files[name]
            offset = self._rng.randrange(file.length // BLOCK + 1) * BLOCK
            length = self._rng.randrange(1, 5) * BLOCK
            if offset + length <= _LARGEST:
                file.length = max(file.length, offset + length)
                yield self._order(Verb.WRITE_THROUGH, name, offset=offset, length=length)

    def _shrink(self) -> Iterator[Order]:
        if (name := self._some()) and self._files[name].length:
            file = self._files[name]
            file.length = self._rng.randrange(file.length)
            yield self._order(Verb.TRUNCATE, name, length=file.length)

    def _sync_file(self) -> Iterator[Order]:
        if name := self._some():
            yield self._order(self._rng.choice([Verb.FSYNC, Verb.FDATASYNC]), name)

    def _replace(self) -> Iterator[Order]:
        """As careful programs do: a new file, durable, takes the place of an old one."""
        if name := self._some():
            new = self._new_name()
            yield from self._create(new)
            yield from self._write_at(new, 0, self._rng.randrange(1, 40_000))
            yield self._order(Verb.FSYNC, new)
            yield self._renamed(new, name)
            yield self._order(Verb.SYNC_DIRECTORY)

    def _rename(self) -> Iterator[Order]:
        if name := self._some():
            yield self._renamed(name, self._new_name())

    def _renamed(self, name: str, to: str) -> Order:
        order = self._order(Verb.RENAME, name, to=to)
        self._files[to] = self._files.pop(name)
        return order

    def _remove(self) -> Iterator[Order]:
        if len(self._files) > 2:
            name = self._some()
            yield self._order(Verb.UNLINK, name)
            del self._files[name]

    def _sync_directory(self) -> Iterator[Order]:
        yield self._order(Verb.SYNC_DIRECTORY)

    def _sync_all(self) -> Iterator[Order]:
        if self._rng.random() < 0.2:
            yield self._order(Verb.SYNC_ALL)
