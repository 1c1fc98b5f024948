# SPDX-License-Identifier: MIT
"""Compares what is found after a crash with what was promised and with what was intended.

A promise is an fsync and the like that was acknowledged. What it covers must be there, unless a
later order changes it. Of later orders, each may have been carried out or not, in part and in any
order, as no file system promises more; but what is neither promised nor intended may not be there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from vmtest.scenarios.guestlib.stamps import stamp_at, stamped
from vmtest.scenarios.oracle.journal import Journal
from vmtest.scenarios.oracle.orders import Order, Verb

#: What a disk writes as a whole in any case. Bytes.
_SECTOR = 512

_WRITES = frozenset({Verb.WRITE, Verb.WRITE_THROUGH})
_CHANGES = _WRITES | {Verb.TRUNCATE}


@dataclass
class Verdict:
    """What `check` found."""

    problems: list[str] = field(default_factory=list)
    #: Promises that were made.
    promises: int = 0
    files: int = 0
    #: Bytes of all files that were compared, and those among them that were promised.
    bytes_read: int = 0
    bytes_promised: int = 0

    def __str__(self) -> str:
        text = (
            f"{self.promises} promises, {self.files} files, {self.bytes_read} bytes read, "
            f"{self.bytes_promised} of them promised, {len(self.problems)} problems"
        )
        shown = [f"  {problem}" for problem in self.problems[:20]]
        return "\n".join([text, *shown])


def check(journal: Journal, found: Mapping[str, bytes], *, crashed: bool = True) -> Verdict:
    """Compare the contents of files, by their paths below the workload's root, with ``journal``.

    ``crashed`` says that the system was gone with all that was not synced. If not, everything that
    was acknowledged is held for a promise.
    """
    verdict = Verdict(promises=journal.promises, files=len(found))
    workers: defaultdict[int, list[Order]] = defaultdict(list)
    for order in journal.orders:
        workers[order.worker].append(order)
    for worker, orders in sorted(workers.items()):
        here = {
            path.partition("/")[2]: data
            for path, data in found.items()
            if path.startswith(f"w{worker}/")
        }
        _Directory(f"w{worker}", orders, journal.done, crashed, verdict).check(here)
    known = tuple(f"w{worker}/" for worker in workers)
    verdict.problems += [
        f"{path}: nobody was to make it" for path in found if not path.startswith(known)
    ]
    return verdict


class _Directory:
    """What one worker did: its orders are carried out one after the other."""

    def __init__(
        self,
        folder: str,
        orders: Sequence[Order],
        done: set[int],
        crashed: bool,
        verdict: Verdict,
    ) -> None:
        self._folder = folder
        self._orders = orders
        self._done = done
        self._crashed = crashed
        self._verdict = verdict

    def check(self, found: Mapping[str, bytes]) -> None:
        """Add to the verdict."""
        allowed, must_exist = self._names()
        seen: defaultdict[int, list[str]] = defaultdict(list)
        for name, data in sorted(found.items()):
            if name not in allowed:
                self._problem(name, "nobody was to make it")
            elif not (known := [file for file in allowed[name] if file]):
                self._problem(name, "it was removed, and that was promised")
            else:
                file, check = self._best_match(known, data)
                for problem in check.problems:
                    self._problem(name, problem)
                self._verdict.bytes_read += len(data)
                self._verdict.bytes_promised += check.promised
                seen[file].append(name)
        for name, choices in allowed.items():
            if None not in choices and name not in found:
                self._problem(name, f"is missing (file {' or '.join(map(str, choices))})")
        for file in must_exist:
            if file not in seen:
                self._problem(f"file {file}", "is under none of its names")
        for file, names in seen.items():
            if len(names) > 1 and found[names[0]]:
                self._problem(f"file {file}", f"has several names: {', '.join(names)}")

    def _names(self) -> tuple[dict[str, list[int | None]], list[int]]:
        """Which files each name may have (None: it may be free), and the files that must be."""
        base = self._last_promise({Verb.SYNC_DIRECTORY, Verb.SYNC_ALL})
        allowed: dict[str, list[int | None]] = {}
        now: dict[str, int] = {}
        durable: set[int] = set()
        endangered: set[int] = set()

        def binds(name: str, file: int | None, number: int) -> None:
            if name in now:
                endangered.add(now[name]) if number > base else durable.discard(now[name])
            if file is None:
                now.pop(name, None)
            else:
                now[name] = file
            if number <= base:
                allowed[name] = []
            allowed.setdefault(name, [None]).append(file)

        for order in self._orders:
            match order.verb:
                case Verb.CREATE:
                    binds(order.name, order.file, order.number)
                    durable |= {order.file} if order.number <= base else set()
                case Verb.UNLINK:
                    binds(order.name, None, order.number)
                case Verb.RENAME:
                    binds(order.to, order.file, order.number)
                    # The file goes on to live under its new name.
                    now.pop(order.name)
                    binds(order.name, None, order.number)
        return allowed, sorted(durable - endangered)

    def _best_match(self, files: Sequence[int], data: bytes) -> tuple[int, _FileCheck]:
        """Which of the files that a name may have it is, and what is wrong with it."""
        checks = {file: self._check_file(file, data) for file in dict.fromkeys(files)}
        best = min(checks, key=lambda file: (len(checks[file].problems), -file))
        return best, checks[best]

    def _check_file(self, file: int, data: bytes) -> _FileCheck:
        syncs = {Verb.FSYNC, Verb.FDATASYNC}
        base = max(self._last_promise(syncs, file), self._last_promise({Verb.SYNC_ALL}))
        changes = [one for one in self._orders if one.file == file and one.verb in _CHANGES]
        through = {one.number for one in changes if one.verb is Verb.WRITE_THROUGH} & self._done
        return _FileCheck(changes, base, through, data)

    def _last_promise(self, verbs: Iterable[Verb], file: int = 0) -> int:
        """The number of the last order that is covered by an acknowledged one of ``verbs``."""
        if not self._crashed:
            return max((one.number for one in self._orders if one.number in self._done), default=0)
        return max(
            (
                one.number
                for one in self._orders
                if one.verb in verbs and one.number in self._done and file in (0, one.file)
            ),
            default=0,
        )

    def _problem(self, name: str, text: str) -> None:
        self._verdict.problems.append(f"{self._folder}/{name}: {text}")


class _FileCheck:
    """One file's length and bytes.

    ``changes`` up to number ``base`` are durable, and those in ``through`` by themselves.
    """

    def __init__(self, changes: Sequence[Order], base: int, through: set[int], data: bytes) -> None:
        self.problems: list[str] = []
        self.promised = 0
        self._changes = changes
        self._base = base
        self._through = through
        self._check_length(len(data))
        edges = {0, len(data)}
        for change in changes:
            edges |= {change.offset, change.end} if change.verb in _WRITES else {change.length}
        places = sorted(edge for edge in edges if edge <= len(data))
        for start, end in pairwise(places):
            self._check_range(start, data[start:end])

    def _check_length(self, length: int) -> None:
        now = low = high = 0
        promised: list[int] = []  # lengths that writes with a promise of their own have reached
        for change in self._changes:
            now = max(now, change.end) if change.verb in _WRITES else change.length
            promised = [min(one, now) for one in promised]
            if change.number <= self._base:
                low = high = now
            else:
                low, high = min(low, now), max(high, now)
                if change.number in self._through:
                    promised.append(change.end)
        low = max([low, *promised])
        if not low <= length <= high:
            wanted = str(low) if low == high else f"{low} to {high}"
            self.problems.append(f"its length is {length} instead of {wanted}")

    def _check_range(self, start: int, data: bytes) -> None:
        """Bytes that every change has changed as a whole or not at all."""
        stamps = self._stamps(start, start + len(data))
        if len(stamps) == 1:
            self.promised += len(data)
        if any(data == _content(stamp, start, len(data)) for stamp in stamps):
            return
        end = start + len(data)
        cuts = [start, *range(start - start % _SECTOR + _SECTOR, end, _SECTOR), end]
        bad = [
            (first, last)
            for first, last in pairwise(cuts)
            if not _is_mix(first, data[first - start : last - start], stamps)
        ]
        if bad:
            first = bad[0][0]
            self.problems.append(
                f"bytes {first} to {bad[-1][1] - 1}: {_described(first, data[first - start :])} "
                f"in {len(bad)} places instead of {' or '.join(map(_named, stamps))}"
            )

    def _stamps(self, start: int, end: int) -> list[int]:
        """The stamps that the range may have; 0 stands for zeroes."""
        stamps = [0]
        for change in self._changes:
            if change.verb in _WRITES and change.offset <= start and end <= change.end:
                stamp = change.number
            elif change.verb is Verb.TRUNCATE and change.length <= start:
                stamp = 0
            else:
                continue
            durable = change.number <= self._base or change.number in self._through
            stamps = [stamp] if durable else [*stamps, stamp]
        return list(dict.fromkeys(stamps))


def _content(stamp: int, offset: int, length: int) -> bytes:
    return stamped(stamp, offset, length) if stamp else bytes(length)


def _is_mix(offset: int, data: bytes, stamps: Sequence[int]) -> bool:
    """Whether a sector is one of the versions, or begins as one and ends as another: a write may
    have changed the page while it was on its way to the disk."""
    contents = [_content(stamp, offset, len(data)) for stamp in stamps]
    if data in contents:
        return True
    begins = max(_common(data, content) for content in contents)
    ends = max(_common(data[::-1], content[::-1]) for content in contents)
    return len(contents) > 1 and begins + ends >= len(data)


def _common(one: bytes, other: bytes) -> int:
    """How many bytes they have in common from the start on."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), len(one))


def _described(offset: int, data: bytes) -> str:
    stamp = stamp_at(data[:_SECTOR], offset)
    return "something that nobody wrote" if stamp is None else _named(stamp)


def _named(stamp: int) -> str:
    return f"write {stamp}" if stamp else "zeroes"
