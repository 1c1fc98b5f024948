# SPDX-License-Identifier: MIT
"""Whether a guest is as it was after its boot, so that the next test may have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from vmtest.guest import Guest
from vmtest.guest_agent import NAME

# Bits of /proc/sys/kernel/tainted that loading a module under test sets (O: out of tree, E: not
# signed); see Documentation/admin-guide/tainted-kernels.rst.
_EXPECTED_TAINT = 1 << 12 | 1 << 13

# udev's workers come and go by themselves, the agent may stay; the rest is how this very question
# is asked.
_IGNORED = {NAME, "sshd", "sshd-session", "sshd-auth", "(udev-worker)", "systemd-udevd", "ps", "sh"}

_SCRIPT = """
cat /proc/sys/kernel/tainted
echo ---; cut -d' ' -f1,2 /proc/mounts
echo ---; grep -o '^[^ ]* .*(.*O' /proc/modules | cut -d' ' -f1
echo ---; ls /sys/block
echo ---; ps -eo ppid=,comm= | while read -r parent name; do [ $parent = 2 ] || echo "$name"; done
"""


@dataclass(frozen=True)
class State:
    """What is compared: taint bits, mounts, modules from outside the tree, disks, programs."""

    taint: int
    mounts: frozenset[str]
    modules: frozenset[str]
    disks: frozenset[str]
    programs: frozenset[str]

    @classmethod
    def of(cls, guest: Guest) -> Self:
        """Ask a guest."""
        output = guest.run("sh", "-c", _SCRIPT).stdout
        taint, *lists = (part.strip().splitlines() for part in output.split("---\n"))
        mounts, modules, disks, programs = (
            frozenset(line.strip() for line in part) for part in lists
        )
        disks = frozenset(disk for disk in disks if not disk.startswith(("loop", "ram")))
        return cls(int(taint[0]) & ~_EXPECTED_TAINT, mounts, modules, disks, programs - _IGNORED)

    def changes(self, now: State) -> list[str]:
        """What is there ``now`` that was not there before, in words."""
        found = []
        if added := now.taint & ~self.taint:
            found.append(f"the kernel is tainted (bits {added:#x})")
        for what in ("mounts", "modules", "disks", "programs"):
            if more := getattr(now, what) - getattr(self, what):
                found.append(f"{what} left behind: {', '.join(sorted(more))}")
        return found
