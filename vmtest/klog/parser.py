# SPDX-License-Identifier: MIT
"""From console text to reports, incrementally: which line belongs to which report."""

from __future__ import annotations

import re
from dataclasses import replace

from vmtest.klog.builder import Builder, Phase, owner
from vmtest.klog.families import match_family
from vmtest.klog.families.boot import BOOT
from vmtest.klog.family import Family, Role
from vmtest.klog.frames import parse_frame
from vmtest.klog.lines import Line, death_reason, parse_line, split_line
from vmtest.klog.report import Death, DeathReason, Kind, Report

# Between "cut here" and its header stands at most a message of some lines.
_MAX_PRELUDE = 12
# A report whose printer has been silent for this many messages of others is over.
_MAX_AGE = 600
# One context may panic over the report of another that was printed so many messages ago.
_MAX_PAUSE = 16

# A command that shows the kernel's log stands so many lines before it.
_MAX_COMMAND = 3

_RULER = re.compile(r"={10,}\s*$")
_CUT_HERE = re.compile(r"(?:-+\[|8<-+) ?cut here")
_PROMPT = re.compile(
    r"(?:\[?[\w@.()-]{0,64} [\w~./-]{1,64}\][#$]|\S{0,64} ?[#$>%]|\S{1,64} login:) +(?=\S)"
)
# printk's own note about lost messages; it has no prefix.
_DROPPED = re.compile(r"(?:printk: )?\*\* ?\d+ printk messages dropped|\*\*\* LOST \d+ MESSAGES")
_BOOT = re.compile(
    r"Linux version \d+\.\d+|SeaBIOS \(version|Booting Linux on physical CPU"
    r"|Decompressing Linux\.\.\.|Booting the kernel\."
)
_STALLS = frozenset({Kind.RCU_STALL, Kind.SOFT_LOCKUP, Kind.HARD_LOCKUP, Kind.HUNG_TASK,
                     Kind.WORKQUEUE_LOCKUP})  # fmt: skip
_PANICS_AFTER = frozenset({Role.PANIC_AFTER, Role.PANIC_AFTER_FAULT})
_END_WITH_RULER = frozenset({Kind.KASAN, Kind.KCSAN, Kind.KMSAN, Kind.KFENCE, Kind.UBSAN})
_NMI_BACKTRACE = re.compile(r"NMI backtrace for cpu \d+|Task dump for CPU \d+")

# How lines of a report look, beside stack frames.
_BODY = re.compile(
    r"\s|$|[=*-]{4,}|(?:CPU|CPU\d+|PID|Comm|Hardware name|Workqueue|Code|RIP|EIP|EFLAGS"
    r"|Call [Tt]race"
    r"|Modules linked in|Tainted|Oops|PGD|pgd|Mem abort info|Data abort info|Internal error|pstate"
    r"|pc|lr|sp|psw|epc|ra|gp|status|Krnl|NIP|LR|GPR\d+|MSR|Stopper|Backtrace|stack backtrace|note"
    r"|PSW|IASQ|s?r\d\d-\d\d|TSTATE|RPC|[gilo][04](?=:)|I7"
    r"|RDX|RBP|R\d\d|RAX|RSP|FS|GS|CS|DR\d|CR2|PKRU|EAX|ESI|DS|Kernel Offset|ORIG_RAX|x\d+ ?"
    r"|Sending NMI|NMI backtrace|Rebooting in|Kernel panic|Allocated|Freed|The buggy|Memory state"
    r"|Read of|Write of|page|raw|flags|head|anon|aops|Uninit|Local variable|Bytes|Object|Redzone"
    r"|Padding|Slab|INFO|FIX|Disabling lock|irq event stamp|hardirqs|softirqs|stack depth"
    r"|preempt_count|in_atomic|RCU nest|Preemption disabled|1 lock|\d+ locks? held|no locks held"
    r"|task|rcu|Showing all locks|#PF|BUG|WARNING|KASAN|Future|Dumping ftrace|Unable to access"
    r"|Last potentially|Second to last|which|but|other info|and|the|to|stack)\b"
    r"|---\[|\*\*|->|#\d|ffff|[0-9a-f]{8,16}\b|<\w+>|> ?[0-9a-f]{8}|\w+ is trying to"
    r"|\S+/\d+ (?:is|\[HC)|\[ *<|RSP:|[0-9a-f]{4}:"
)


