# SPDX-License-Identifier: MIT
"""The guest's init."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

from vmtest.bench.guest import disk, fio, places, system, turns, workloads
from vmtest.bench.guest.answers import Answers
from vmtest.bench.plan import Contest, Plan

#: What is to be done is in one of these.
PLAN = "/plan.json"
CONTEST = "/contest.json"


def main() -> None:
    """Entry point."""
    system.set_up()
    answers = Answers()
    try:
        _todo()(answers)
        answers.say(event="end")
    except BaseException:
        answers.say(event="failure", text=traceback.format_exc())
    system.power_off()


def _todo() -> Callable[[Answers], None]:
    if Path(CONTEST).exists():
        contest = Contest.from_json(Path(CONTEST).read_text())
        return lambda answers: turns.take(contest, answers)
    plan = Plan.from_json(Path(PLAN).read_text())
    return lambda answers: _follow(plan, answers)


def _follow(plan: Plan, answers: Answers) -> None:
    answers.say(event="begin", what="setting up")
    if plan.profiled:
        places.keep_apart()
    disk.set_up(plan.disk)
    disk.fill(plan.disk.node)
    if plan.profiled:
        places.keep_together()
    for rows in fio.groups(plan.rows):
        answers.say(event="begin", what=f"{rows[0].pattern} {rows[0].block_size >> 10}k")
        for row, figure in zip(rows, fio.measure(plan, rows), strict=True):
            answers.say(event="row", row=vars(row), instructions=figure)
    for name in plan.workloads:
        answers.say(event="begin", what=name)
        count = workloads.measure(name, plan.disk.node, plan.amount.effort)
        answers.say(event="workload", name=name, instructions=count)
    if plan.profiled:
        for name, maps in [*places.programs(), ("fio", Path(fio.MAPS).read_text())]:
            answers.say(event="program", name=name, maps=maps)
        for part in places.functions():
            answers.say(event="functions", part=part)
