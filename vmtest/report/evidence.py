# SPDX-License-Identifier: MIT
"""What the process that runs a test knows of it, in a form that travels with pytest's reports.

The process that writes the results need not be the one that has the VM: with pytest-xdist, it gets
nothing but the reports of the tests' phases, and of those what JSON has types for. The same way is
taken when it is one process.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from vmtest.klog import Kind, Report
from vmtest.report.model import Environment

_KEY = "vmtest_evidence"


@dataclass(frozen=True, slots=True)
class Watched:
    """The kernel's log during a test, after its VM was given back."""

    #: Name of the VM.
    vm: str
    #: The kernel log of this test alone.
    dmesg: Path
    console: Path
    console_tail: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()


def attach(
    report: pytest.TestReport, environment: Environment, watched: Watched | None = None
) -> None:
    """Let ``report`` carry what is known of its test."""
    plain: dict[str, Any] = {"environment": asdict(environment)}
    if watched is not None:
        plain["watched"] = {
            "vm": watched.vm,
            "dmesg": str(watched.dmesg),
            "console": str(watched.console),
            "console_tail": list(watched.console_tail),
            "reports": [plain_report(one) for one in watched.reports],
        }
    report.__dict__[_KEY] = plain


def environment_of(report: pytest.TestReport) -> Environment | None:
    """What the test ran on, if its process had a kernel for VMs by then."""
    plain = report.__dict__.get(_KEY)
    return Environment(**plain["environment"]) if plain else None


def watched_of(report: pytest.TestReport) -> Watched | None:
    """What the kernel said; only with the tear-down of a test that had a VM."""
    plain = report.__dict__.get(_KEY, {}).get("watched")
    if plain is None:
        return None
    return Watched(
        vm=plain["vm"],
        dmesg=Path(plain["dmesg"]),
        console=Path(plain["console"]),
        console_tail=tuple(plain["console_tail"]),
        reports=tuple(map(report_from_plain, plain["reports"])),
    )


def plain_report(report: Report) -> dict[str, Any]:
    """A kernel's report in types that JSON has."""
    return asdict(report) | {"kind": report.kind.value}


def report_from_plain(plain: dict[str, Any]) -> Report:
    """What ``plain_report`` was given, also after it has been JSON."""
    return Report(**plain | {"kind": Kind(plain["kind"]), "lines": tuple(plain["lines"])})
