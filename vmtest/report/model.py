# SPDX-License-Identifier: MIT
"""The results of a run as plain values; every writer in this package starts from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from vmtest.klog import Report


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test, set-up and tear-down included."""

    __test__ = False  # a value, not a test class for pytest to collect

    #: pytest's node id: "vmtest/scenarios/test_mkfs.py::test_mounts[ext4]".
    nodeid: str
    outcome: Outcome
    #: Seconds.
    duration: float
    #: One line: the exception, or the reason for skipping.
    message: str = ""
    #: The whole failure as pytest shows it.
    longrepr: str = ""
    reports: tuple[Report, ...] = ()
    #: Last lines of the console, for failures.
    console_tail: tuple[str, ...] = ()
    vm: str = ""
    #: The kernel log of this test alone.
    dmesg: Path | None = None
    console: Path | None = None
    #: Where the test stands, relative to the checkout; lines from 1.
    file: str = ""
    line: int = 0

    @property
    def bad(self) -> bool:
        return self.outcome in (Outcome.FAILED, Outcome.ERROR)

    @property
    def module(self) -> str:
        """The scenario module, without folder and suffix: "test_mkfs"."""
        return Path(self.nodeid.partition("::")[0]).stem

    @property
    def name(self) -> str:
        """The test without its module: "test_mounts[ext4]"."""
        return self.nodeid.partition("::")[2] or self.nodeid

    @property
    def title(self) -> str:
        """What to call a failure: the kernel's report before the exception it led to."""
        if self.reports:
            return self.reports[0].title
        return self.message.strip().partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Environment:
    kernel: str
    #: "kvm" or "tcg", and why that one.
    accelerator: str
    accelerator_reason: str
    seed: str = ""
    #: Anything else worth a row: CPUs, memory, image, commit.
    details: Mapping[str, str] = field(default_factory=dict)

    def rows(self) -> list[tuple[str, str]]:
        accelerator = self.accelerator
        if self.accelerator_reason:
            accelerator += f" ({self.accelerator_reason})"
        rows = [("kernel", self.kernel), ("accelerator", accelerator)]
        if self.seed:
            rows.append(("seed", self.seed))
        return rows + list(self.details.items())


@dataclass(frozen=True, slots=True)
class ModuleCount:
    """The tests of one scenario module."""

    module: str
    passed: int
    failed: int
    skipped: int
    #: Seconds.
    duration: float


@dataclass(frozen=True, slots=True)
class RunResult:
    environment: Environment
    started: datetime
    #: Seconds from the first test's set-up to the end, boots included.
    duration: float
    tests: tuple[TestResult, ...]
    #: The run's folder.
    directory: Path
    #: What lies in it, name to path: junit.xml, report.html, console logs.
    artefacts: Mapping[str, Path] = field(default_factory=dict)

    def count(self, *outcomes: Outcome) -> int:
        return sum(test.outcome in outcomes for test in self.tests)

    @property
    def failures(self) -> list[TestResult]:
        return [test for test in self.tests if test.bad]

    def modules(self) -> list[ModuleCount]:
        """Counts and times per scenario module, in the order they ran."""
        groups: dict[str, list[TestResult]] = {}
        for test in self.tests:
            groups.setdefault(test.module, []).append(test)
        return [
            ModuleCount(
                module,
                passed=sum(test.outcome is Outcome.PASSED for test in tests),
                failed=sum(test.bad for test in tests),
                skipped=sum(test.outcome is Outcome.SKIPPED for test in tests),
                duration=sum(test.duration for test in tests),
            )
            for module, tests in groups.items()
        ]

    def headline(self) -> str:
        """ "12 passed, 1 failed, 2 skipped in 81.2 s" """
        parts = [f"{self.count(Outcome.PASSED)} passed"]
        if failed := self.count(Outcome.FAILED):
            parts.append(f"{failed} failed")
        if errors := self.count(Outcome.ERROR):
            parts.append(f"{errors} errors")
        if skipped := self.count(Outcome.SKIPPED):
            parts.append(f"{skipped} skipped")
        return f"{', '.join(parts)} in {self.duration:.1f} s"
