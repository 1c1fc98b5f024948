# SPDX-License-Identifier: MIT
"""Families about exceptions in the kernel: bad pointers, traps, BUG(), stacks, control flow."""

from __future__ import annotations

from vmtest.klog.family import Role, Source, row
from vmtest.klog.report import Kind

_PC, _STACK, _HEADER = Source.PC, Source.STACK, Source.HEADER
_F = Role.FOLLOW
_NULL = "BUG: unable to handle kernel NULL pointer dereference in {func}"
_PAGING = "BUG: unable to handle kernel paging request in {func}"
_OOPS = r"(?:Oops: )?"

FAULTS = (
    # Kernel stacks that ran out.
    row(
        Kind.STACK_OVERFLOW,
        r"BUG: (?:#?\w+ )?stack guard page was hit",
        "BUG: stack guard page was hit in {func}",
        rank=60,
    ),
    row(
        Kind.STACK_OVERFLOW,
        r"kernel stack overflow \(|Oops: stack guard page",
        "kernel stack overflow in {func}",
        role=_F,
    ),
    row(
        Kind.STACK_OVERFLOW,
        r"Insufficient stack space to handle exception",
        "kernel stack overflow in {func}",
        rank=60,
    ),
    row(
        Kind.STACK_OVERFLOW,
        r"(?:Thread|Kernel) stack overflow|do_IRQ: .*stack overflow",
        "kernel stack overflow in {func}",
    ),
    # Bad addresses. x86 from 5.2 on, x86 before, arm64 and others.
    row(Kind.OOPS, r"BUG: [Kk]ernel NULL pointer dereference", _NULL),
    row(
        Kind.OOPS,
        r"BUG: unable to handle page fault for address(?:: (?P<address>[0-9a-f]+))?",
        _PAGING,
    ),
    row(
        Kind.OOPS,
        r"(?:BUG: )?(?:CPU \d+ )?[Uu]nable to handle kernel NULL pointer dereference",
        _NULL,
    ),
    row(
        Kind.OOPS,
        r"(?:BUG: )?(?:CPU \d+ )?[Uu]nable to handle kernel (?:paging request"
        r"(?: at virtual address (?P<address>[0-9a-f]+))?"
        r"|pointer dereference|data access|instruction fetch|unaligned)",
        _PAGING,
    ),
    row(
        Kind.OOPS,
        r"(?:BUG: )?[Uu]nable to handle kernel access to user memory",
        "BUG: unable to handle kernel access to user memory in {func}",
    ),
    row(
        Kind.OOPS,
        r"(?:BUG: )?[Uu]nable to handle kernel (?P<what>(?:write to read-only|execute from"
        r" non-executable|read from unreadable|execution of user) memory)",
        "BUG: unable to handle kernel {what} in {func}",
    ),
    row(Kind.OOPS, r"(?:BUG: )?[Uu]nable to handle kernel ", _PAGING),
    row(Kind.OOPS, r"(?:BUG: )?[Kk]ernel attempted to ", _PAGING, role=Role.ANNOUNCE, rank=40),
    # PA-RISC.
    row(Kind.OOPS, r"Bad Address \(null pointer deref\?\): Code=\d+ \(", _NULL),
    row(Kind.OOPS, r"Kernel Fault: Code=\d+ \(", _PAGING),
    # BUG() and what is made of it.
    row(
        Kind.LIST_CORRUPTION,
        r"kernel BUG at lib/list_debug\.c:\d+",
        "BUG: corrupted list in {func}",
        rank=70,
    ),
    row(Kind.USERCOPY, r"kernel BUG at mm/usercopy\.c:\d+", "BUG: bad usercopy in {func}", rank=65),
    row(Kind.BUG, r"kernel BUG at \S+", "kernel BUG in {func}", rank=60),
    row(
        Kind.BUG,
        r"[Kk]ernel BUG at \S+|Kernel BUG \[verbose debug info unavailable\]",
        "kernel BUG in {func}",
        rank=60,
    ),
    # Where the architecture brings no BUG() of its own, as in user-mode Linux.
    row(
        Kind.BUG,
        r"BUG: failure at \S+:\d+/(?P<func>\w+)\(\)!",
        "kernel BUG in {func}",
        _HEADER,
        rank=60,
    ),
    # Control flow integrity.
    row(
        Kind.CONTROL_FLOW,
        r"(?:traps: )?Missing ENDBR: (?:0x[0-9a-f]+|@F)",
        "control protection fault: missing ENDBR in {func}",
        _HEADER,
        _STACK,
        role=Role.ANNOUNCE,
        rank=70,
    ),
    row(
        Kind.CONTROL_FLOW,
        r"CFI failure at (?:0x[0-9a-f]+|@F)",
        "CFI failure in {func}",
        _HEADER,
        _STACK,
        role=Role.ANNOUNCE,
        rank=70,
    ),
    # Before 6.1.
    row(
        Kind.CONTROL_FLOW,
        r"CFI failure \(target: ",
        "CFI failure in {func}",
        _STACK,
        role=Role.ANNOUNCE,
        rank=70,
    ),
    row(
        Kind.CONTROL_FLOW,
        _OOPS + r"control protection(?: fault)?[:,].*\[#\d+\]",
        "control protection fault in {func}",
        role=_F,
    ),
    # Traps. "Oops: " stands before them from 6.10 on.
    row(
        Kind.GPF,
        _OOPS + r"general protection fault\b.*\[#\d+\]|general protection fault: [0-9a-f]{4}\b",
        "general protection fault in {func}",
        role=_F,
    ),
    row(Kind.GPF, r"Oops: general protection fault", "general protection fault in {func}", role=_F),
    row(
        Kind.GPF,
        r"general protection fault, (?:probably|maybe) for",
        "general protection fault in {func}",
        role=_F,
    ),
    row(
        Kind.OOPS,
        _OOPS + r"Bad pagetable: .*\[#\d+\]",
        "bad page table in {func}",
        role=_F,
    ),
    row(Kind.OOPS, _OOPS + r"divide[ _]error: .*\[#\d+\]", "divide error in {func}", role=_F),
    # 32-bit ARM divides in software, and goes on.
    row(
        Kind.OOPS,
        r"Division by zero in kernel\.",
        "divide error in {func}",
        _STACK,
        skip=r"^_*L?div0|^__aeabi_",
    ),
    row(Kind.OOPS, _OOPS + r"invalid opcode: .*\[#\d+\]", "invalid opcode in {func}", role=_F),
    row(Kind.OOPS, _OOPS + r"int3: .*\[#\d+\]", "int3 in {func}", role=_F),
    row(Kind.OOPS, _OOPS + r"double fault: .*\[#\d+\]", "double fault in {func}", role=_F),
    # Nothing need follow: the guest asks its hypervisor to end it.
    row(
        Kind.OOPS,
        r"(?:SEV: )?PANIC: Unhandled #VC exception in kernel mode",
        "PANIC: unhandled #VC exception in {func}",
    ),
    row(Kind.OOPS, r"(?:traps: )?PANIC: double fault", "PANIC: double fault in {func}", rank=60),
    row(
        Kind.OOPS,
        _OOPS + r"(?P<what>stack segment|segment not present|invalid TSS|alignment check|bounds"
        r"|overflow|coprocessor segment overrun|virtualization exception|debug"
        r"|split lock|SIMD exception|x87 FPU exception|bad \w+ trap): .*\[#\d+\]",
        "{what} fault in {func}",
        role=_F,
    ),
    row(
        Kind.OOPS,
        _OOPS + r"(?P<what>fpu exception|simd exception|iret exception|VE fault"
        r"|unexpected #NM exception): .*\[#\d+\]",
        "{what} in {func}",
        role=_F,
    ),
    # arm64 and the rest of the world. "Internal error: Oops - BUG: 00000000f2000800 [#1] SMP".
    row(
        Kind.CONTROL_FLOW,
        r"Internal error: Oops - (?P<what>CFI|BTI|FPAC|GCS)",
        "{what} failure in {func}",
        role=_F,
    ),
    row(Kind.BUG, r"Internal error: Oops - BUG", "kernel BUG in {func}", role=_F),
    row(
        Kind.OOPS,
        r"Internal error: .*(?:\[#\d+\]|: [0-9a-f]{8,16}\b)",
        "Internal error in {func}",
        role=_F,
    ),
    row(
        Kind.OOPS,
        r"Alignment trap: not handling instruction",
        "Alignment trap in {func}",
        role=Role.ANNOUNCE,
        rank=60,
    ),
    row(Kind.OOPS, r"Unhandled (?:fault|prefetch abort): ", "Unhandled fault in {func}"),
    # MIPS and LoongArch; s390, whose BUG() is a monitor event.
    row(Kind.BUG, r"Kernel (?:bug detected|BUG )\[#\d+\]", "kernel BUG in {func}", role=_F),
    row(
        Kind.OOPS,
        r"(?P<what>(?:illegal|privileged) operation|(?:monitor|space switch) event"
        r"|(?:protection|addressing|execute|operand|data|(?:translation )?specification|special"
        r" operation|fixpoint divide|transaction constraint|hfp \w+|vector processing"
        r"|unknown program) exception|Low-address protection): [0-9a-f]{4} ilc:\d \[#\d+\]",
        "{what} in {func}",
        role=_F,
    ),
    row(
        Kind.OOPS,
        r"(?P<what>(?:Reserved|Break|Trap) instruction|FP exception|do_\w+ invoked"
        r"|Unhandled kernel unaligned access|Kernel a[dl]e access|TLB miss)\b.*\[#\d+\]",
        "{what} in {func}",
        role=_F,
    ),
    row(Kind.OOPS, r"Bad mode in .* handler detected", "Bad mode in {func}"),
    row(Kind.HARDWARE, r"SError Interrupt on CPU\d+", "SError in {func}", rank=40),
    row(Kind.OOPS, r"PANIC: early exception \S+", "PANIC: early exception", rank=60),
    row(Kind.OOPS, r"Oops\b.*\[#\d+\]|Oops: 0[0-9a-f]{3}\b", "Oops in {func}", role=_F),
)
