# SPDX-License-Identifier: MIT
"""Memory that nobody points to any more, on kernels with kmemleak.

What a scan finds goes to the log (the command line has ``kmemleak.verbose=1``), where it is
found as any other report. See Documentation/dev-tools/kmemleak.rst.
"""

from __future__ import annotations

from vmtest.guest import Guest
from vmtest.kernels import Kernel

# An object counts when it is five seconds old (MSECS_MIN_AGE in mm/kmemleak.c) and its content is
# the same in two scans.
_SCAN = """
cd /sys/kernel/debug
echo scan >kmemleak && sleep 5.1 && echo scan >kmemleak && echo clear >kmemleak
cd /
"""


def can_be_found(kernel: Kernel) -> bool:
    """Whether this kernel looks for leaks."""
    return "CONFIG_DEBUG_KMEMLEAK" in kernel.config


def scan(guest: Guest) -> None:
    """Let the kernel look, and report; each leak is reported once."""
    guest.run("sh", "-c", _SCAN, timeout=120)
