# SPDX-License-Identifier: MIT
"""Families about locking and context: lockdep, lock debugging, sleeping where one must not."""

from __future__ import annotations

from vmtest.klog.family import Role, Source, row
from vmtest.klog.report import Kind

_STACK, _HEADER, _AT = Source.STACK, Source.HEADER, Source.LOCK_AT
# Old kernels put the headline in brackets and called it INFO.
_P = r"(?:\[ )?(?P<level>WARNING|INFO|BUG): "

LOCKING = (
    row(
        Kind.LOCKDEP,
        _P + r"(?:possible circular locking|possible recursive locking|possible irq lock inversion"
        r"|(?:HARD|SOFT|RECLAIM_FS|FS_RECLAIM)\S*-safe -> \S+-unsafe lock order|"
        r"(?:HARD|SOFT)IRQ\S* lock order)",
        "possible deadlock in {func}",
        _AT,
        _STACK,
    ),
    row(
        Kind.LOCKDEP,
        _P + r"inconsistent lock state",
        "inconsistent lock state in {func}",
        _AT,
        _STACK,
    ),
    row(
        Kind.LOCKDEP,
        _P + r"[Ii]nvalid wait context",
        "BUG: invalid wait context in {func}",
        _AT,
        _STACK,
    ),
    row(
        Kind.LOCKDEP,
        _P + r"bad unlock balance",
        "{level}: bad unlock balance in {func}",
        _AT,
        _STACK,
    ),
    row(
        Kind.LOCKDEP,
        _P + r"bad contention detected",
        "WARNING: bad lock contention in {func}",
        _AT,
        _STACK,
    ),
    row(Kind.LOCKDEP, _P + r"held lock freed", "{level}: held lock freed in {func}", _STACK, _AT),
    row(
        Kind.LOCKDEP,
        _P + r"lock held when returning to user space",
        "{level}: lock held when returning to user space in {func}",
        _AT,
        _STACK,
    ),
    row(
        Kind.LOCKDEP,
        _P + r"(?:lock held at task exit time|exit with locks held)",
        "{level}: lock held at task exit time in {func}",
        _AT,
        _STACK,
    ),
    row(
        Kind.LOCKDEP,
        _P + r"\S.{0,24} still has locks held",
        "{level}: still has locks held in {func}",
        _AT,
        _STACK,
    ),
    row(
        Kind.LOCKDEP,
        _P + r"[Nn]ested lock was not taken",
        "{level}: nested lock was not taken in {func}",
        _AT,
        _STACK,
    ),
    row(
        Kind.LOCKDEP,
        _P + r"circular locking deadlock detected",
        "possible deadlock in {func}",
        _AT,
        _STACK,
    ),
    row(
        Kind.SUSPICIOUS_RCU,
        _P + r"suspicious RCU usage",
        "{level}: suspicious RCU usage in {func}",
        _STACK,
        skip="rcu",
    ),
    row(
        Kind.LOCKDEP,
        r"INFO: trying to register non-static key",
        "INFO: trying to register non-static key in {func}",
        _STACK,
    ),
    row(
        Kind.LOCKDEP,
        r"BUG: (?P<limit>MAX_LOCK\w+|MAX_STACK_TRACE_ENTRIES) too low!",
        "BUG: {limit} too low!",
    ),
    row(
        Kind.LOCKDEP,
        r"BUG: looking up invalid subclass: ",
        "BUG: looking up invalid lock subclass in {func}",
        _STACK,
    ),
    row(
        Kind.LOCKDEP,
        r"BUG: key \S+ (?:has not been registered|not in \.data)",
        "BUG: lock class key has not been registered in {func}",
        _STACK,
        role=Role.ANNOUNCE,
        rank=70,
    ),
    row(
        Kind.LOCKDEP,
        r"DEBUG_LOCKS_WARN_ON\(",
        "WARNING: locking bug in {func}",
        _STACK,
        role=Role.ANNOUNCE,
        rank=40,
    ),
    row(
        Kind.LOCKDEP,
        r"Looking for class \"?.{1,80} but found a different class",
        "WARNING: locking bug in {func}",
        _STACK,
        role=Role.ANNOUNCE,
        rank=60,
    ),
    # CONFIG_DEBUG_SPINLOCK, CONFIG_DEBUG_RT_MUTEXES.
    row(
        Kind.LOCK_DEBUG,
        r"BUG: (?P<lock>spinlock|rwlock|rwlock-\w+|write-lock|read-lock)"
        r" (?P<what>[a-z][A-Za-z /-]+?)(?:,| on CPU)",
        "BUG: {lock} {what} in {func}",
        _STACK,
    ),
    row(
        Kind.LOCK_DEBUG,
        r"rtmutex deadlock detected|BUG: rtmutex ",
        "BUG: rtmutex deadlock in {func}",
        _STACK,
        role=Role.ANNOUNCE,
    ),
    # Context.
    row(
        Kind.ATOMIC_SLEEP,
        r"BUG: sleeping function called from invalid context",
        "BUG: sleeping function called from invalid context in {func}",
        _STACK,
    ),
    row(
        Kind.ATOMIC_SLEEP,
        r"BUG: (?P<what>assuming (?:atomic|non migratable) context at \S+)",
        "BUG: {what}",
    ),
    row(
        Kind.ATOMIC_SLEEP,
        r"BUG: scheduling while atomic",
        "BUG: scheduling while atomic in {func}",
        _STACK,
    ),
    row(
        Kind.ATOMIC_SLEEP,
        r"BUG: scheduling in a non-blocking section",
        "BUG: scheduling in a non-blocking section in {func}",
        _STACK,
    ),
    row(
        Kind.ATOMIC_SLEEP,
        r"(?:workqueue: )?(?:BUG: )?workqueue leaked (?:lock or atomic|atomic, lock)",
        "BUG: workqueue leaked lock or atomic in {func}",
        _HEADER,
        _STACK,
        detail=r"\s*(?:(?:last function|workfn): |preempt=.* workfn=)@F",
    ),
    row(
        Kind.ATOMIC_SLEEP,
        r"softirq: huh, entered softirq \d+ \S+ (?:\S*?)@F with preempt_count",
        "BUG: unbalanced preempt_count in {func}",
        _HEADER,
        single=True,
    ),
    row(
        Kind.BUG,
        r"BUG: using (?P<what>\w+\(\)|[\w ]+?) in preemptible",
        "BUG: using {what} in preemptible code in {func}",
        _HEADER,
        _STACK,
        detail=r"caller is @F",
    ),
)
