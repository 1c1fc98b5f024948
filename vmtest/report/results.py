# SPDX-License-Identifier: MIT
"""results.json: a run as a program reads it, and read back as the same values."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from vmtest.klog import Report
from vmtest.report.evidence import plain_report, report_from_plain
from vmtest.report.model import Environment, Outcome, RunResult, TestResult


def write_results(run: RunResult, path: Path) -> None:
    """Write the run to ``path``."""
    path.write_text(json.dumps(plain_run(run), indent=1) + "\n", encoding="utf-8")


def read_results(path: Path) -> RunResult:
    """The run that ``write_results`` wrote."""
    return run_from_plain(json.loads(path.read_text(encoding="utf-8")))


def plain_run(run: RunResult) -> dict[str, Any]:
    """The run in types that JSON has."""
    return {
        "environment": asdict(run.environment),
        "started": run.started.isoformat(),
        "duration": run.duration,
        "directory": str(run.directory),
        "artefacts": {name: str(path) for name, path in run.artefacts.items()},
        "tests": [_plain_test(test) for test in run.tests],
    }


def run_from_plain(plain: dict[str, Any]) -> RunResult:
    """What ``plain_run`` was given."""
    return RunResult(
        environment=Environment(**plain["environment"]),
        started=datetime.fromisoformat(plain["started"]),
        duration=plain["duration"],
        directory=Path(plain["directory"]),
        artefacts={name: Path(path) for name, path in plain["artefacts"].items()},
        tests=tuple(_test_from_plain(test) for test in plain["tests"]),
    )


def _plain_test(test: TestResult) -> dict[str, Any]:
    return asdict(test) | {
        "reports": [plain_report(report) for report in test.reports],
        "dmesg": str(test.dmesg) if test.dmesg else None,
        "console": str(test.console) if test.console else None,
    }


def _test_from_plain(plain: dict[str, Any]) -> TestResult:
    reports: tuple[Report, ...] = tuple(map(report_from_plain, plain["reports"]))
    changed = {
        "outcome": Outcome(plain["outcome"]),
        "reports": reports,
        "console_tail": tuple(plain["console_tail"]),
        "dmesg": Path(plain["dmesg"]) if plain["dmesg"] else None,
        "console": Path(plain["console"]) if plain["console"] else None,
    }
    return TestResult(**plain | changed)
