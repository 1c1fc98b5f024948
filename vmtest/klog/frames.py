# SPDX-License-Identifier: MIT
"""Stack frames in kernel messages, and which of them is the guilty one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vmtest.klog.helpers import is_helper, is_idle, is_machinery


@dataclass(frozen=True, slots=True)
class Frame:
    #: As printed, compiler suffixes included; "" for an address without symbol.
    symbol: str
    offset: int | None = None
    module: str | None = None
    #: Marked "?": found on the stack, perhaps left over.
    unreliable: bool = False
    #: The program counter of a register dump, not an entry of a stack.
    pc: bool = False
    address: int | None = None
    #: Part of the function behind it, and known only to logs that were symbolized.
    inline: bool = False

    @property
    def function(self) -> str:
        return plain_name(self.symbol)


_SUFFIX = re.compile(
    r"(?:\.(?:isra|constprop|cold|part|lto_priv|llvm|cfi_jt|cfi|str|localalias|clone|__uniq)"
    r"(?:\.?\d+)*|\.\d+)+$"
)


def plain_name(symbol: str) -> str:
    """`symbol` without what the compiler appended (.isra.0, .constprop.0, .cold, .part.0)."""
    return _SUFFIX.sub("", symbol)


_SYMBOL = r"(?P<symbol>[A-Za-z_$][\w.$]*)"
_OFFSET = r"\+0x(?P<offset>[0-9a-f]+)(?:/0x[0-9a-f]+)?"
_MODULE = r"(?: +\[(?P<module>[A-Za-z_][\w-]*)(?: [0-9a-f]{8,}| \([A-Z]+\))*\])?"

# " (file.c:12 (discriminator 3) other.h:34)": decode_stacktrace.sh puts this for the offset.
_PLACE = r"[^\s()]+:[\d?]+(?: \(discriminator \d+\))?"
_PLACES = rf" \({_PLACE}(?: {_PLACE})*\)"

# " ? func+0x12/0x34 [mod] file.c:12", "[<ffffffff81000000>] func+0x12/0x34", "#0: func+..."
_FRAME = re.compile(
    r"[ \t|]*(?:\[[0-9a-f]{8,16}\] ?)*(?:\(?\[<(?P<address>[0-9a-f]+)>\]\)? ?)?"
    r"(?:\((?:null|ptrval|____ptrval____)\) ?)?(?P<unreliable>\? ?)?" + _SYMBOL + _OFFSET + _MODULE
)
# "func file.c:12 [inline]" and "func (file.c:12)" of logs that were symbolized already.
_INLINE = re.compile(r"[ \t]+(?:\[[ <>0-9a-f]+\] ?)?" + _SYMBOL + r" \S+:\d+ \[inline\]")
_DECODED = re.compile(
    r"[ \t]*(?P<unreliable>\? )?" + _SYMBOL + _PLACES + r"(?: \[?(?P<module>\w+)\]?)?"
    r"(?: \([A-Z]+\))*\s*$"
)
# arm: " func from caller+0x1/0x2", "[<c0100000>] (func) from [<c0100010>] (caller+0x1/0x2)".
_ARM = re.compile(
    r"[ \t]*(?:\[<(?P<address>[0-9a-f]+)>\] )?\(?" + _SYMBOL + r"(?: \[(?P<module>\w+)\])?\)?"
    r" from (?:\[<|0x|[A-Za-z_$][\w.$]*(?:\+0x| \(| \S+:\d+|$))"
)
_BARE = re.compile(r"[ \t]*(?P<unreliable>\? )?(?:0x|\[<)(?P<address>[0-9a-f]{8,16})(?:>\])?\s*$")

_PC = re.compile(
    r"(?:(?:RIP|EIP): (?:(?P<segment>[0-9a-f]{4}):)?"
    r"|(?:pc|epc)\s*:\s*|(?:PC|pc) is at |NIP \[[0-9a-f]+\] |\s*ERA: |Krnl PSW : .*\("
    r"|T?PC: <?|\s*IAOQ\[0\]: )"
    r"(?:\[?<[0-9a-f]+>\]? *|\[0x[0-9a-f]+\] |[0-9a-f]{8,16} )*"
    r"(?:0x(?P<raw>[0-9a-f]+)"
    r"|" + _SYMBOL + r"(?:" + _OFFSET + _MODULE + r"|(?P<inline> \S+:\d+ \[inline\])"
    r"|" + _PLACES + r"(?: \[?(?P<decoded>\w+))?))"
)
_KERNEL_SEGMENTS = ("0010", "0060", "e030")


def parse_frame(text: str) -> Frame | None:
    """The frame `text` is (a line of a stack or the program counter), None for all else."""
    if pc := parse_pc(text):
        return pc
    for pattern in (_FRAME, _INLINE, _DECODED, _ARM):
        if match := pattern.match(text):
            groups = match.groupdict()
            return Frame(
                groups["symbol"],
                int(groups["offset"], 16) if groups.get("offset") else None,
                groups.get("module"),
                unreliable=bool(groups.get("unreliable")),
                address=int(groups["address"], 16) if groups.get("address") else None,
                inline=pattern is _INLINE,
            )
    if match := _BARE.match(text):
        return Frame("", None, None, bool(match["unreliable"]), address=int(match["address"], 16))
    return None


def parse_pc(text: str) -> Frame | None:
    """The kernel's program counter in a register dump; None for one of user space."""
    match = _PC.match(text)
    if not match:
        return None
    if match["segment"] and match["segment"] not in _KERNEL_SEGMENTS:
        return None
    return Frame(
        match["symbol"] or "",
        int(match["offset"], 16) if match["offset"] else None,
        match["module"] or match["decoded"],
        pc=True,
        address=int(match["raw"], 16) if match["raw"] else None,
        inline=bool(match["inline"]),
    )


