# SPDX-License-Identifier: MIT
"""How many instructions were executed.

In a machine that counts them one takes a nanosecond, so time says how many; but the time in which
there was nothing to do, and which was skipped, counts for nothing. The scheduler has a sum of the
time for which each CPU was used, in nanoseconds: the seventh number of its line.
"""

from __future__ import annotations

import time
from pathlib import Path

#: With it, a shell command tells the time.
TELL = "/bin/busybox cat /proc/schedstat"


def busy() -> int:
    """Nanoseconds for which the CPU was used, up to this moment."""
    time.sleep(0.001)  # the sum grows when a task leaves the CPU
    return parse(Path("/proc/schedstat").read_text())


def parse(schedstat: str) -> int:
    """The sum, of what ``TELL`` printed."""
    for line in schedstat.splitlines():
        name, *numbers = line.split()
        if name == "cpu0":
            return int(numbers[6])
    raise ValueError(f"no cpu0 in {schedstat!r}")
