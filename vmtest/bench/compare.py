# SPDX-License-Identifier: MIT
"""This checkout beside another revision: which figures of zosbd2 are worse.

A change of a few instructions also shifts moments at which the scheduler decides one way or the
other, and that sways a figure by a percent or so. So a figure that looks worse is measured again,
of many more I/Os, before it counts.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vmtest import sweep
from vmtest.bench.equipment import Equipment
from vmtest.bench.measure import MeasuringFailed, measure
from vmtest.bench.plan import Row
from vmtest.bench.result import Result
from vmtest.bench.targets import Target
from vmtest.cache import Say, nobody_listens
from vmtest.errors import SetupError
from vmtest.images import TOP

#: How many times as many I/Os the second look takes.
_EFFORT = 4

# What of a revision is measured.
_FOLDERS = ("kmod", "userspace")


@dataclass(frozen=True)
class Change:
    """A figure of a target, before and after: of a row, or of a workload."""

    target: str
    what: Row | str
    before: float
    after: float

    @property
    def growth(self) -> float:
        """0.01 is one percent more instructions."""
        return self.after / self.before - 1


@dataclass(frozen=True)
class Comparison:
    """What comparing has come to."""

    changes: list[Change]
    #: Targets that the other revision does not have.
    new: list[str]

    def worse(self, threshold: float) -> list[Change]:
        """What has grown by more than ``threshold``."""
        return [change for change in self.changes if change.growth > threshold]


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A folder with what is measured of ``revision``; SetupError if there is none."""
    with tempfile.TemporaryDirectory(prefix=sweep.folder_prefix()) as folder:
        packed = subprocess.run(
            ["git", "-C", str(TOP), "archive", revision, *_FOLDERS],
            capture_output=True, check=False,
        )  # fmt: skip
        if packed.returncode != 0:
            raise SetupError(
                f"cannot take {' and '.join(_FOLDERS)} from the revision {revision}:"
                f" {packed.stderr.decode(errors='replace').strip()}",
                hint="name a commit, branch or tag of this repository: BASE=main",
            )
        subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
        yield Path(folder)


def compare(
    before: Equipment,
    after: Equipment,
    targets: Sequence[Target],
    rows: Sequence[Row],
    workloads: Sequence[str],
    threshold: float,
    say: Say = nobody_listens,
) -> Comparison:
    """Measure both revisions; what is over the threshold is measured twice."""
    if (before.module, before.userspace) == (after.module, after.userspace):
        return Comparison([], [])
    found, new = list[Change](), list[str]()
    for target in targets:
        try:
            old = measure(before, [target], rows, workloads, _telling(say, "before"))
        except MeasuringFailed:
            new.append(target.name)
            continue
        now = measure(after, [target], rows, workloads, _telling(say, "after"))
        suspects = [c.what for c in changes(old, now) if c.growth > threshold]
        if suspects:
            again = [what for what in suspects if isinstance(what, Row)]
            names = [what for what in suspects if isinstance(what, str)]
            telling = _telling(say, "again")
            old = old.updated(measure(before, [target], again, names, telling, effort=_EFFORT))
            now = now.updated(measure(after, [target], again, names, telling, effort=_EFFORT))
        found += changes(old, now)
    return Comparison(found, new)


def _telling(say: Say, what: str) -> Say:
    return lambda text: say(f"{what}: {text}")


def changes(before: Result, after: Result) -> list[Change]:
    """All figures that both have."""
    of_workloads = {(one.target, one.workload): one.instructions for one in before.workloads}
    return [
        Change(figure.target, figure.row, cost, figure.instructions_per_io)
        for figure in after.figures
        if (cost := before.cost(figure.target, figure.row)) is not None
    ] + [
        Change(one.target, one.workload, of_workloads[one.target, one.workload], one.instructions)
        for one in after.workloads
        if (one.target, one.workload) in of_workloads
    ]
