# SPDX-License-Identifier: MIT
"""The kernel's log during one test: whose reports fail it, and whose lines are kept for it."""

from __future__ import annotations

import re

from vmtest import leaks
from vmtest.cleanliness import State
from vmtest.errors import GuestError
from vmtest.klog import Report, concerns
from vmtest.klog.elf import ElfSymbolizer
from vmtest.klog.symbolize import symbolize
from vmtest.pool import PooledVm
from vmtest.vm import take_reports


class KernelReported(Exception):
    """The kernel reported something while a test ran. ``str`` is titles and whole reports."""

    def __init__(self, reports: list[Report]) -> None:
        self.reports = reports
        super().__init__("\n\n".join(_shown(report) for report in reports))


def _shown(report: Report) -> str:
    return "\n".join([report.title, *(f"    {line}" for line in report.lines)])


class LogWatch:
    """Follows the log of ``pooled`` from now on, for the test ``nodeid``."""

    def __init__(self, pooled: PooledVm, nodeid: str) -> None:
        self._pooled = pooled
        self._nodeid = nodeid
        self._since = pooled.vm.console.position
        self._earlier = ""
        self._expected: list[str] = []
        self.reports: list[Report] = []
        #: The reports of the deaths that the test expected; they are in no other list.
        self.deaths: list[Report] = []

    @property
    def vm_name(self) -> str:
        """Which VM."""
        return self._pooled.vm.name

    @property
    def console_log(self) -> object:
        """The whole console's log."""
        return self._pooled.vm.log

    @property
    def pooled(self) -> PooledVm:
        """The VM, as the pool knows it."""
        return self._pooled

    def expect_death(self, title: str) -> None:
        """The next fatal report is no failure if ``title``, a regular expression, matches it."""
        self._expected.append(title)

    def follow(self, pooled: PooledVm) -> None:
        """Go on with another VM; the log of the one before is read to its end."""
        self._collect()
        self._earlier = f"{self.dmesg()}\n--- {self.vm_name} ends here; {pooled.vm.name}:\n"
        self._pooled = pooled
        self._since = pooled.vm.console.position

    def dmesg(self) -> str:
        """What the console showed since the test began."""
        return self._earlier + self._pooled.vm.console.text(self._since)

    def tail(self) -> list[str]:
        """The last lines of the console."""
        return self._pooled.vm.console.tail()

    def failure(self) -> KernelReported | None:
        """What the kernel has reported so far that fails a test, as an exception."""
        self._collect()
        bad = self._failing()
        if bad:
            self._pooled.spoiled = bad[0].title
        return KernelReported(bad) if bad else None

    def check(self) -> None:
        """Raise KernelReported if there is anything; the log is complete up to now."""
        if error := self.failure():
            raise error

    def scan_for_leaks(self) -> None:
        """Let the kernel look for leaked memory; what it finds is in its log then."""
        vm = self._pooled.vm
        if vm.alive:
            leaks.scan(vm.guest)

    def check_clean(self) -> None:
        """At the test's end: the log again, and what is left behind in the guest.

        What is left behind does not fail the test, but spoils the VM.
        """
        known = len(self._failing())
        vm = self._pooled.vm
        if vm.alive and not self._pooled.spoiled:
            try:
                found = self._pooled.baseline.changes(State.of(vm.guest))
                self._pooled.spoiled = "; ".join(found) or None
            except GuestError as error:
                self._pooled.spoiled = str(error)
        self._collect()
        if late := self._failing()[known:]:
            self._pooled.spoiled = late[0].title
            raise KernelReported(late)

    def _failing(self) -> list[Report]:
        """What fails the test. The rest stays among the reports."""
        ours = [name for name in self._pooled.vm.guest.symbol_files if name]
        return [report for report in self.reports if concerns(report, ours)]

    def _collect(self) -> None:
        vm = self._pooled.vm
        if vm.alive:
            try:
                vm.sync_log(f"end of {self._nodeid}")
                vm.console.settle()
            except GuestError:
                self._pooled.spoiled = "its log could not be read to the end"
        if not vm.alive:
            self._pooled.spoiled = self._pooled.spoiled or "it died"
        for report in take_reports(vm):
            if report.fatal and self._expected and re.search(self._expected[0], report.title):
                self._expected.pop(0)
                self.deaths.append(report)
            else:
                self.reports.append(self._with_source_lines(report))

    def _with_source_lines(self, report: Report) -> Report:
        """Addresses decoded, as far as there are files with debug information."""
        vm = self._pooled.vm
        files = dict(vm.guest.symbol_files)
        tree = vm.config.kernel.tree
        if tree is not None and (tree / "vmlinux").exists():
            files[None] = tree / "vmlinux"
        return symbolize(report, ElfSymbolizer(files)) if files else report
