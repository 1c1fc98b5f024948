# SPDX-License-Identifier: MIT
"""Rows, measured with fio.

fio takes far more instructions to start than to do a thousand I/Os, and it polls for the end of its
jobs. So what is counted begins when a job is about to do its first I/O and ends when it has done
the last (`exec_prerun`, `exec_postrun`). What is left of the start and the end, and of the commands
that tell the time, is in a job of few I/Os as well as in one of many: a figure is the difference
of the two, divided by the number of I/Os that one does more.

Now and then the scheduler lets client and server take turns in another way, for some hundred
milliseconds, at which an I/O costs a tenth more or less. So there are several such pairs of jobs,
and a figure is the mean of the middle half of their differences.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from vmtest.bench.guest import clock, system
from vmtest.bench.guest.places import MARK
from vmtest.bench.plan import DISK_SIZE, Plan, Row

# norandommap: else the search for blocks that were not used yet takes longer with each I/O.
_GLOBAL = {
    "ioengine": "io_uring",
    "direct": 1,
    "size": DISK_SIZE,
    "norandommap": 1,
    "randrepeat": 1,
    "disk_util": 0,
}
_MOMENTS = {"exec_prerun": clock.TELL, "exec_postrun": clock.TELL}

#: Where fio's memory map is afterwards, if the row was profiled.
MAPS = "/tmp/maps"
_MARKED_MOMENTS = {
    "exec_prerun": f"({clock.TELL} && /bin/busybox cat /proc/$PPID/maps >{MAPS} && {MARK})",
    "exec_postrun": f"({MARK} && {clock.TELL})",
}


def groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows that one fio measures: they differ in their queue depth."""
    for _, group in groupby(rows, key=lambda row: (row.pattern, row.block_size)):
        yield list(group)


def measure(plan: Plan, rows: Sequence[Row]) -> list[float]:
    """Instructions per I/O of each of the rows."""
    moments = _MARKED_MOMENTS if plan.profiled else _MOMENTS
    jobs = [
        _Job(f"{at}-{pair}-{which}", row, count)
        for at, row in enumerate(rows)
        for pair in range(plan.amount.pairs)
        for which, count in zip(("few", "many"), plan.amount.counts(row), strict=True)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = _section("global", {"filename": plan.disk.node, **_GLOBAL, **moments})
        (folder / "jobs").write_text(whole + "".join(job.section() for job in jobs))
        output = system.run("/usr/bin/fio", "--output-format=json", "jobs", folder=name)
        ios = done(output)
        if any(ios.get(job.name) != job.count for job in jobs):
            raise system.Failed(f"fio did not do as many I/Os as it was to: {output}")
        busy = {job.name: job.busy(folder) for job in jobs}
    figures = []
    for at, row in enumerate(rows):
        few, many = plan.amount.counts(row)
        differences = [
            busy[f"{at}-{pair}-many"] - busy[f"{at}-{pair}-few"]
            for pair in range(plan.amount.pairs)
        ]
        figures.append(middle_mean(differences) / (many - few))
    return figures


def middle_mean(values: Sequence[int]) -> float:
    """The mean of the values without the lowest quarter and the highest."""
    aside = len(values) // 4
    middle = sorted(values)[aside : len(values) - aside]
    return sum(middle) / len(middle)


def done(output: str) -> dict[str, int]:
    """How many I/Os each job did, of those that did not fail. Notes of fio's come first."""
    jobs = json.loads(output[output.index("{") :])["jobs"]
    return {
        job["jobname"]: job["read"]["total_ios"] + job["write"]["total_ios"]
        for job in jobs
        if job["error"] == 0
    }


@dataclass(frozen=True)
class _Job:
    """One of fio's jobs."""

    name: str
    row: Row
    count: int

    def section(self) -> str:
        """Of the job file."""
        options = {
            "stonewall": 1,
            "rw": self.row.pattern,
            "bs": self.row.block_size,
            "iodepth": self.row.queue_depth,
            "io_size": self.count * self.row.block_size,
        }
        return _section(self.name, options)

    def busy(self, folder: Path) -> int:
        """For how many nanoseconds the CPU was used while it ran."""
        before, after = (
            clock.parse((folder / f"{self.name}.{moment}.txt").read_text())
            for moment in ("prerun", "postrun")
        )
        return after - before


def _section(name: str, options: Mapping[str, object]) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in options.items())
