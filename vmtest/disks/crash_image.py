# SPDX-License-Identifier: MIT
"""What a disk may hold after its power was cut: chosen from all legal states by a seed.

What is durable is there. Of each write in the volatile cache all, nothing or some pages (the first
ones, or any) are; of several versions of a page any one, as a cache may write in any order and may
have written an older version before the newer one came.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

from vmtest.disks.volatile import Version, VolatileStore

# How much of the cache survives, as a probability: nothing and everything are cases of their own.
_SURVIVAL = (0.0, 0.1, 0.5, 0.9, 1.0)
_TORN = 0.3
_NEWEST = 0.75


@dataclass(frozen=True)
class CrashImage:
    """The disk as it is found when the power is back, and what became of the cache's writes."""

    seed: int
    store: VolatileStore
    whole: int
    torn: int
    lost: int

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: of the writes in the cache {self.whole} survived, "
            f"{self.torn} in part, {self.lost} not"
        )


def crash_image(store: VolatileStore, seed: int) -> CrashImage:
    """The disk after a power cut. The same store and seed give the same image."""
    rng = random.Random(seed)
    cached = store.cached
    pages_of: defaultdict[int, list[int]] = defaultdict(list)
    for page, versions in cached.items():
        for version in versions:
            pages_of[version.write].append(page)
    survival = rng.choice(_SURVIVAL)
    kept = {write: _kept_pages(rng, pages, survival) for write, pages in sorted(pages_of.items())}
    medium = store.durable
    for page, versions in cached.items():
        survivors = [one for one in versions if page in kept[one.write]]
        if survivors:
            chosen = _chosen(rng, survivors)
            if chosen.data is None:
                medium.pop(page, None)
            else:
                medium[page] = chosen.data
    return CrashImage(
        seed,
        VolatileStore(store.size, medium),
        whole=sum(len(kept[write]) == len(pages) for write, pages in pages_of.items()),
        torn=sum(0 < len(kept[write]) < len(pages) for write, pages in pages_of.items()),
        lost=sum(not kept[write] for write in pages_of),
    )


def _kept_pages(rng: random.Random, pages: list[int], survival: float) -> frozenset[int]:
    if len(pages) > 1 and 0 < survival < 1 and rng.random() < _TORN:
        if rng.random() < 0.5:
            return frozenset(pages[: rng.randrange(1, len(pages))])
        return frozenset(page for page in pages if rng.random() < survival)
    return frozenset(pages) if rng.random() < survival else frozenset()


def _chosen(rng: random.Random, survivors: list[Version]) -> Version:
    return survivors[-1] if rng.random() < _NEWEST else rng.choice(survivors)
