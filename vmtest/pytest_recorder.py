# SPDX-License-Identifier: MIT
"""Collects the results of a pytest run; writes dmesg, JUnit, HTML, KTAP and the summary."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest
from _pytest.junitxml import xml_key
from rich.console import Console as RichConsole

from vmtest.images import TOP
from vmtest.report.github import active, error_commands, write_job_summary
from vmtest.report.html import write_html
from vmtest.report.junit import add_properties
from vmtest.report.ktap import ktap
from vmtest.report.model import Environment, Outcome, RunResult, TestResult
from vmtest.report.summary import print_summary
from vmtest.rundir import new_run_dir, slug
from vmtest.vm import VmConfig
from vmtest.watch import LogWatch

#: Stands for "junit.xml in the run's folder" until that folder is known.
JUNIT_PLACEHOLDER = "vmtest-run-directory"


class Recorder:
    """A pytest plugin of its own; artefacts come into being with the first test that uses a VM."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._began = time.monotonic()
        self._started = datetime.now().astimezone()
        self._directory: Path | None = None
        self._environment: Environment | None = None
        self._run: RunResult | None = None
        self._phases: dict[str, list[pytest.TestReport]] = {}
        self._watches: dict[str, LogWatch] = {}
        self._dmesg: dict[str, Path] = {}
        self._tails: dict[str, tuple[str, ...]] = {}

    @property
    def directory(self) -> Path:
        """The run's folder, made when it is first needed."""
        if self._directory is None:
            base = self._config.getoption("run_dir") or TOP / "build" / "vmtest"
            self._directory = new_run_dir(Path(base))
        return self._directory

    def describe(self, config: VmConfig) -> None:
        """Note what the tests run on."""
        commit = subprocess.run(
            ["git", "-C", str(TOP), "describe", "--always", "--dirty"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self._environment = Environment(
            kernel=f"{config.kernel.name} ({config.kernel.release})",
            accelerator=config.accelerator.name,
            accelerator_reason=config.accelerator.reason,
            details={
                "CPUs": str(config.cpus),
                "memory": f"{config.memory} MiB",
                "commit": commit.stdout.strip() or "unknown",
            },
        )

    def failed(self, nodeid: str) -> bool:
        """Whether the test has failed so far."""
        return any(phase.failed for phase in self._phases.get(nodeid, ()))

    def watched(self, nodeid: str, watch: LogWatch) -> None:
        """Keep the log of a test; called when its VM is given back."""
        folder = self.directory / "dmesg"
        folder.mkdir(exist_ok=True)
        path = folder / f"{slug(nodeid)}.log"
        path.write_text(watch.dmesg(), encoding="utf-8", errors="replace")
        self._watches[nodeid] = watch
        self._dmesg[nodeid] = path
        self._tails[nodeid] = tuple(watch.tail())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note set-up, call and tear-down of every test."""
        self._phases.setdefault(report.nodeid, []).append(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the artefacts, unless no test used a VM; pytest's JUnit file is there by now."""
        if self._environment is None:
            return
        directory = self.directory
        self._run = RunResult(
            environment=self._environment,
            started=self._started,
            duration=time.monotonic() - self._began,
            tests=tuple(self._result(nodeid) for nodeid in self._phases),
            directory=directory,
            artefacts={
                name: directory / name for name in ("junit.xml", "report.html", "results.ktap")
            },
        )
        if (directory / "junit.xml").exists():
            add_properties(directory / "junit.xml", self._run.tests, self._environment)
        write_html(self._run, directory / "report.html")
        (directory / "results.ktap").write_text(ktap(self._run), encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The summary for people, and GitHub's annotations when it is GitHub that runs this."""
        if self._run is None:
            return
        terminalreporter.write_line("")
        stream = terminalreporter._tw._file  # sys.stdout is still captured here
        width = None if terminalreporter.isatty else 120
        print_summary(self._run, RichConsole(file=stream, width=width))
        if active():
            terminalreporter.write_line("\n".join(error_commands(self._run.tests)))
            write_job_summary(self._run)

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
            xml.logfile = str(self.directory / "junit.xml")

    def _result(self, nodeid: str) -> TestResult:
        phases = self._phases[nodeid]
        bad = next((phase for phase in phases if phase.failed), None)
        skipped = next((phase for phase in phases if phase.skipped), None)
        outcome, message, longrepr = Outcome.PASSED, "", ""
        if bad is not None:
            outcome = Outcome.FAILED if bad.when == "call" else Outcome.ERROR
            longrepr = bad.longreprtext
            crash = getattr(bad.longrepr, "reprcrash", None)
            message = crash.message if crash else longrepr
        elif skipped is not None:
            outcome = Outcome.SKIPPED
            message = str(skipped.longrepr[2] if isinstance(skipped.longrepr, tuple) else "")
        watch = self._watches.get(nodeid)
        file, line, _ = phases[0].location
        return TestResult(
            nodeid=nodeid,
            outcome=outcome,
            duration=sum(phase.duration for phase in phases),
            message=message.partition("\n")[0],
            longrepr=longrepr,
            reports=tuple(watch.reports) if watch else (),
            console_tail=self._tails.get(nodeid, ()) if bad else (),
            vm=watch.vm_name if watch else "",
            dmesg=self._dmesg.get(nodeid),
            console=Path(str(watch.console_log)) if watch else None,
            file=file,
            line=(line or 0) + 1,
        )
