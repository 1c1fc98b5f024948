# SPDX-License-Identifier: MIT
"""Collects the results of a pytest run; writes dmesg, JUnit, HTML, KTAP and the summary."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from _pytest.junitxml import xml_key
from rich.console import Console as RichConsole

from vmtest import coverage, kernels
from vmtest.errors import VmtestError
from vmtest.images import TOP
from vmtest.pytest_parallel import Share
from vmtest.report.evidence import Watched, environment_of, watched_of
from vmtest.report.github import active, error_commands, write_job_summary
from vmtest.report.html import write_html
from vmtest.report.junit import add_properties
from vmtest.report.ktap import ktap
from vmtest.report.model import Environment, Outcome, RunResult, TestResult
from vmtest.report.results import write_results
from vmtest.report.summary import print_summary
from vmtest.rundir import slug
from vmtest.vm import VmConfig
from vmtest.watch import LogWatch

#: Stands for "junit.xml in the run's folder" until that folder is known.
JUNIT_PLACEHOLDER = "vmtest-run-directory"

_ARTEFACTS = ("junit.xml", "report.html", "results.ktap", "results.json")


def describe(config: VmConfig) -> Environment:
    """What the tests of a process run on."""
    commit = subprocess.run(
        ["git", "-C", str(TOP), "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Environment(
        kernel=f"{config.kernel.name} ({config.kernel.release})",
        accelerator=config.accelerator.name,
        accelerator_reason=config.accelerator.reason,
        details={
            "CPUs": str(config.cpus),
            "memory": f"{config.memory} MiB",
            "commit": commit.stdout.strip() or "unknown",
        },
    )


def keep_log(directory: Path, nodeid: str, watch: LogWatch) -> Watched:
    """Write the kernel log of a test to the run's folder; called when its VM is given back."""
    folder = directory / "dmesg"
    folder.mkdir(exist_ok=True)
    path = folder / f"{slug(nodeid)}.log"
    path.write_text(watch.dmesg(), encoding="utf-8", errors="replace")
    return Watched(
        vm=watch.vm_name,
        dmesg=path,
        console=Path(str(watch.console_log)),
        console_tail=tuple(watch.tail()),
        reports=tuple(watch.reports),
    )


class Recorder:
    """A pytest plugin of its own, in the process that writes the results.

    All it knows comes with the reports of the tests' phases, from whichever process.
    """

    def __init__(self, config: pytest.Config, share: Share) -> None:
        self._config = config
        self._share = share
        self._began = time.monotonic()
        self._started = datetime.now().astimezone()
        self._environment: Environment | None = None
        self._run: RunResult | None = None
        self._coverage = ""
        self._phases: dict[str, list[pytest.TestReport]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note set-up, call and tear-down of every test."""
        self._phases.setdefault(report.nodeid, []).append(report)
        if self._environment is None and (found := environment_of(report)):
            details = {**found.details, "workers": str(self._share.workers)}
            seed = str(self._config.option.seed)
            self._environment = replace(found, seed=seed, details=details)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the artefacts, unless no test used a VM; pytest's JUnit file is there by now."""
        if self._environment is None:
            return
        directory = self._share.directory
        self._run = RunResult(
            environment=self._environment,
            started=self._started,
            duration=time.monotonic() - self._began,
            tests=tuple(self._result(nodeid) for nodeid in self._phases if self._has_ended(nodeid)),
            directory=directory,
            artefacts={name: directory / name for name in _ARTEFACTS},
        )
        if (directory / "junit.xml").exists():
            add_properties(directory / "junit.xml", self._run.tests, self._environment)
        write_html(self._run, directory / "report.html")
        (directory / "results.ktap").write_text(ktap(self._run), encoding="utf-8")
        write_results(self._run, directory / "results.json")
        if self._config.getoption("coverage"):
            self._coverage = self._report_coverage(directory / "coverage")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The summary for people, and GitHub's annotations when it is GitHub that runs this."""
        if self._run is None:
            return
        terminalreporter.write_line("")
        stream = terminalreporter._tw._file  # sys.stdout is still captured here
        width = None if terminalreporter.isatty else 120
        print_summary(self._run, RichConsole(file=stream, width=width))
        if self._coverage:
            terminalreporter.write_line(self._coverage)
        if active():
            terminalreporter.write_line("\n".join(error_commands(self._run.tests)))
            write_job_summary(self._run)

    def _report_coverage(self, directory: Path) -> str:
        """The figure, or why there is none."""
        try:
            kernel = kernels.resolve(self._config.getoption("kernel"))
            found = coverage.report(kernel, directory / "guests", directory)
        except VmtestError as error:
            return f"no coverage: {error}"
        return f"coverage of zosbd2.ko: {found}: {found.html}"

    def place_junit(self) -> None:
        """Before the JUnit file is written: pytest takes its name at the start, but the run's
        folder is known only now."""
        xml = self._config.stash.get(xml_key, None)
        if xml is None or self._config.getoption("xmlpath") != JUNIT_PLACEHOLDER:
            return  # the user's own --junitxml
        if self._environment is None:
            xml.logfile = os.devnull  # this very hook calls it once more
            self._config.pluginmanager.unregister(xml)
            del self._config.stash[xml_key]
        else:
            xml.logfile = str(self._share.directory / "junit.xml")

    def _has_ended(self, nodeid: str) -> bool:
        """Whether there is a result: an interrupt may have come in the middle of the test."""
        return any(phase.failed or phase.when == "teardown" for phase in self._phases[nodeid])

    def _result(self, nodeid: str) -> TestResult:
        phases = self._phases[nodeid]
        bad = next((phase for phase in phases if phase.failed), None)
        skipped = next((phase for phase in phases if phase.skipped), None)
        outcome, message, longrepr = Outcome.PASSED, "", ""
        if bad is not None:
            outcome = Outcome.FAILED if bad.when == "call" else Outcome.ERROR
            # pytest-xdist puts a line about the worker before the text of its reports.
            longrepr = bad.longrepr if isinstance(bad.longrepr, str) else bad.longreprtext
            crash = getattr(bad.longrepr, "reprcrash", None)
            message = crash.message if crash else longrepr
        elif skipped is not None:
            outcome = Outcome.SKIPPED
            message = str(skipped.longrepr[2] if isinstance(skipped.longrepr, tuple) else "")
            message = message.removeprefix("Skipped: ")
        watched = next(filter(None, map(watched_of, phases)), None)
        file, line, _ = phases[0].location
        return TestResult(
            nodeid=nodeid,
            outcome=outcome,
            duration=sum(phase.duration for phase in phases),
            message=message.partition("\n")[0],
            longrepr=longrepr,
            reports=watched.reports if watched else (),
            console_tail=watched.console_tail if watched and bad else (),
            vm=watched.vm if watched else "",
            dmesg=watched.dmesg if watched else None,
            console=watched.console if watched else None,
            file=file,
            line=(line or 0) + 1,
        )
