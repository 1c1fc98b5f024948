# SPDX-License-Identifier: MIT
"""What the negative controls record about themselves, for junit.xml."""

from __future__ import annotations

import time

import pytest

from vmtest.vm import VM


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Note when set-up and call ended, by the host's clock."""
    if call.when != "teardown":
        item.user_properties.append((f"{call.when}-ended", str(call.stop)))


@pytest.fixture
def clocked(vm: VM) -> VM:
    """The VM, with a line in its log that ties the kernel's clock to the host's.

    The line bears the host's time before it was sent, so a kernel time that is converted with it
    comes out too early, if anything.
    """
    vm.guest.write("/dev/kmsg", f"<5>vmtest-clock {time.time():.3f}\n")
    return vm