def innermost(frames: Iterable[Frame], innocent: Callable[[str], bool] = is_helper) -> Frame | None:
    """The first frame that is not innocent; an unreliable one only when there is no other."""
    named = [frame for frame in frames if frame.symbol and not innocent(frame.function)]
    for frame in named:
        if not frame.unreliable:
            return frame
    return named[0] if named else None


_ENTRY_POINT = re.compile(
    r"(?:__(?:x64|ia32|arm64|riscv|s390x?|se|do|compat)_)*(?:compat_)?(?:__)?(?P<call>k?sys_\w+)"
)
# The frame these called is the work: a work item, a timer, a tasklet, a thread, an initcall, a
# packet's protocol, an operation of a file.
_WORK_CALLER = re.compile(
    r"process_(?:one_work|scheduled_works)|call_timer_fn|expire_timers|__run_timer\w*"
    r"|__run_hrtimer|__hrtimer_run_queues|tasklet_action_common|kthread|do_one_initcall"
    r"|rcu_do_batch|rcu_core|irq_work_run_list|smpboot_thread_fn|task_work_run|handle_softirqs"
    r"|__do_softirq|net_rx_action|__handle_irq_event_percpu|_*netif_receive_skb\w*"
    r"|(?:vfs|do|call|new_sync)_(?:iter_)?(?:read|write)(?:v|_iter)?|vfs_ioctl|do_vfs_ioctl"
    r"|blkdev_(?:driver_)?ioctl|sock_ioctl|vfs_fallocate|__fput"
)


def entry(frames: Sequence[Frame]) -> tuple[Frame, str] | None:
    """Where a CPU that makes no progress entered what it does, and the name for it."""
    work = [frame for frame in _after_interrupt(frames) if frame.symbol and not frame.unreliable]
    # A function that has no frame yet hides its caller, which stands first on the stack.
    at_entry = len(frames) > 1 and frames[0].pc and frames[0].offset == 0
    if work and at_entry and frames[1].unreliable and frames[1].symbol:
        work.insert(1, frames[1])
    if not work:
        work = [frame for frame in frames if frame.symbol and not is_machinery(frame.function)]
    if not work or is_idle(work[0].function):
        return None
    modules = [frame for frame in work if frame.module and not is_helper(frame.function)]
    if modules:
        # The innermost module is at work; another one further out has only called it.
        outermost = [frame for frame in modules if frame.module == modules[0].module][-1]
        return outermost, outermost.function
    for index, frame in enumerate(work):
        if call := _ENTRY_POINT.fullmatch(frame.function):
            return frame, "sys_" + call["call"].removeprefix("k").removeprefix("sys_")
        if _WORK_CALLER.fullmatch(frame.function) and index:
            inner = work[index - 1]
            if not is_helper(inner.function) and not _WORK_CALLER.fullmatch(inner.function):
                return inner, inner.function
    inner_frame = innermost(work)
    return (inner_frame, inner_frame.function) if inner_frame else None


# Where an interrupt or NMI enters the kernel: what it interrupted stands behind.
_INTERRUPT_ENTRY = re.compile(
    r"asm_sysvec_\w+|asm_common_interrupt|(?:smp_)?apic_timer_interrupt|el1h?_(?:64_)?irq|asm_exc_nmi"
    r"|end_repeat_nmi|ret_from_intr|handle_exception|do_irq|__irq_svc"
)


def is_interrupt_entry(function: str) -> bool:
    """Whether the frames behind that of ``function`` are what an interrupt or NMI interrupted."""
    return bool(_INTERRUPT_ENTRY.fullmatch(function))


def _after_interrupt(frames: Sequence[Frame]) -> list[Frame]:
    """`frames` without those of the interrupt that noticed: the timer, the NMI, the dump itself.

    They lead the stack if they are there at all. Those further out belong to what goes on (a
    softirq at the end of an interrupt), or are left over on the stack.
    """
    # A register dump comes first and shows the interrupted program counter.
    begin = next((index for index, frame in enumerate(frames) if not frame.pc), len(frames))
    interrupted, trace = list(frames[:begin]), list(frames[begin:])
    if not trace or not is_machinery(trace[0].function):
        return list(frames)
    for index, frame in enumerate(trace):
        if is_interrupt_entry(frame.function):
            trace = trace[index + 1 :]
            break
    while trace and not trace[0].pc and is_machinery(trace[0].function):
        del trace[0]
    return interrupted + trace
