# SPDX-License-Identifier: MIT
"""One report in the making: it collects lines, stacks and headers, and is titled at the end."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

from vmtest.klog.family import Family, Role, Source
from vmtest.klog.frames import Frame, entry, innermost, parse_frame, plain_name
from vmtest.klog.helpers import is_helper, is_lock_primitive
from vmtest.klog.lines import Line
from vmtest.klog.report import Kind, Report
from vmtest.klog.title import fill


class Phase(Enum):
    #: Header lines only.
    HEADER = auto()
    #: Registers or a stack have come.
    BODY = auto()
    #: The kernel's end marker has come; a panic or a register dump may still follow.
    ENDED = auto()


_STACK_BEGIN = re.compile(r"\s*(?:Call [Tt]race|stack backtrace|Backtrace|backtrace)\b.*:")
_DUMP_BEGIN = re.compile(
    r"(?:CPU: \d+ (?:PID|UID)|NMI backtrace for cpu|\s*task:\S+ +state:|Task dump for CPU)"
)
# Stacks of somebody else, printed for comparison.
_ASIDE = re.compile(
    r"(?:INFO: )?(?:Preemption disabled at|Allocated|Freed|Last potentially"
    r"|Second to last potentially|Uninit was|The buggy address"
    r"|Local variable|allocated by|freed by|page last|page_owner|Memory state"
    r"|Showing all locks|kfence-#|Slab 0x|Object 0x)\b.*"
    r"|-> #\d+ \(|.*(?:registered|created|acquired|INITIAL USE|IRQ-\S+) at:|.*kthread stack dump:"
    r"|.*where RCU GP kthread last ran:"
)
_KTHREAD_ASIDE = re.compile(r".*(?:kthread stack dump:|where RCU GP kthread last ran:)")
_LOCK_AT = re.compile(
    r".*\bat: (?:\[<[0-9a-f]+>\] )?(?P<symbol>[A-Za-z_][\w.$]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?"
    r"(?: \[(?P<module>\w+)\])?"
)
_LOCK_AT_NEXT = re.compile(r".*(?:trying to release lock|trying to acquire lock|lock) .*at:\s*$")
_END = re.compile(r"\s*---\[ end (?:trace|Kernel panic)\b|={30,}\s*$")
_NOT_PRESENT = re.compile(r"#PF: error_code\(0x\w+\) - not-present page|\s*FSC = .*translation")
_LAST_UNLOADED = re.compile(r".*\[last unloaded: (?P<module>[\w-]+)")
_MODULE_SPACE = (
    range(0xFFFFFFFFA0000000, 0xFFFFFFFFFF600000),  # x86-64
    range(0xFFFF800000000000, 0xFFFF800100000000),  # arm64
)
_GRACE_PERIOD = re.compile(r"synchronize_(?:s?rcu|net)")
# "CPU: 0 PID: 12 Comm:", "WARNING: CPU: 0 PID: 12 at", "by task x/12", "CPU#0: x/12",
# "stuck for 22s! [x:12]".
_OWNER = re.compile(
    r".*?(?:\bPID: |\bby task \S{0,40}/|, CPU#\d+: \S{0,40}/|stuck for \d+s! \[.{0,40}:)"
    r"(?P<pid>\d+)\b"
)
_INLINED = re.compile(r".* \[inline\](?:, CPU#\d+: .*)?$")
# So many lines in a row that do not look like a report's end it.
_DOUBT = {Phase.HEADER: 24, Phase.BODY: 10, Phase.ENDED: 5}
# No report is longer; what goes on for more is another one's trouble ("Showing all locks").
_MAX_LINES = 3000
# An announcement stands this close to its header.
_MAX_ANNOUNCEMENT = 16
# Kinds behind which an exception of the processor may be: "Oops: 0002 [#1]" is a detail of it.
_FAULTS = frozenset({Kind.OOPS, Kind.GPF, Kind.BUG, Kind.LIST_CORRUPTION, Kind.USERCOPY,
                     Kind.UBSAN, Kind.STACK_OVERFLOW, Kind.CONTROL_FLOW,
                     Kind.HARDWARE})  # fmt: skip
# Kinds whose details come after the stack as well.
_FOLLOWED_LATE = frozenset({Kind.RCU_STALL, Kind.SLAB_CORRUPTION})


class Builder:
    """Collects one report. `add` takes its lines in order; `build` makes the report."""

    def __init__(self, prelude: list[Line]) -> None:
        self.lines: list[Line] = list(prelude)
        self.phase = Phase.HEADER
        self.fatal = False
        #: Whether its lines carry a prefix of printk.
        self.stamped = False
        #: What stood before the headline, and is to be taken off the lines below it.
        self.indent = ""
        #: Number of the newest message, for the parser to tell old reports.
        self.last_message = 0
        #: Lines that did not look like a report's; they belong if others that do come after them.
        self.doubtful: list[Line] = []
        #: The process that the headers name.
        self.owner: str | None = None
        self._headline: Line | None = None
        self._family: Family | None = None
        self._groups: dict[str, str | None] = {}
        self._roles: set[Role] = set()
        self._primary: list[Frame] = []
        self._primary_open = True
        self._stacks: list[list[Frame]] = []
        self._stack_has_trace = False
        self._stack_aside = False
        #: Of the kthread that a stall keeps from running.
        self._asides: list[Frame] = []
        self._lock_at: Frame | None = None
        self._lock_at_next = False
        #: A symbolized log repeats the header for each function inlined at that place.
        self._inlined = False
        self._last_unloaded: str | None = None
        self._dropped = False
        #: The faulting address is not mapped at all, rather than protected.
        self._not_present = False

    @property
    def kind(self) -> Kind | None:
        return self._family.kind if self._family else None

    @property
    def is_fault(self) -> bool:
        """Whether the processor or BUG() stopped what ran; a guest may end there without a word."""
        return self.kind in _FAULTS

    @property
    def single(self) -> bool:
        return bool(self._family and self._family.single)

    @property
    def announced_only(self) -> bool:
        """Whether the header proper has yet to come."""
        return self.phase is Phase.HEADER and self._roles <= {Role.ANNOUNCE}

    @property
    def awaits_warning(self) -> bool:
        """Whether a WARN() may follow whose stack is this report's: SLUB has no other."""
        return self.kind is Kind.SLAB_CORRUPTION and not self._primary

    @property
    def exhausted(self) -> bool:
        """Whether so much that is not a report's has followed that this one must be over."""
        return len(self.doubtful) > _DOUBT[self.phase] or len(self.lines) > _MAX_LINES

    @property
    def awaits_stack(self) -> bool:
        """Whether its process is known, or will be told, by which its stack is recognised."""
        told = bool(self._family and self._family.detail)
        return self.phase is Phase.HEADER and (told or self.owner is not None)

    @property
    def _is_warning_so_far(self) -> bool:
        """Whether nothing follows a WARN()'s headline yet; its message does on 32-bit ARM."""
        return self.lines[-1] is self._headline and self._headline.text.startswith("WARNING: ")

    def continues_with(self, family: Family, line: Line) -> bool:
        """Whether `line`, a header of `family`, belongs to this report."""
        if family.role is Role.PANIC_AFTER:
            return True
        if family.role is Role.PANIC_AFTER_FAULT and self.is_fault:
            return True
        if line.text == self.lines[-1].text:
            return True  # two consoles print on one terminal
        if family.role is Role.ANNOUNCE and self._is_warning_so_far:
            return True
        if family.role is Role.FOLLOW and family.kind is self.kind in _FOLLOWED_LATE:
            return True
        if family.role is Role.FOLLOW and (
            family.kind is self.kind or {family.kind, self.kind} <= _FAULTS
        ):
            return self.phase is Phase.HEADER
        if self._inlined and self.phase is Phase.HEADER and family.kind is self.kind:
            return True
        return self.announced_only and len(self.lines) <= _MAX_ANNOUNCEMENT

    def header(self, line: Line, family: Family, match: re.Match[str]) -> None:
        """Take `line` as a header; the highest rank of all headers names the report."""
        groups = match.groupdict()
        if self._family is None or family.rank > self._family.rank:
            self._family = family
            self._groups = groups
            # Lockdep prints the stacks of the whole dependency chain before the one that counts.
            self._primary_open = Source.LOCK_AT not in family.sources
        else:
            for name, value in groups.items():
                if value and (self._inlined or not self._groups.get(name)):
                    self._groups[name] = value
        self._roles.add(family.role)
        self._inlined = bool(_INLINED.match(line.text))
        self._keep(line)
        self._headline = line
        self.indent = line.indent
        self.owner = self.owner or owner(line.text)
        self.stamped = self.stamped or line.stamped
        if "Kernel panic" in line.text:
            self.fatal = True

    def lose(self, line: Line) -> None:
        """Take `line` as the note that messages before it were lost."""
        self._dropped = True
        self._keep(line)

    def add(self, line: Line, *, sure: bool) -> None:
        """Take a line that follows the headers; not `sure` if it could be anybody's."""
        text = line.text
        self._refine(text)
        if not sure:
            self.doubtful.append(line)
            return
        self._keep(line)
        if unloaded := _LAST_UNLOADED.match(text):
            self._last_unloaded = self._last_unloaded or unloaded["module"]
        if _END.match(text) and self.phase is Phase.BODY:
            self.phase = Phase.ENDED
            self._primary_open = False
            return
        if _STACK_BEGIN.match(text):
            self._begin_stack()
        elif _DUMP_BEGIN.match(text):
            # Unless it is the line that the kthread's stack begins with.
            aside = self._stack_aside and text.startswith("task:") and not self._stack_has_trace
            self._begin_dump()
            self._stack_aside = aside
        elif _ASIDE.match(text):
            self._primary_open = False
            if _KTHREAD_ASIDE.match(text):
                self._begin_dump()
                self._stack_aside = True
        elif frame := parse_frame(text):
            self._add_frame(frame)

    def _keep(self, line: Line) -> None:
        self.lines += self.doubtful
        self.doubtful.clear()
        self.lines.append(line)

    def _refine(self, text: str) -> None:
        if self.phase is Phase.HEADER:
            self.owner = self.owner or owner(text)
        self._not_present = self._not_present or bool(_NOT_PRESENT.match(text))
        if self._family and self._family.detail and (more := self._family.detail.match(text)):
            for name, value in more.groupdict().items():
                if not self._groups.get(name):
                    self._groups[name] = value
        if self._lock_at is None and self.phase is Phase.HEADER:
            if text.endswith("[inline]"):
                return  # the function it is part of follows
            if at := _LOCK_AT.match(text):
                self._lock_at = Frame(at["symbol"], module=at["module"])
            elif self._lock_at_next and (frame := parse_frame(text)) and frame.symbol:
                self._lock_at = frame
        # Another context's message may come between.
        self._lock_at_next = self._lock_at_next or bool(_LOCK_AT_NEXT.match(text))

    def _begin_dump(self) -> None:
        if self.phase is Phase.HEADER:
            self.phase = Phase.BODY
        self._stacks.append([])
        self._stack_has_trace = False
        self._stack_aside = False

    def _begin_stack(self) -> None:
        if self.phase is Phase.HEADER:
            self.phase = Phase.BODY
        aside = self._stack_aside
        if not self._stacks or self._stack_has_trace:
            self._begin_dump()
        self._stack_aside = aside
        traced = any(not frame.pc for frame in self._primary)
        self._primary_open = not traced and self.phase is not Phase.ENDED

    def _add_frame(self, frame: Frame) -> None:
        if self.phase is Phase.HEADER and self._primary_open:
            self.phase = Phase.BODY
        if frame.inline:
            return  # a title must not depend on whether its log was symbolized
        if self._primary_open or (frame.pc and not self._primary and self.phase is Phase.BODY):
            self._primary.append(frame)
        if not self._stacks:
            self._stacks.append([])
        self._stack_has_trace = self._stack_has_trace or not frame.pc
        (self._asides if self._stack_aside else self._stacks[-1]).append(frame)

    # Titling.

    def build(self) -> Report | None:
        """The report; None if no header ever came, or a text only speaks of one."""
        family = self._family
        if family is None:
            return None
        if self.indent and len(self.lines) == 1 and not family.single:
            return None
        frame, name = self._guilty(family)
        kind = family.kind
        title = fill(family.title, self._groups, self._pair() or name)
        module = frame.module if frame else None
        if kind is Kind.OOPS and (unloaded := self._unloaded_module()):
            kind, module = Kind.USE_AFTER_UNLOAD, unloaded
            if self._primary[0].pc and not self._primary[0].symbol:
                name = None  # the code itself is gone; its callers are not guilty
            title = fill(f"BUG: use after unload of {unloaded} in {{func}}", {}, name)
        return Report(
            kind=kind,
            title=title,
            function=name,
            lines=tuple(line.raw for line in self.lines),
            start=self.lines[0].number,
            end=self.lines[-1].number,
            module=module,
            truncated=self._dropped or (family.wants_function and not name and not module),
            fatal=self.fatal,
            time=next((line.time for line in self.lines if line.time is not None), None),
        )

    def _guilty(self, family: Family) -> tuple[Frame | None, str | None]:
        for source in family.sources:
            if source is Source.ENTRY:
                for stack in self._stacks:
                    if found := entry(stack):
                        return found
            elif frame := innermost(self._candidates(source), _innocence(family, source)):
                return frame, frame.function
        # All are innocent: better one of them than no name, the header's before all.
        last_resort = [
            frame
            for source in (Source.HEADER, *family.sources)
            for frame in self._candidates(source)
            if frame.symbol and not (source is Source.STACK and is_helper(frame.function))
        ]
        if Source.ENTRY in family.sources:
            last_resort = [
                frame for stack in self._stacks for frame in stack if frame.function == "do_idle"
            ]
            if not last_resort and (found := entry(self._asides)):
                return found
        return (last_resort[0], last_resort[0].function) if last_resort else (None, None)

    def _candidates(self, source: Source) -> list[Frame]:
        if source in (Source.HEADER, Source.NAMED):
            symbol = self._groups.get("func") or self._groups.get("first")
            return [Frame(symbol, module=self._groups.get("module"))] if symbol else []
        if source is Source.LOCK_AT:
            return [self._lock_at] if self._lock_at else []
        if source is Source.PC:
            return [frame for frame in self._primary if frame.pc][:1]
        if source is Source.STACK:
            return [frame for frame in self._primary if not frame.pc]
        if source is Source.GRACE_PERIOD:
            waits = [frame for frame in self._primary if _GRACE_PERIOD.match(frame.symbol)]
            return [Frame("synchronize_rcu") for frame in waits if not frame.unreliable]
        return []

    def _pair(self) -> str | None:
        first, second = self._groups.get("first"), self._groups.get("second")
        if first and second:
            return " / ".join(sorted((plain_name(first), plain_name(second))))
        return None

    def _unloaded_module(self) -> str | None:
        """The module whose code or data this fault was after, if it is no longer there."""
        pc = next((frame for frame in self._primary if frame.pc), None)
        if pc is None:
            return None
        if not pc.symbol:
            # Unmapped, or mapped still and filled with int3: no loaded module owns this code.
            address = pc.address or 0
        elif self._not_present:
            address = int(self._groups.get("address") or "0", 16)
        else:
            return None
        return self._last_unloaded if any(address in space for space in _MODULE_SPACE) else None


def owner(text: str) -> str | None:
    """The process that a line of a report says it is about."""
    match = _OWNER.match(text)
    return match["pid"] if match else None


def _innocence(family: Family, source: Source) -> Callable[[str], bool]:
    """What tells the functions that are not to be named, among those found in `source`."""
    skip = family.skip
    if source in (Source.NAMED, Source.GRACE_PERIOD):
        return lambda _: False
    if source is Source.LOCK_AT:
        return is_lock_primitive
    if skip is not None:
        return lambda name: is_helper(name) or bool(skip.search(name))
    return is_helper
