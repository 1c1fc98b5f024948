# SPDX-License-Identifier: MIT
"""Console text to kernel messages: escapes removed, prefixes taken apart, glued lines separated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vmtest.klog.report import DeathReason

_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: window titles
    r"|[PX^_][^\x1b]*(?:\x1b\\)?"  # device control strings
    r"|[ -/]*[0-~])"
)
# The same from a page or a log collector that left the escape character out, or wrote it out.
_BARE_COLOUR = re.compile(r"(?:\^\[)?\[(?:\d{1,3}(?:;\d{1,3})*)?m")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# syslogd, journald and what shows their files.
_JOURNAL = (
    r"(?:(?:(?:[A-Z][a-z]{2} ){1,2}[ \d]\d \d\d:\d\d:\d\d(?:\.\d+| \d{4})?"
    r"|(?:[A-Z][a-z]{2} )?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?"
    r"(?:Z|[+-]\d\d:?\d\d| [A-Z]{3,5})?"
    r"|\d{9,10}\.\d{6}) (?:(?!kern\.)\S+ )?)?(?:kern\.\w+ )?kernel(?:: ?| - - - )"
)
# What may stand before printk's own prefix. Each alternative ends where the next may begin.
_OUTER = re.compile(
    r"(?:"
    r"(?P<ci>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z )"  # log collectors of CI services
    r"|(?P<journal>" + _JOURNAL + r")"
    r"|(?P<facility>(?:kern|user|daemon|syslog|auth|authpriv|local\d) *:[a-z]+ *: ?)"  # dmesg -x
    # /dev/kmsg, and netconsole with the kernel's release before it.
    r"|(?P<kmsg>(?:\d+\.\d+[^\s,;]{0,80},)?\d+,\d+,\d+,[-c+]"
    r"(?:,caller=(?P<kmsg_caller>[TC]\d+))?[^;]{0,40};)"
    r"|(?P<priority><\d{1,3}>(?:1 (?=\d{4}-))?)"
    # Android's logcat, which makes a word before a colon its tag.
    r"|(?P<logcat>\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,6} +(?:root +)?0 +0 [VDIWEF]"
    r" (?P<tag>[^: ]{0,24}) *: )"
    r"|(?P<quote>>+(?: |$))"  # mail
    r")"
)
_CALLER = r"(?: ?\[ *(?P<caller>[TC]\d+)[^\]]{0,32}\])?"
_SECONDS = r"\[ *(?P<seconds>\d+\.\d{6})(?: <[ \d.+]+>)?\]" + _CALLER
_STAMP = re.compile(
    r"(?:"
    + _SECONDS
    + r"|(?P<other>\[(?:[^\W\d]\S* \S+ {1,2}\d{1,2} \d\d:\d\d:\d\d \d{4}"  # dmesg -T
    r"(?: <[ \d.+]+>)?| *[+-]\d+\.\d{6}|< *\d+\.\d{6}>"  # dmesg -d, -e
    r"|[^\W\d]\S{0,7}[ \d]\d \d\d:\d\d)\]"  # dmesg -e, once a minute
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{6}[+-]\d\d:?\d\d)"  # dmesg --time-format iso
     + _CALLER.replace("caller", "other_caller") + r")(?: |$)?"
)
# journalctl -o short-monotonic; a level behind the stamp; CPU and process as phones print them.
_INNER = re.compile(
    r"[\w.-]+ kernel: |<\d>|c\d+ +\d+ (?! )| ?[-.]?\(\d+\)\[\d+:[^\]]{1,24}\]"
    r"| ?[A-Z]?\[\d+:[^\]]{1,24}: *\d+\] ?"
)
# What kmemleak.verbose=1 puts before each line.
_KMEMLEAK = re.compile(r"kmemleak: (?=unreferenced |  )")
_ONLY_CALLER = re.compile(r"\[ *(?P<caller>[TC]\d+)\] ?")
_GLUED = re.compile(r"\[ *\d+\.\d{6}\]")
_PRIORITY = re.compile(r"<\d{1,3}>$")


@dataclass(frozen=True, slots=True)
class Line:
    """One message of the kernel, or one line of other console text."""

    #: Line of the console, from 1. Glued messages share theirs.
    number: int
    #: Without prefixes; leading blanks are kept, stacks need them.
    text: str
    #: With prefixes, without escapes.
    raw: str
    #: "T<pid>" or "C<cpu>" of the printing context, when printk shows it.
    caller: str | None = None
    time: float | None = None
    #: Whether anything marks it as a line of the kernel.
    stamped: bool = False
    #: Blanks taken off the text because a mail or a bug report put them before each line.
    indent: str = ""


def clean(raw: str) -> str:
    """`raw` without terminal escapes and control characters."""
    if not raw.isprintable():
        if "\x1b" in raw:
            raw = _ESCAPE.sub("", raw)
        raw = _CONTROL.sub("", raw).replace("\xa0", " ")  # which mail programs and pages put in
    return _BARE_COLOUR.sub("", raw) if "[0m" in raw else raw


def split_line(raw: str, number: int) -> Iterator[Line]:
    """The messages in one console line.

    A carriage return that is not the line's end starts the line anew (progress displays), and a
    time stamp in the middle starts a message that another text failed to end (shell prompts, cut
    lines).
    """
    for part in raw.rstrip("\r").split("\r"):
        text = clean(part)
        begin = 0
        for glued in _GLUED.finditer(text, 1):
            start = glued.start()
            if priority := _PRIORITY.search(text, max(begin, start - 5), start):
                start = priority.start()
            if start > begin and _is_message_start(text, start):
                if text[begin:start].strip():
                    yield parse_line(text[begin:start], number)
                begin = start
        if begin == 0 or text[begin:]:
            yield parse_line(text[begin:], number)


def _is_message_start(text: str, at: int) -> bool:
    """Whether the time stamp at `at` begins a message, and is not the end of its own prefix."""
    before = text[:at]
    end = 0
    while outer := _OUTER.match(before, end):
        end = outer.end()
    return bool(before[end:].strip())


def parse_line(text: str, number: int = 0) -> Line:
    """Take the prefixes off one message."""
    rest = text
    stamped = False
    caller: str | None = None
    time: float | None = None
    if text[:1] in (" ", "\t"):
        indented = text.lstrip()
        if _OUTER.match(indented) or _STAMP.match(indented):
            rest = indented
    while outer := _OUTER.match(rest):
        stamped = stamped or (outer["ci"] is None and outer["quote"] is None)
        caller = caller or outer["kmsg_caller"]
        rest = rest[outer.end() :]
        if tag := outer["tag"]:
            rest = f"{tag}: {rest}"
    if stamp := _STAMP.match(rest):
        stamped = True
        caller = stamp["caller"] or stamp["other_caller"] or caller
        time = float(stamp["seconds"]) if stamp["seconds"] else None
        rest = rest[stamp.end() :]
        if inner := _INNER.match(rest):
            rest = rest[inner.end() :]
    elif only := _ONLY_CALLER.match(rest):
        stamped, caller, rest = True, only["caller"], rest[only.end() :]
    if rest.startswith("kmemleak: ") and (kmemleak := _KMEMLEAK.match(rest)):
        rest = rest[kmemleak.end() :]
    return Line(number, rest, text, caller, time, stamped)


_DEATHS: tuple[tuple[DeathReason, re.Pattern[str]], ...] = (
    (DeathReason.PANIC, re.compile(r"Kernel panic - not syncing|---\[ end Kernel panic")),
    (
        DeathReason.REBOOT,
        re.compile(
            r"Rebooting in \d+ seconds|reboot: (?:Restarting system|machine restart)"
            r"|SysRq : (?:Emergency Remount R/O & )?Resetting|sysrq: Resetting"
            r"|kexec(?:_core)?: Starting new kernel|(?:Starting|Loading) crashdump kernel"
        ),
    ),
    (DeathReason.POWER_OFF, re.compile(r"reboot: Power down|sysrq: Power Off")),
    (DeathReason.HALT, re.compile(r"reboot: System halted|\s*-- System halted")),
)


_ANY_DEATH = re.compile("|".join(pattern.pattern for _, pattern in _DEATHS))


def death_reason(text: str) -> DeathReason | None:
    """Why the guest is gone after this message (prefixes already off); None if it is not."""
    if not _ANY_DEATH.match(text):
        return None
    for reason, pattern in _DEATHS:
        if pattern.match(text):
            return reason
    return None
