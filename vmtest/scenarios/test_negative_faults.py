# SPDX-License-Identifier: MIT
"""Every kind of kernel report, caused on purpose, must turn its test red, and rightly so.

The tests that cause them are in ``inner/faults.py``. They run once, in a pytest of their own, and
are looked at here by what that run left: its junit.xml and the kernel logs.
"""

from __future__ import annotations

import re

import pytest

from vmtest.faulty import FAULTS, After, Fault
from vmtest.klog import parse
from vmtest.pytest_plugin import Session
from vmtest.scenarios.negative_run import InnerRun, InnerTest, run_inner

pytestmark = pytest.mark.long(360)

FATAL = [fault for fault in FAULTS if fault.fatal]

#: Seconds that a test may outlive the panic of its guest.
PROMPTLY = 5.0

# The faulty module has a part in every stack; but once it is unloaded, nothing tells its symbols.
_FRAME = re.compile(r"[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+")
_FRAME_OF_MODULE = re.compile(_FRAME.pattern + r" \[vmtest_faulty\]")

# Where in the source that is, which is added to what is shown.
_PLACE = re.compile(r" \([\w./-]+\.[ch]:\d+\)")

every_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
every_fatal_fault = pytest.mark.parametrize("fault", FATAL, ids=lambda fault: fault.name)


@pytest.fixture(scope="session")
def inner(vmtest_session: Session) -> InnerRun:
    """The run of all faults."""
    return run_inner(vmtest_session, "negative-faults", "faults.py")


def _of_fault(inner: InnerRun, fault: Fault, test: str = "test_fault") -> InnerTest:
    found = inner.test(f"{test}[{fault.name}]")
    if found.outcome == "skipped":
        pytest.skip(found.text)
    return found


@every_fault
def test_a_fault_turns_its_test_red_with_its_title(inner: InnerRun, fault: Fault) -> None:
    test = _of_fault(inner, fault)
    assert test.outcome == "failed", f"{test.outcome}: {test.text}"
    _, _, title = test.title.partition("KernelReported: ")
    assert fault.matches(title), f"{title!r} does not match {fault.title!r}\n{test.text}"


@every_fault
def test_the_whole_report_of_a_fault_is_in_the_failure(inner: InnerRun, fault: Fault) -> None:
    test = _of_fault(inner, fault)
    reports = [report for report in parse(test.dmesg) if fault.matches(report.title)]
    assert reports, f"no report of {fault.name} in its dmesg:\n{test.dmesg}"
    shown = _PLACE.sub("", test.text)
    missing = [line for line in reports[0].lines if _PLACE.sub("", line.strip()) not in shown]
    assert not missing, "\n".join(missing[:10])
    frame = _FRAME if fault.after is After.RMMOD else _FRAME_OF_MODULE
    assert frame.search(test.text), f"no stack frame like {frame.pattern} in:\n{test.text}"


@every_fatal_fault
def test_a_dead_guest_fails_its_test_within_five_seconds(inner: InnerRun, fault: Fault) -> None:
    test = _of_fault(inner, fault)
    if not any(sign in test.dmesg for sign in ("Oops", "kernel BUG", "Kernel panic", "Call Trace")):
        pytest.fail(f"the kernel did not say a word:\n{test.dmesg}")
    if not any(sign in test.dmesg for sign in ("Oops", "kernel BUG", "Kernel panic")):
        pytest.skip(f"this kernel reports the fault {fault.name}, and does not die of it")
    assert test.died_at is not None, f"no panic line:\n{test.dmesg}"
    late = test.call_ended - test.died_at
    assert 0 <= late <= PROMPTLY, f"the test ended {late:.1f} s after the panic line"


@every_fault
def test_the_test_after_a_fault_gets_a_fresh_vm_and_passes(inner: InnerRun, fault: Fault) -> None:
    broken, healthy = _of_fault(inner, fault), _of_fault(inner, fault, "test_healthy_after")
    assert healthy.outcome == "passed", healthy.text
    assert healthy.vm != broken.vm
