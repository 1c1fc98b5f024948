# SPDX-License-Identifier: MIT
"""A disk with a volatile write cache, as a model: what is durable, and what only may be.

A write is in the cache until a flush that was asked for after the write had been answered, unless
it says itself that it must be durable (FUA). Discards and writes of zeroes are writes. The cache
may have brought any part of what it holds to the medium already: `vmtest.disks.crash_image`
chooses.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

#: The disk's block, and what it promises to write as a whole. Bytes.
PAGE = 4096

_ZEROES = bytes(PAGE)


@dataclass(frozen=True, slots=True)
class Version:
    """One page as one write left it. ``data`` None stands for zeroes."""

    write: int
    data: bytes | None


class VolatileStore:
    """``size`` bytes, zeroes at first; a multiple of PAGE, like all offsets and lengths."""

    def __init__(self, size: int, durable: dict[int, bytes] | None = None) -> None:
        assert size % PAGE == 0, f"a disk of {size} bytes"
        self.size = size
        self._lock = threading.Lock()
        self._durable = durable if durable is not None else {}
        self._cached: dict[int, list[Version]] = {}
        self._writes = 0
        self.flushes = 0

    @property
    def writes(self) -> int:
        """The number of the last write: they count from 1."""
        return self._writes

    @property
    def cached(self) -> dict[int, list[Version]]:
        """By page what is not durable, oldest first."""
        with self._lock:
            return {page: list(versions) for page, versions in sorted(self._cached.items())}

    @property
    def durable(self) -> dict[int, bytes]:
        """By page what is durable; pages of zeroes may be missing."""
        with self._lock:
            return dict(self._durable)

    def read(self, offset: int, length: int) -> bytes:
        """What was written last."""
        first, last = offset // PAGE, (offset + length) // PAGE
        with self._lock:
            return b"".join(self._page(page) for page in range(first, last))

    def write(self, offset: int, data: bytes | memoryview, fua: bool = False) -> None:
        """Store; durable at once only with ``fua``."""
        pages: dict[int, bytes | None] = {
            (offset + at) // PAGE: bytes(data[at : at + PAGE]) for at in range(0, len(data), PAGE)
        }
        self._put(pages, fua)

    def zero(self, offset: int, length: int, fua: bool = False) -> None:
        """A discard, or a write of zeroes."""
        first, last = offset // PAGE, (offset + length) // PAGE
        self._put(dict.fromkeys(range(first, last)), fua)

    def flush(self, last: int | None = None) -> None:
        """Make durable all writes up to number ``last``: those answered when it was asked for."""
        with self._lock:
            self.flushes += 1
            for page in list(self._cached):
                versions = self._cached[page]
                covered = [one for one in versions if last is None or one.write <= last]
                if not covered:
                    continue
                self._make_durable(page, covered[-1].data)
                if len(covered) == len(versions):
                    del self._cached[page]
                else:
                    self._cached[page] = versions[len(covered) :]

    def save(self, path: Path) -> None:
        """Write it all into a sparse file, for somebody to look at."""
        with path.open("wb") as image:
            image.truncate(self.size)
            for page in sorted({*self._durable, *self._cached}):
                if (data := self._page(page)) != _ZEROES:
                    image.seek(page * PAGE)
                    image.write(data)

    def _put(self, pages: dict[int, bytes | None], fua: bool) -> None:
        with self._lock:
            self._writes += 1
            for page, data in pages.items():
                if fua:
                    self._cached.pop(page, None)  # the medium has something newer now
                    self._make_durable(page, data)
                else:
                    self._cached.setdefault(page, []).append(Version(self._writes, data))

    def _make_durable(self, page: int, data: bytes | None) -> None:
        if data is None:
            self._durable.pop(page, None)
        else:
            self._durable[page] = data

    def _page(self, page: int) -> bytes:
        versions = self._cached.get(page)
        if versions:
            return versions[-1].data or _ZEROES
        return self._durable.get(page, _ZEROES)