class LogParser:
    """Reports from a console, fed in chunks of any size.

    A report is returned once it is known to be over: at its end, or when something else follows.
    `pending` tells that one is open; `flush` closes it, for instance at the end of a test, and
    `finish` takes in the last line as well. `death` is set with the very first characters that
    say the guest is dead, even before their line is complete.
    """

    def __init__(self) -> None:
        self.death: Death | None = None
        self._partial = ""
        self._number = 0
        self._streams: dict[str, Builder] = {}
        #: Reports without caller ids that another one interrupted before their stack came.
        self._interrupted: list[Builder] = []
        self._preludes: dict[str, list[Line]] = {}
        self._latest_time = 0.0
        #: A kernel has announced itself; its messages have times; it has said that it ends.
        self._booted = False
        self._timed = False
        self._dying = False
        #: What stands before this kernel's messages, but for its numbers.
        self._form = ""
        self._messages = 0
        #: Number of the message after which the kernel announced itself, and of a command.
        self._boot_at = 0
        self._dmesg_at = -_MAX_COMMAND
        self._done: list[Report] = []

    @property
    def pending(self) -> bool:
        """Whether a report is open, whose rest may still be on its way."""
        return bool(self._open())

    @property
    def line_count(self) -> int:
        """Complete lines seen."""
        return self._number

    def feed(self, chunk: str) -> list[Report]:
        """Take in more of the console; the reports that ended in it."""
        *complete, self._partial = (self._partial + chunk).split("\n")
        for raw in complete:
            self._number += 1
            self._console_line(raw)
        if self._partial and self.death is None:
            self._watch_partial()
        return self._take()

    def flush(self) -> list[Report]:
        """Close what is open; a line that is not complete yet stays for the next `feed`."""
        for builder in self._open():
            self._close(builder)
        self._preludes.clear()
        return self._take()

    def finish(self) -> list[Report]:
        """Take in the unfinished last line and close what is open."""
        if self._partial:
            self._number += 1
            raw, self._partial = self._partial, ""
            self._console_line(raw)
        return self.flush()

    def _take(self) -> list[Report]:
        done, self._done = self._done, []
        return sorted(done, key=lambda report: report.start)

    def _open(self) -> list[Builder]:
        return list(dict.fromkeys([*self._interrupted, *self._streams.values()]))

    def _watch_partial(self) -> None:
        if len(self._partial) > 4096:
            return
        for line in split_line(self._partial, self._number + 1):
            self._watch(line)

    def _watch(self, line: Line) -> None:
        if reason := death_reason(line.text):
            self._dying = True
            self.death = self.death or Death(reason, line.raw, line.number)

    def _console_line(self, raw: str) -> None:
        for line in split_line(raw, self._number):
            self._message(line)

    def _message(self, line: Line) -> None:
        self._watch(line)
        line = self._unindented(line)
        if not line.stamped and (prompt := _PROMPT.match(line.text)):
            after = parse_line(line.text[prompt.end() :], line.number)
            if match_family(after.text, stamped=False, ruled=False):
                line = after
        if _BOOT.match(line.text) and not self._is_shown(line):
            self._boot(line)
            return
        if _DROPPED.match(line.text):
            for losing in self._open():
                losing.lose(line)
            return
        if line.time is not None:
            self._latest_time = max(self._latest_time, line.time)
            self._timed = True
            self._form = self._form or _form(line)
        self._messages += 1
        if not line.stamped and "dmesg" in line.text:
            self._dmesg_at = self._messages
        if self._messages % 64 == 0:
            self._close_old()
        stream = line.caller or ""
        ruled = stream in self._preludes and any(
            _RULER.match(before.text) and before.stamped == line.stamped
            for before in self._preludes[stream]
        )
        hit = match_family(line.text, stamped=line.stamped, ruled=ruled)
        if hit:
            self._header(stream, line, *hit)
        else:
            self._body(stream, line)
        if builder := self._streams.get(stream):
            builder.last_message = self._messages

    def _unindented(self, line: Line) -> Line:
        """`line` without the blanks that a mail or a bug report puts before each line of a log.

        The headline shows how many. Once messages have stamps, it is a program's text instead.
        """
        if line.stamped or self._timed or line.text[:1] not in (" ", "\t"):
            return line
        text = line.text.lstrip()
        indent = line.text.removesuffix(text)
        bare = parse_line(text)
        hit = match_family(bare.text, stamped=False, ruled=False)
        if not hit or hit[0] in BOOT:
            builder = self._streams.get("")
            if not builder or not line.text.startswith(builder.indent):
                return line
            indent = builder.indent
            bare = parse_line(line.text.removeprefix(indent))
        return replace(line, text=bare.text, indent=indent)

    def _is_shown(self, line: Line) -> bool:
        """Whether a program shows the first line of the kernel's log, or /proc/version."""
        if not self._timed or not line.text.startswith(("Linux version", "Booting Linux")):
            return False
        asked = self._messages - self._dmesg_at < _MAX_COMMAND
        return asked or line.time is None or _form(line) != self._form

    def _boot(self, line: Line) -> None:
        """A kernel or firmware that starts; not the first time, it is the end of another one.

        Within the first seconds it is the same one, on a console that prints its log again. The
        files of syslogd and journald go on with the next boot, but lack the last words of the one
        before.
        """
        silent = self._booted and not self._timed and self._messages > self._boot_at
        again = self._latest_time > 5 or silent
        if "kernel:" in line.raw.removesuffix(line.text):
            self._dying = True
        if again:
            if (crash := self._just_now()) and crash.is_fault:
                # By way of a crash kernel, or of whoever watches the guest.
                crash.fatal = self._dying = True
                self.death = self.death or Death(DeathReason.REBOOT, line.raw, line.number)
            for builder in self._open():
                self._close(builder)
        if again and not self._dying:
            self.death = self.death or Death(DeathReason.REBOOT, line.raw, line.number)
            self._done.append(
                Report(
                    kind=Kind.REBOOT,
                    title="unexpected kernel reboot",
                    function=None,
                    lines=(line.raw,),
                    start=line.number,
                    end=line.number,
                    fatal=True,
                )
            )
        self._booted = line.text.startswith(("Linux", "Booting Linux"))
        self._boot_at = self._messages
        self._timed = line.time is not None
        self._form = _form(line) if self._timed else ""
        self._dying = False
        self._latest_time = 0.0

    def _header(self, stream: str, line: Line, family: Family, match: re.Match[str]) -> None:
        builder = before = self._streams.get(stream)
        if before is None and family.role in _PANICS_AFTER:
            # Another context panics because of a report: the newest one that is open.
            before = self._just_now()
        if before is not None and before.continues_with(family, line):
            before.header(line, family, match)
            return
        if builder is not None:
            self._interrupt(stream, builder)
        builder = Builder(self._preludes.pop(stream, []))
        builder.header(line, family, match)
        self._streams[stream] = builder
        if family.single:
            self._close(builder)

    def _just_now(self) -> Builder | None:
        """The report that was still being printed a moment ago, by whatever context."""
        newest = max(self._open(), key=lambda builder: builder.last_message, default=None)
        if newest and self._messages - newest.last_message <= _MAX_PAUSE:
            return newest
        return None

    def _body(self, stream: str, line: Line) -> None:
        builder = before = self._streams.get(stream)
        if stall := self._adopted(line, before):
            if before is not None:
                self._close(before)
            builder = self._streams[stream] = stall
        if builder is None:
            self._prelude(stream, line)
            return
        if not stream:
            builder = self._resumed(builder, line)
        if builder.stamped and not line.stamped and not parse_frame(line.text):
            return  # the console of somebody else
        more = builder.announced_only or builder.awaits_warning
        if _CUT_HERE.match(line.text) and not more:
            self._interrupt(stream, builder)
            self._preludes[stream] = [line]
            return
        if _RULER.match(line.text):
            self._preludes[stream] = [line]  # may be this report's end or the next one's start
            if builder.phase is Phase.ENDED or builder.kind not in _END_WITH_RULER:
                return
        else:
            self._preludes.pop(stream, None)
        builder.add(line, sure=bool(_BODY.match(line.text) or parse_frame(line.text)))
        if builder.exhausted:
            self._close(builder)

    def _interrupt(self, stream: str, builder: Builder) -> None:
        """Another report begins in `stream`. Without caller ids, `builder` may go on later."""
        if stream or not builder.awaits_stack:
            self._close(builder)
        else:
            del self._streams[stream]
            self._interrupted.append(builder)

    def _resumed(self, current: Builder, line: Line) -> Builder:
        """The report that `line` belongs to by its process: `current`, or an interrupted one."""
        pid = owner(line.text) if self._interrupted else None
        if pid is None or current.owner == pid:
            return current
        for wanted in (pid, None) if current.owner else (pid,):
            for builder in self._interrupted:
                if builder.owner == wanted:
                    self._interrupt("", current)
                    self._interrupted.remove(builder)
                    self._streams[""] = builder
                    return builder
        return current

    def _adopted(self, line: Line, current: Builder | None) -> Builder | None:
        """The stall report that made another CPU print its stack.

        That CPU may have had a report of its own before, which is `current` still; or it prints
        its stack for a stall that it sees itself.
        """
        if not _NMI_BACKTRACE.match(line.text):
            return None
        since = current.last_message if current else 0
        if current and current.kind in _STALLS and self._messages - since <= _MAX_PAUSE:
            return None
        stalls = [
            builder
            for builder in self._open()
            if builder.kind in _STALLS and builder.last_message > since
        ]
        return stalls[-1] if stalls else None

    def _prelude(self, stream: str, line: Line) -> None:
        """Remember lines that belong to the report whose header comes next."""
        prelude = self._preludes.get(stream)
        if _CUT_HERE.match(line.text) or _RULER.match(line.text):
            self._preludes[stream] = [line]
        elif prelude and _CUT_HERE.match(prelude[0].text) and len(prelude) < _MAX_PRELUDE:
            if line.stamped or not prelude[0].stamped:
                prelude.append(line)
        elif prelude and (line.stamped or not prelude[0].stamped):
            del self._preludes[stream]

    def _close(self, builder: Builder) -> None:
        self._streams = {key: open_ for key, open_ in self._streams.items() if open_ is not builder}
        if builder in self._interrupted:
            self._interrupted.remove(builder)
        if report := builder.build():
            self._done.append(report)

    def _close_old(self) -> None:
        for builder in self._open():
            if self._messages - builder.last_message > _MAX_AGE:
                self._close(builder)


def _form(line: Line) -> str:
    """What stands before the message, without its numbers."""
    return re.sub(r"[ \d.]+", " ", line.raw.removesuffix(line.text))


def parse(text: str) -> list[Report]:
    """All reports of a whole log, in order."""
    parser = LogParser()
    reports = parser.feed(text) + parser.finish()
    return sorted(reports, key=lambda report: report.start)
