# SPDX-License-Identifier: MIT
"""A test's machine may die as the test wants it, and only so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vmtest.errors import GuestLost, GuestTimeout
from vmtest.klog import Kind, Report
from vmtest.mortal import Mortal
from vmtest.watch import KernelReported, LogWatch


def report(title: str, fatal: bool = False) -> Report:
    kind = Kind.PANIC if fatal else Kind.WARNING
    return Report(kind, title, None, ("a line",), 1, 1, fatal=fatal)


class FakeVm:
    """As much of a VM as is asked about its death."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.config = SimpleNamespace(kernel=SimpleNamespace(tree=None))
        self.guest = SimpleNamespace(symbol_files={})
        self._reports: list[Report] = []
        self.console = SimpleNamespace(
            position=0,
            join=lambda _timeout: None,
            settle=lambda: None,
            text=lambda _since: f"the log of {name}",
            take_reports=self._take_reports,
        )

    def die(self, *reports: Report) -> None:
        self._reports += reports
        self.alive = False

    def sync_log(self, _word: str) -> None:
        pass

    def wait_until_dead(self, _timeout: float = 0) -> bool:
        return not self.alive

    def explain(self, message: str, kind: type[Exception]) -> Exception:
        return kind(message)

    def _take_reports(self) -> list[Report]:
        taken, self._reports = self._reports, []
        return taken


class FakePool:
    """Hands out new VMs."""

    def get(self, _config: object) -> Any:
        return SimpleNamespace(vm=FakeVm("second"), spoiled=None)


@pytest.fixture
def vm() -> FakeVm:
    return FakeVm("first")


@pytest.fixture
def watch(vm: FakeVm) -> LogWatch:
    pooled: Any = SimpleNamespace(vm=vm, spoiled=None)
    return LogWatch(pooled, "test")


@pytest.fixture
def mortal(watch: LogWatch) -> Mortal:
    pool: Any = FakePool()
    return Mortal(pool, watch)


PANIC = report("kernel panic: on demand", fatal=True)


def test_a_death_that_was_expected_is_no_failure(
    mortal: Mortal, vm: FakeVm, watch: LogWatch
) -> None:
    with mortal.dying("on demand"):
        vm.die(PANIC)
    mortal.boot_again()
    watch.check()
    assert watch.deaths == [PANIC]
    assert watch.vm_name == "second"
    assert watch.dmesg() == "the log of first\n--- first ends here; second:\nthe log of second"


def test_what_is_under_way_in_the_guest_may_fail_as_it_dies(mortal: Mortal, vm: FakeVm) -> None:
    with mortal.dying("on demand"):
        vm.die(PANIC)
        raise GuestLost("the connection broke")


def test_another_death_is_a_failure(mortal: Mortal, vm: FakeVm) -> None:
    with pytest.raises(KernelReported, match="kernel panic: bad luck"), mortal.dying("on demand"):
        vm.die(report("kernel panic: bad luck", fatal=True))


def test_what_else_the_kernel_reports_is_a_failure(mortal: Mortal, vm: FakeVm) -> None:
    with pytest.raises(KernelReported, match="a warning"), mortal.dying("on demand"):
        vm.die(report("a warning"), PANIC)


def test_a_second_death_is_a_failure(mortal: Mortal, vm: FakeVm, watch: LogWatch) -> None:
    with mortal.dying("on demand"):
        vm.die(PANIC)
    mortal.boot_again()
    successor: Any = mortal.vm
    successor.die(PANIC)
    with pytest.raises(KernelReported, match="on demand"):
        watch.check()


def test_a_death_without_a_report_is_a_failure(mortal: Mortal, vm: FakeVm) -> None:
    with pytest.raises(AssertionError, match="but not of 'on demand'"), mortal.dying("on demand"):
        vm.die()


def test_a_guest_that_lives_on_is_a_failure(mortal: Mortal) -> None:
    with pytest.raises(GuestTimeout, match="did not die"), mortal.dying("on demand"):
        pass


def test_an_error_of_a_living_guest_is_a_failure(mortal: Mortal) -> None:
    with pytest.raises(GuestLost), mortal.dying("on demand"):
        raise GuestLost("the connection broke")


def test_reports_of_a_guest_whose_power_was_cut_are_failures(
    mortal: Mortal, vm: FakeVm, watch: LogWatch
) -> None:
    vm.die(report("a warning"))
    mortal.boot_again()
    with pytest.raises(KernelReported, match="a warning"):
        watch.check()
