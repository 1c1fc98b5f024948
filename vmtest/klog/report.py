# SPDX-License-Identifier: MIT
"""The values the kernel log parser produces: reports, their kinds, and the death of a guest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a report is about. The value is what people read in tables and filters."""

    OOPS = "oops"
    GPF = "gpf"
    BUG = "bug"
    WARNING = "warning"
    KASAN = "kasan"
    KCSAN = "kcsan"
    KMSAN = "kmsan"
    KFENCE = "kfence"
    UBSAN = "ubsan"
    LOCKDEP = "lockdep"
    LOCK_DEBUG = "lock-debug"
    ATOMIC_SLEEP = "atomic-sleep"
    SUSPICIOUS_RCU = "suspicious-rcu"
    RCU_STALL = "rcu-stall"
    SOFT_LOCKUP = "soft-lockup"
    HARD_LOCKUP = "hard-lockup"
    WORKQUEUE_LOCKUP = "workqueue-lockup"
    HUNG_TASK = "hung-task"
    KMEMLEAK = "kmemleak"
    REFCOUNT = "refcount"
    REFERENCE_LEAK = "reference-leak"
    LIST_CORRUPTION = "list-corruption"
    DEBUG_OBJECTS = "debug-objects"
    USERCOPY = "usercopy"
    BAD_PAGE = "bad-page"
    SLAB_CORRUPTION = "slab-corruption"
    STACK_OVERFLOW = "stack-overflow"
    STACK_CORRUPTION = "stack-corruption"
    CONTROL_FLOW = "control-flow"
    USE_AFTER_UNLOAD = "use-after-unload"
    HARDWARE = "hardware"
    PANIC = "panic"
    REBOOT = "reboot"
    BOOT_FAILURE = "boot-failure"
    LOST_CONNECTION = "lost-connection"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Report:
    """One report of the kernel (or of the harness about a guest that no longer answers)."""

    kind: Kind
    #: Stable from run to run: no address, pid or time in it.
    title: str
    #: The function held responsible, without offset and compiler suffixes; None if none was found.
    function: str | None
    #: The whole report, console escapes removed, prefixes kept.
    lines: tuple[str, ...]
    #: First and last line of the report in what the parser was fed, counted from 1.
    start: int
    end: int
    #: The module the function is in, when the log names it.
    module: str | None = None
    #: Something is missing: printk dropped messages, or the expected stack never came.
    truncated: bool = False
    #: The guest died of it (the report ends in a panic).
    fatal: bool = False
    #: printk's time stamp of the first line in seconds, when there is one.
    time: float | None = None

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class DeathReason(StrEnum):
    PANIC = "panic"
    REBOOT = "reboot"
    POWER_OFF = "power-off"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class Death:
    """A console line after which the guest will answer nobody."""

    reason: DeathReason
    line: str
    number: int


def distinct(reports: Iterable[Report]) -> list[Report]:
    """The first report of each title: a stall or a leak is often printed again and again."""
    seen: dict[tuple[Kind, str], Report] = {}
    for report in reports:
        seen.setdefault((report.kind, report.title), report)
    return list(seen.values())


def lost_connection(last_lines: Sequence[str] = (), line: int = 0) -> Report:
    """The report for a guest that stopped answering although its log shows no reason."""
    return Report(
        kind=Kind.LOST_CONNECTION,
        title="lost connection to test machine",
        function=None,
        lines=tuple(last_lines),
        start=max(1, line - len(last_lines) + 1),
        end=max(1, line),
        fatal=True,
    )


def no_output(seconds: float, last_lines: Sequence[str] = (), line: int = 0) -> Report:
    """The report for a guest whose console has been silent past its deadline."""
    return Report(
        kind=Kind.HANG,
        title="no output from test machine",
        function=None,
        lines=(*last_lines, f"(nothing on the console for {seconds:g} s)"),
        start=max(1, line - len(last_lines) + 1),
        end=max(1, line),
    )
