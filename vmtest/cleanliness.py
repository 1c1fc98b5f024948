# SPDX-License-Identifier: MIT
"""Whether a guest is as it was after its boot, so that the next test may have it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Self

from vmtest.guest import Guest
from vmtest.guest_agent import NAME

# Bits of /proc/sys/kernel/tainted that loading a module under test sets (O: out of tree, E: not
# signed); see Documentation/admin-guide/tainted-kernels.rst.
_EXPECTED_TAINT = 1 << 12 | 1 << 13

# udev's workers come and go by themselves, the agent may stay; the rest is how this very question
# is asked.
_IGNORED = {
    NAME,
    "sshd",
    "sshd-session",
    "sshd-auth",
    "(udev-worker)",
    "systemd-udevd",
    "sh",
    "sort",
}

# One program only, as each takes its time under emulation. Kernel threads have no /proc/PID/exe.
_SCRIPT = """
grep "" /proc/sys/kernel/tainted /proc/mounts /proc/modules
for disk in /sys/block/*; do echo "disk:${disk##*/}"; done
for exe in /proc/[0-9]*/exe; do
	[ ! -e "$exe" ] || ! read -r name <"${exe%exe}comm" || echo "program:$name"
done 2>/dev/null
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
        found: defaultdict[str, list[str]] = defaultdict(list)
        for line in guest.shell.script(_SCRIPT).splitlines():
            where, _, what = line.partition(":")
            found[where].append(what)
        disks = frozenset(disk for disk in found["disk"] if not disk.startswith(("loop", "ram")))
        return cls(
            taint=int(found["/proc/sys/kernel/tainted"][0]) & ~_EXPECTED_TAINT,
            mounts=frozenset(" ".join(line.split()[:2]) for line in found["/proc/mounts"]),
            # The flags of those from outside the tree, such as (OE), come last.
            modules=frozenset(
                line.split()[0] for line in found["/proc/modules"] if re.search(r"\(.*O", line)
            ),
            disks=disks,
            programs=frozenset(found["program"]) - _IGNORED,
        )

    def changes(self, now: State) -> list[str]:
        """What is there ``now`` that was not there before, in words."""
        found = []
        if added := now.taint & ~self.taint:
            found.append(f"the kernel is tainted (bits {added:#x})")
        for what in ("mounts", "modules", "disks", "programs"):
            if more := getattr(now, what) - getattr(self, what):
                found.append(f"{what} left behind: {', '.join(sorted(more))}")
        return found
