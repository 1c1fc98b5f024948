# SPDX-License-Identifier: MIT
"""Disks take turns: how many I/Os each does in some seconds, and how long an I/O takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vmtest.bench.guest import disk, system
from vmtest.bench.guest.answers import Answers
from vmtest.bench.plan import DISK_SIZE, Contest, Row

_SECONDS_TO_WARM_UP = 1


def take(contest: Contest, answers: Answers) -> None:
    """Entry point: all disks are there at once, and idle when it is not their turn."""
    answers.say(event="begin", what="setting up")
    system.switch_cpus_on()
    for one in contest.disks.values():
        disk.set_up(one)
        disk.fill(one.node)
    for row in contest.rows:
        for number in range(1, contest.rounds + 1):
            what = f"{row.pattern}, depth {row.queue_depth}: {number} of {contest.rounds}"
            answers.say(event="begin", what=what)
            for target, one in contest.disks.items():
                outcome = _use(one.node, row, contest)
                answers.say(event="turn", target=target, row=vars(row), **outcome)


def _use(node: str, row: Row, contest: Contest) -> dict[str, Any]:
    before = _switches()
    output = system.run(
        "/usr/bin/fio", "--output-format=json", "--name=turn", "--group_reporting",
        f"--filename={node}", "--ioengine=io_uring", "--direct=1", "--norandommap",
        f"--size={DISK_SIZE}", f"--rw={row.pattern}", f"--bs={row.block_size}",
        f"--iodepth={row.queue_depth}", f"--numjobs={contest.jobs}", "--time_based",
        f"--runtime={contest.seconds}", f"--ramp_time={_SECONDS_TO_WARM_UP}", "--disk_util=0",
    )  # fmt: skip
    found = outcome(output)
    seconds = contest.seconds + _SECONDS_TO_WARM_UP
    switches = (_switches() - before) / (found["iops"] * seconds)
    return {**found, "switches_per_io": round(switches, 3)}


def _switches() -> int:
    """How often a CPU has gone from one task to another."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("ctxt "):
            return int(line.split()[1])
    raise system.Failed("/proc/stat does not tell the context switches")


def outcome(output: str) -> dict[str, Any]:
    """I/Os per second, and percentiles of their times in nanoseconds, of what fio printed."""
    (job,) = json.loads(output[output.index("{") :])["jobs"]
    if job["error"]:
        raise system.Failed(f"fio failed: {output}")
    done = max(job["read"], job["write"], key=lambda way: way["total_ios"])
    percentiles = {
        name.rstrip("0").rstrip("."): ns for name, ns in done["clat_ns"]["percentile"].items()
    }
    return {"iops": done["iops"], "percentiles": percentiles}
