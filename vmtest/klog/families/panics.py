# SPDX-License-Identifier: MIT
"""Families about panics: those that end another report, and those that stand for themselves."""

from __future__ import annotations

from vmtest.klog.family import Role, Source, row
from vmtest.klog.report import Kind

_STACK, _HEADER = Source.STACK, Source.HEADER
_P = r"Kernel panic - not syncing: "

PANICS = (
    # panic() because of the report before: that report names it. Alone, they name themselves.
    row(
        Kind.PANIC,
        _P + r"(?P<reason>(?:.*: )?Fatal exception(?: in interrupt)?|panic_on_\w+ set"
        r"|(?:\w+: |kmsan\.)?(?:panic_on_warn|kasan\.fault\S*|panic) set"
        r"|(?:kernel|KASAN|KFENCE|KMSAN|KCSAN|UBSAN|RCU|lockdep)\b.*panic_on_\w+"
        r"|hung_task: blocked tasks|softlockup: hung tasks|Hard LOCKUP|hard ?lockup"
        r"|RCU Stall|Machine halted|Oops\b|scheduling while atomic"
        r"|workqueue: .*|csd_lock: .*|panic_on_taint set)",
        "kernel panic: {reason}",
        role=Role.PANIC_AFTER,
        rank=20,
    ),
    row(
        Kind.PANIC,
        _P + r"(?P<reason>Attempted to kill (?:init|the idle task)!?"
        r"|Aiee, killing interrupt handler!?|bad mode|Corrupt kernel stack, can't continue"
        r"|Kernel Fault|Bad Address \(null pointer deref\?\)|BUG!)",
        "kernel panic: {reason}",
        role=Role.PANIC_AFTER_FAULT,
        rank=20,
    ),
    row(
        Kind.CONTROL_FLOW,
        _P + r"CFI failure \(target: ",
        "CFI failure in {func}",
        _STACK,
        rank=70,
    ),
    row(
        Kind.STACK_CORRUPTION,
        _P + r"stack-protector: Kernel stack is corrupted in: @F",
        "kernel panic: stack is corrupted in {func}",
        _HEADER,
        rank=60,
    ),
    row(
        Kind.STACK_CORRUPTION,
        _P + r"stack-protector: Kernel stack is corrupted in: ",
        "kernel panic: stack is corrupted in {func}",
        _STACK,
        rank=60,
    ),
    row(
        Kind.STACK_CORRUPTION,
        _P + r"corrupted stack end detected inside scheduler",
        "kernel panic: corrupted stack end in {func}",
        _STACK,
        rank=60,
    ),
    row(
        Kind.STACK_OVERFLOW,
        _P + r"[Kk]ernel stack overflow",
        "kernel stack overflow in {func}",
        role=Role.PANIC_AFTER_FAULT,
        rank=45,
    ),
    row(
        Kind.HARDWARE,
        _P + r"(?P<reason>(?:Asynchronous )?SError Interrupt)",
        "kernel panic: {reason}",
        role=Role.PANIC_AFTER_FAULT,
        rank=45,
    ),
    row(
        Kind.HARDWARE,
        _P + r"(?P<reason>Fatal (?:local )?machine check.*|Fatal hardware error.*"
        r"|Timeout: .* (?:broadcast exception handler|machine check processing))",
        "kernel panic: {reason}",
        rank=60,
    ),
    row(
        Kind.BOOT_FAILURE,
        _P + r"(?P<reason>VFS: Unable to mount root fs.*|No (?:working )?init found"
        r"|Requested init \S+ failed.*|Unable to mount root.*"
        r"|(?:junk|invalid magic) .*compressed archive|no cpio magic"
        r"|compression method \S+ not configured)",
        "kernel panic: {reason}",
        rank=60,
    ),
    row(
        Kind.PANIC,
        _P + r"(?P<reason>Couldn't open N_TTY ldisc)",
        "kernel panic: {reason}",
        rank=60,
    ),
    row(Kind.PANIC, _P + r"(?P<reason>\S.*)", "kernel panic: {reason}", rank=60),
    row(Kind.PANIC, r"Kernel panic - not syncing", "kernel panic", rank=30, role=Role.PANIC_AFTER),
    # The first lines were lost.
    row(
        Kind.PANIC,
        r"---\[ end Kernel panic - not syncing(?:: (?P<reason>.*?)(?: exitcode=\S*)?)? *(?:\]-*)?$",
        "kernel panic: {reason}",
        role=Role.PANIC_AFTER,
        rank=15,
        single=True,
    ),
)
