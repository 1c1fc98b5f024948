# SPDX-License-Identifier: MIT
"""Make a failing script short: fewer programs, fewer calls, smaller storms (delta debugging)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

#: One program: its calls, a line each.
Program = tuple[str, ...]
Script = tuple[Program, ...]
Fails = Callable[[Script], bool]

T = TypeVar("T")
_COUNT = re.compile(r"(?<= count=)\d+")


class GivenUp(Exception):
    """Raised by ``fails`` when there is no time for another try."""


def parse(text: str) -> Script:
    """The programs of a script, as the engine prints it; comments are dropped."""
    programs: list[Program] = []
    calls: list[str] = []
    for line in (line.partition("#")[0].strip() for line in text.splitlines()):
        match line:
            case "":
                pass
            case "program":
                calls = []
            case "end":
                programs.append(tuple(calls))
            case _:
                calls.append(line)
    return tuple(programs)


def render(script: Script, comment: str = "") -> str:
    """The script as text, with a comment of any number of lines at its top."""
    head = [f"# {line}".rstrip() for line in comment.splitlines()]
    body = [["program", *program, "end"] for program in script]
    return "\n".join([*head, *(line for program in body for line in program)]) + "\n"


def minimise(
    script: Script,
    fails: Fails,
    expand: Callable[[Script], Script] = lambda script: script,
    enough: int = 0,
) -> Script | None:
    """The shortest script found that ``fails``; None if not even the whole one does.

    It may stop at one of ``enough`` calls. ``expand`` writes out the calls that a storm consists
    of, as few of them may be needed.
    ``fails`` may be wrong now and then in saying that a script does not, as what happens side by
    side does not always fall together; the result is then longer than it could be.
    """
    best = _tail(script, fails)
    if best is None:
        return None

    def keep(candidate: Script) -> bool:
        nonlocal best
        if not candidate or not fails(candidate):
            return False
        best = candidate
        if length(best) <= enough:
            raise GivenUp
        return True

    try:
        reduce(best, lambda programs: keep(tuple(programs)))
        reduce(_numbered(best), lambda calls: keep(_regroup(calls)))
        _shrink_counts(best, keep)
        if (whole := expand(best)) != best and keep(whole):
            reduce(_numbered(best), lambda calls: keep(_regroup(calls)))
    except GivenUp:
        pass
    return best


def length(script: Script) -> int:
    """Its number of calls."""
    return sum(map(len, script))


def _tail(script: Script, fails: Fails) -> Script | None:
    """As few of the last programs as fail."""
    programs = 1
    while True:
        candidate = script[-programs:]
        if fails(candidate):
            return candidate
        if programs >= len(script):
            return None
        programs *= 4


def reduce(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Leave out what is not needed for ``fails``: first halves, then ever smaller parts."""
    size = (len(items) + 1) // 2
    while size and len(items) > 1:
        start, changed = 0, False
        while start < len(items) and len(items) > 1:
            rest = [*items[:start], *items[start + size :]]
            if rest and fails(rest):
                items, changed = rest, True
            else:
                start += size
        # At single items, go on for as long as it helps: one may need another.
        if size == 1 and not changed:
            break
        size = max(1, size // 2)
    return items


def _numbered(script: Script) -> list[tuple[int, str]]:
    return [(number, call) for number, program in enumerate(script) for call in program]


def _regroup(calls: Sequence[tuple[int, str]]) -> Script:
    return tuple(tuple(call for _, call in group) for _, group in groupby(calls, key=itemgetter(0)))


def _shrink_counts(script: Script, keep: Callable[[Script], bool]) -> None:
    """Storms and servers that go on for as short as is needed."""
    for number, program in enumerate(script):
        for at in range(len(program)):
            while match := _COUNT.search(script[number][at]):
                smaller = int(match[0]) // 2
                if not smaller:
                    break
                call = _COUNT.sub(str(smaller), script[number][at])
                changed = (*script[number][:at], call, *script[number][at + 1 :])
                candidate = (*script[:number], changed, *script[number + 1 :])
                if not keep(candidate):
                    break
                script = candidate
