# SPDX-License-Identifier: MIT
"""What one family of reports looks like: the row type of the tables in families/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from vmtest.klog.report import Kind


class Role(Enum):
    """How a header line relates to a report that is already open."""

    #: Opens a report of its own.
    START = auto()
    #: A message the kernel prints just before the header of the same report
    #: ("refcount_t: underflow" before "WARNING: CPU: 0", "list_del corruption" before "BUG").
    ANNOUNCE = auto()
    #: A detail of the report before it if that is a fault, or of its kind; else opens one
    #: ("Oops: 0002 [#1]" after "BUG: kernel NULL pointer dereference").
    FOLLOW = auto()
    #: Ends the report before it because of that report ("Fatal exception", "panic_on_warn").
    PANIC_AFTER = auto()
    #: The same if that report is a fault ("Attempted to kill init"): another kind kills nobody, and
    #: may be long past.
    PANIC_AFTER_FAULT = auto()


class Source(Enum):
    """Where the guilty function is looked for."""

    #: The group `func` of the pattern.
    HEADER = auto()
    #: The same, even if it is a helper: WARN() stands in the function that it names.
    NAMED = auto()
    #: The program counter: "RIP: 0010:f+0x1/0x2", "pc : f+0x1/0x2".
    PC = auto()
    #: The first stack after the header, helpers skipped.
    STACK = auto()
    #: synchronize_rcu() and its like on that stack, under one name: the whole kernel waits for a
    #: grace period that does not end.
    GRACE_PERIOD = auto()
    #: Lockdep's "..., at: f+0x1/0x2" of the lock being taken or released.
    LOCK_AT = auto()
    #: Where the CPU entered the work it does not finish: the outermost function of a module, else
    #: system call, work item or timer. A stall's program counter is another one each time.
    ENTRY = auto()


@dataclass(frozen=True, slots=True)
class Family:
    kind: Kind
    #: Matched at the start of a message.
    pattern: re.Pattern[str]
    #: Filled with the pattern's groups; "{func}" is the guilty function.
    title: str
    sources: tuple[Source, ...]
    role: Role
    #: The report is this line alone.
    single: bool
    #: Among the headers of one report the highest names it.
    rank: int
    #: Only on a line that is the kernel's for certain (it has a time stamp or another prefix).
    stamped: bool
    #: Only below a line of "=====".
    ruled: bool
    #: A later line that adds groups ("Write of size 8 at addr").
    detail: re.Pattern[str] | None
    #: Searched in names of functions that are not guilty in this family, beside the helpers.
    skip: re.Pattern[str] | None

    @property
    def wants_function(self) -> bool:
        return "{func}" in self.title


_SYMBOL = (
    r"(?P<func>[A-Za-z_$][\w.$]*)(?:\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?)?"
    r"(?: \[(?P<module>[\w-]+)[^\]]*\])?"
)


def row(
    kind: Kind,
    pattern: str,
    title: str,
    *sources: Source,
    role: Role = Role.START,
    single: bool = False,
    rank: int = 50,
    stamped: bool = False,
    ruled: bool = False,
    detail: str | None = None,
    skip: str | None = None,
) -> Family:
    """A row of the table. "@F" in `pattern` stands for a symbol with offset, size and module."""
    return Family(
        kind,
        re.compile(pattern.replace("@F", _SYMBOL)),
        title,
        sources or (Source.PC, Source.STACK),
        role,
        single,
        rank,
        stamped,
        ruled,
        re.compile(detail.replace("@F", _SYMBOL)) if detail else None,
        re.compile(skip) if skip else None,
    )
