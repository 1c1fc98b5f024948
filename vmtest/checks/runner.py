# SPDX-License-Identifier: MIT
"""Runs checks: their steps side by side, each in a copy of the sources; what is clean is kept."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from vmtest.build import ENTER, INSIDE, NOT_SOURCES, enter
from vmtest.cache import Say, cache_dir, content_key, nobody_listens, tree_key
from vmtest.checks.check import Bench, Check, Step
from vmtest.images import TOP, Image

# "kmod/zosbd2_dev.c:12:3: …": a path that is not absolute is one of the sources.
_PLACE = re.compile(r"^\w[\w./-]*:\d+[:,]|^WARNING: modpost", re.M)

# What make says of its progress.
_NOISE = re.compile(r"^(make\b.*: (Entering|Leaving) .*|  [A-Z]+( \[M\])? .*)\n", re.M)


@dataclass
class Outcome:
    """What became of a check. ``complaints`` is what its steps said, by step; empty if clean."""

    check: Check
    #: Of all its steps together; 0 if nothing has changed since it was clean.
    seconds: float = 0.0
    complaints: dict[str, str] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nobody complained."""
        return not self.complaints

    def __str__(self) -> str:
        parts = [f"{what}:\n{text.rstrip()}" for what, text in self.complaints.items()]
        return "\n".join([*parts, f"again: vmtest check {self.check.name}"])


@dataclass
class _Work:
    """A check that is under way."""

    outcome: Outcome
    #: Is there when these steps have found these sources clean with these tools.
    mark: Path
    left: int


def run(
    checks: Sequence[Check], image: Image, top: Path = TOP, say: Say = nobody_listens
) -> Iterator[Outcome]:
    """Do the checks on the checkout ``top``; yields each one's outcome when it is complete.

    ``say`` is told of each step that begins. Raises BuildError when a step takes too long.
    """
    bench = Bench(image, top)
    running: dict[Future[tuple[str, float]], tuple[_Work, Step]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for check in checks:
            steps = check.plan(bench)
            work = _Work(Outcome(check), _mark(check, steps, bench), len(steps))
            if work.mark.exists():
                yield work.outcome
                continue
            for step in steps:
                running[pool.submit(_do, check, step, bench, say)] = (work, step)
        try:
            for future in as_completed(running):
                work, step = running[future]
                complaint, seconds = future.result()
                work.left -= 1
                work.outcome.seconds += seconds
                if complaint:
                    work.outcome.complaints[step.what] = complaint
                if work.left == 0:
                    if work.outcome.clean:
                        work.mark.touch()
                    yield work.outcome
        finally:
            pool.shutdown(cancel_futures=True)


def forget() -> None:
    """Look at everything again next time."""
    shutil.rmtree(cache_dir("checks"))


def _do(check: Check, step: Step, bench: Bench, say: Say) -> tuple[str, float]:
    """What the step complains of, and how long it took."""
    say(step.what)
    with tempfile.TemporaryDirectory(prefix=f"{check.name}-", dir=cache_dir("checks")) as folder:
        work = Path(folder)
        for source in check.sources:
            _copy(bench.top / source, work / source)
        began = time.monotonic()
        done = enter(bench.image, work, step.command, None, step.what)
        seconds = time.monotonic() - began
    text = _NOISE.sub("", done.stdout.replace(f"{INSIDE}/", ""))
    if done.returncode:
        return f"{text}(status {done.returncode})", seconds
    return (text if _PLACE.search(text) else ""), seconds


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=NOT_SOURCES)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _mark(check: Check, steps: Sequence[Step], bench: Bench) -> Path:
    commands = [word for step in steps for word in step.command]
    sources = tree_key(bench.top / source for source in check.sources)
    key = content_key([bench.image.recipe.key, sources, ENTER, *commands])
    return cache_dir("checks") / f"{check.name}-{key}"
