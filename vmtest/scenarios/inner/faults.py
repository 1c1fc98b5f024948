# SPDX-License-Identifier: MIT
"""Every fault of vmtest_faulty in a test of its own, each followed by a healthy test."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from vmtest import build
from vmtest.errors import GuestTimeout
from vmtest.faulty import FAULTS, SOURCE, TRIGGER, After, Fault
from vmtest.guest import Guest
from vmtest.kmodule import KernelModule
from vmtest.pytest_plugin import Session
from vmtest.vm import VM

# How any kernel begins to complain about something that happens some time after the trigger. One
# with KCSAN always complains of itself.
_COMPLAINT = (
    r"Oops|BUG: (?!KCSAN).*\n|WARNING: (?!.*/kcsan/)|rcu: INFO|INFO: task|hard LOCKUP|smp: csd: "
    r"|UBSAN: |unreferenced object|kernel stack|Kernel panic|KCSAN: .*\[vmtest_faulty\]"
)

# $@: path and value by turns.
_SETTINGS = 'while [ $# -gt 0 ]; do [ ! -e "$1" ] || echo "$2" >"$1"; shift 2; done'

_SCAN = "cd /sys/kernel/debug; echo scan >kmemleak; sleep 6; echo scan >kmemleak; cat kmemleak"


@pytest.fixture(scope="session")
def built(vmtest_session: Session) -> build.Built:
    """vmtest_faulty.ko for the kernel of this run."""
    return build.module(vmtest_session.default.kernel, SOURCE, vmtest_session.say)


@pytest.fixture
def detectable(fault: Fault, vmtest_session: Session) -> Fault:
    """The fault, unless this kernel cannot notice it."""
    kernel = vmtest_session.default.kernel
    major, minor = kernel.release.split(".")[:2]
    if reason := fault.why_not(kernel.config, (int(major), int(re.sub(r"\D.*", "", minor)))):
        pytest.skip(reason)
    return fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name, scope="class")
class TestFaults:
    """pytest sorts them by fault: fault, healthy test, next fault."""

    @pytest.mark.kills_vm
    def test_fault(self, detectable: Fault, built: build.Built, clocked: VM) -> None:
        """Does not look at the log: that is the harness's part."""
        fault, guest = detectable, clocked.guest
        settings = [word for pair in fault.settings.items() for word in pair]
        guest.run("sh", "-c", _SETTINGS, "settings", *settings)
        module = KernelModule(guest, built.path, "vmtest_faulty")
        module.load()
        since = clocked.console.position
        guest.write(TRIGGER, f"{fault.name}\n")
        if fault.after is After.RMMOD:
            module.unload()
        elif fault.after is After.KMEMLEAK_SCAN:
            guest.run("sh", "-c", _SCAN)
        # Some take their time. None at all is no error here: the outer test tells.
        with suppress(GuestTimeout):
            clocked.console.wait_for(_COMPLAINT, fault.within * guest.slowness, since)
        if fault.lasting and clocked.alive:
            guest.write(TRIGGER, "release\n")

    def test_healthy_after(self, detectable: Fault, guest: Guest) -> None:
        """Passes on any VM that works and has none of the fault's traces."""
        assert not guest.exists(TRIGGER), f"this VM has had {detectable.name}"
        taint = int(guest.read("/proc/sys/kernel/tainted"))
        assert taint == 0, f"this VM's kernel is tainted: {taint:#x}"
