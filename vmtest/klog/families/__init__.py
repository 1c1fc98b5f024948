# SPDX-License-Identifier: MIT
"""All families of kernel reports, one row each: kind, header line, title, place of the function.

Formats are those of kernels 5.10 to 7.x, older ones where they cost nothing. Patterns are matched
at the start of a message, prefixes taken off; the first row that matches names the line, so special
rows stand before general ones.
"""

from __future__ import annotations

import re

from vmtest.klog.families.boot import BOOT
from vmtest.klog.families.faults import FAULTS
from vmtest.klog.families.locking import LOCKING
from vmtest.klog.families.memory import MEMORY
from vmtest.klog.families.panics import PANICS
from vmtest.klog.families.stalls import STALLS
from vmtest.klog.families.warnings import WARNINGS
from vmtest.klog.family import Family

FAMILIES: tuple[Family, ...] = (
    *MEMORY,
    *LOCKING,
    *STALLS,
    *FAULTS,
    *PANICS,
    *BOOT,
    *WARNINGS,
)

# One pattern that says "none of them" at the price of one match; nearly all lines end here.
_ANY = re.compile(
    "|".join(re.sub(r"\(\?P<\w+>", "(?:", family.pattern.pattern) for family in FAMILIES)
)


def match_family(text: str, *, stamped: bool, ruled: bool) -> tuple[Family, re.Match[str]] | None:
    """The family whose header `text` is; `ruled` says that a line of "=====" came before."""
    if not _ANY.match(text):
        return None
    for family in FAMILIES:
        if (family.stamped and not stamped) or (family.ruled and not ruled):
            continue
        if match := family.pattern.match(text):
            return family, match
    return None
