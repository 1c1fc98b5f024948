# SPDX-License-Identifier: MIT
"""The scenarios on several kernels as one table: kernel by scenario group, with times.

A column is what became of one kernel. One without a result has a reason, never just blanks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from vmtest.report.model import ModuleCount, Outcome, RunResult, TestResult
from vmtest.report.results import plain_run, run_from_plain


class State(StrEnum):
    """How far a kernel came."""

    DONE = "done"
    NOT_BUILT = "not built"
    NOT_BOOTED = "does not boot"
    #: pytest said nothing about tests: it chose none, or broke.
    NO_RESULT = "no result"
    #: Somebody stopped it; what had run until then is there.
    INTERRUPTED = "interrupted"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Column:
    """One kernel."""

    #: The recipe's name.
    kernel: str
    state: State
    #: What else there is to say about the state: an error, where its log is.
    problem: str = ""
    run: RunResult | None = None

    @property
    def bad(self) -> bool:
        return self.state is not State.DONE or bool(self.failures)

    @property
    def tests(self) -> Sequence[TestResult]:
        return self.run.tests if self.run else ()

    @property
    def failures(self) -> list[TestResult]:
        return self.run.failures if self.run else []

    @property
    def groups(self) -> dict[str, ModuleCount]:
        """Scenario group, a file of tests, to what became of it."""
        return {one.module: one for one in self.run.modules()} if self.run else {}

    @property
    def total(self) -> ModuleCount:
        """All groups; the time is the clock's."""
        groups = self.groups.values()
        return ModuleCount(
            "all",
            passed=sum(one.passed for one in groups),
            failed=sum(one.failed for one in groups),
            skipped=sum(one.skipped for one in groups),
            duration=self.run.duration if self.run else 0.0,
        )

    def skips(self) -> list[tuple[str, int, list[str]]]:
        """Each reason for skipping, how many tests it took, and the groups they are in."""
        found: dict[str, list[str]] = {}
        for test in self.tests:
            if test.outcome is Outcome.SKIPPED:
                found.setdefault(test.message or "no reason was given", []).append(test.module)
        return [(reason, len(of), list(dict.fromkeys(of))) for reason, of in found.items()]

    def updated(self, newer: Column) -> Column:
        """This column with the results of ``newer``, which ran a part of the tests again.

        The time is that of both runs.
        """
        if self.run is None or newer.run is None:
            return newer
        again = {test.nodeid: test for test in newer.run.tests}
        tests = [again.pop(test.nodeid, test) for test in self.run.tests]
        duration = self.run.duration + newer.run.duration
        both = replace(newer.run, tests=(*tests, *again.values()), duration=duration)
        return replace(newer, run=both)


def groups_of(columns: Iterable[Column]) -> list[str]:
    """The groups of all columns, sorted."""
    return sorted({name for column in columns for name in column.groups})


def write_matrix(columns: Iterable[Column], path: Path) -> None:
    """Write the columns as JSON."""
    plain = [
        {
            "kernel": column.kernel,
            "state": column.state.value,
            "problem": column.problem,
            "run": plain_run(column.run) if column.run else None,
        }
        for column in columns
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"columns": plain}, indent=1) + "\n", encoding="utf-8")


def read_matrix(path: Path) -> list[Column]:
    """The columns that ``write_matrix`` wrote."""
    plain = json.loads(path.read_text(encoding="utf-8"))
    return [
        Column(
            kernel=one["kernel"],
            state=State(one["state"]),
            problem=one["problem"],
            run=run_from_plain(one["run"]) if one["run"] else None,
        )
        for one in plain["columns"]
    ]
