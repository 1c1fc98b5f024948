# SPDX-License-Identifier: MIT
"""Rows, measured with fio.

fio takes far more instructions to start than to do a thousand I/Os, and it polls for the end of its
jobs. So what is counted begins when a job is about to do its first I/O and ends when it has done
the last (`exec_prerun`, `exec_postrun`). What is left of the start and the end, and of the commands
that tell the time, is in a job of few I/Os as well as in one of many: a figure is the difference
of the two, divided by the number of I/Os that one does more.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        moments = _MARKED_MOMENTS if plan.profiled else _MOMENTS
        sections = [_section("global", {"filename": plan.node, **_GLOBAL, **moments})]
        for number, row in enumerate(rows):
            for job, count in zip(("few", "many"), plan.amount.counts(row), strict=True):
                sections.append(_job(f"{job}{number}", row, count))
        (folder / "jobs").write_text("".join(sections))
        output = system.run("/usr/bin/fio", "--output-format=json", "jobs", folder=name)
        ios = done(output)
        figures = []
        for number, row in enumerate(rows):
            few, many = plan.amount.counts(row)
            if (ios.get(f"few{number}"), ios.get(f"many{number}")) != (few, many):
                raise system.Failed(f"fio did not do as many I/Os as it was to: {output}")
            more = _busy(folder, f"many{number}") - _busy(folder, f"few{number}")
            figures.append(more / (many - few))
        return figures


def done(output: str) -> dict[str, int]:
    """How many I/Os each job did, of those that did not fail. Notes of fio's come first."""
    jobs = json.loads(output[output.index("{") :])["jobs"]
    return {
        job["jobname"]: job["read"]["total_ios"] + job["write"]["total_ios"]
        for job in jobs
        if job["error"] == 0
    }


def _job(name: str, row: Row, count: int) -> str:
    options = {
        "stonewall": 1,
        "rw": row.pattern,
        "bs": row.block_size,
        "iodepth": row.queue_depth,
        "io_size": count * row.block_size,
    }
    return _section(name, options)


def _section(name: str, options: dict[str, object]) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in options.items())


def _busy(folder: Path, job: str) -> int:
    before, after = (
        clock.parse((folder / f"{job}.{moment}.txt").read_text())
        for moment in ("prerun", "postrun")
    )
    return after - before
