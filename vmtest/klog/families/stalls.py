# SPDX-License-Identifier: MIT
"""Families about time that passes with nothing done: stalls, lockups, hung tasks."""

from __future__ import annotations

from vmtest.klog.family import Role, Source, row
from vmtest.klog.report import Kind

_STACK, _ENTRY, _GRACE_PERIOD = Source.STACK, Source.ENTRY, Source.GRACE_PERIOD
_STALL = "INFO: rcu detected stall in {func}"
# Whoever waits is guilty, not what it waits with.
_WAITING = (
    r"sched|_lock|_slowlock|^down|rwsem|rwbase|completion|kthread|wait|synchronize|context_switch"
    r"|__switch_to|(?:flush|cancel|drain|destroy)_(?:delayed_)?work|rcu_barrier"
)

STALLS = (
    row(
        Kind.RCU_STALL,
        r"(?:rcu: )?INFO: \w+ (?:self-)?detected (?:expedited )?stalls?\b",
        _STALL,
        _ENTRY,
    ),
    row(Kind.RCU_STALL, r"(?:rcu: )?INFO: \w+ detected stall", _STALL, _ENTRY),
    # The consequence of a stall, or the only sign of one.
    row(
        Kind.RCU_STALL,
        r"(?:rcu: )?(?:INFO: )?\w+ kthread (?:starved for|timer wakeup didn't happen for) \d+",
        _STALL,
        _ENTRY,
        role=Role.FOLLOW,
        rank=40,
    ),
    row(
        Kind.SOFT_LOCKUP,
        r"(?:(?:NMI )?watchdog: )?BUG: soft lockup - CPU#\d+",
        "BUG: soft lockup in {func}",
        _ENTRY,
    ),
    # Each of the others follows.
    row(
        Kind.HARD_LOCKUP,
        r"watchdog: CPU ?\d+ detected hard LOCKUP on other CPUs",
        "BUG: hard lockup in {func}",
        _ENTRY,
        role=Role.ANNOUNCE,
        rank=30,
    ),
    row(
        Kind.HARD_LOCKUP,
        r"(?:(?:NMI )?watchdog: )?(?:CPU ?\d+: )?Watchdog detected hard LOCKUP"
        r"|(?:NMI )?watchdog: CPU ?\d+ (?:detected hard LOCKUP|self-detected hard LOCKUP"
        r"|Hard LOCKUP)",
        "BUG: hard lockup in {func}",
        _ENTRY,
    ),
    row(
        Kind.HARD_LOCKUP,
        r"smp: csd: Detected non-responsive CSD lock",
        "BUG: non-responsive CSD lock in {func}",
        _ENTRY,
    ),
    row(Kind.WORKQUEUE_LOCKUP, r"(?:workqueue: )?BUG: workqueue lockup", "BUG: workqueue lockup"),
    row(
        Kind.HUNG_TASK,
        r"INFO: task \S.{0,40}:\d+ (?:<\w+> )?blocked (?:in I/O wait )?for more",
        "INFO: task hung in {func}",
        _GRACE_PERIOD,
        _STACK,
        skip=_WAITING,
    ),
    row(
        Kind.HUNG_TASK,
        r"INFO: task \S.{0,40}:\d+ (?:<\w+> )?can't die (?:for more|in)",
        "INFO: task can't die in {func}",
        _STACK,
        skip=_WAITING,
    ),
)
