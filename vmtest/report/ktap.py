# SPDX-License-Identifier: MIT
"""KTAP version 1, the kernel's test output format, for tools that collect it."""

from __future__ import annotations

from collections.abc import Iterable

from vmtest.klog import distinct
from vmtest.report.model import Outcome, RunResult, TestResult


def ktap(run: RunResult) -> str:
    """One subtest per scenario module, its tests below; failures carry their messages as notes."""
    modules = run.modules()
    out = ["KTAP version 1", f"1..{len(modules)}"]
    for number, module in enumerate(modules, 1):
        tests = [test for test in run.tests if test.module == module.module]
        out += ["  KTAP version 1", f"  # Subtest: {module.module}", f"  1..{len(tests)}"]
        for index, test in enumerate(tests, 1):
            out += [f"  {line}" for line in _result(index, test)]
        verdict = "not ok" if module.failed else "ok"
        skipped = " # SKIP all" if module.skipped == len(tests) else ""
        out.append(f"{verdict} {number} {module.module}{skipped}")
    return "\n".join(out) + "\n"


def _result(index: int, test: TestResult) -> Iterable[str]:
    notes = [report.title for report in distinct(test.reports)]
    if test.bad:
        notes = [*test.message.splitlines(), *notes]
    for note in notes:
        yield f"# {_plain(note)}"
    name = _plain(test.name)
    if test.outcome is Outcome.SKIPPED:
        yield f"ok {index} {name} # SKIP {_plain(test.message)}".rstrip()
    else:
        yield f"{'not ok' if test.bad else 'ok'} {index} {name}"


def _plain(text: str) -> str:
    """`text` on one line and without the "#" that starts a directive."""
    return " ".join(text.split()).replace("#", "-")
