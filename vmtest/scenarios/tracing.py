# SPDX-License-Identifier: MIT
"""The kernel's events, and what state it was in as they happened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vmtest.guest import Guest

_TRACEFS = "/sys/kernel/tracing"

# See "irqs-off" in Documentation/trace/ftrace.rst; D and b came with 289e7b0f7eb4 in 5.19.
_MASKED = {"d": {"irqs"}, "b": {"softirqs"}, "D": {"irqs", "softirqs"}, ".": set[str]()}


@dataclass(frozen=True)
class Event:
    """``masked`` is "irqs" and "softirqs", as far as they were off on the processor."""

    masked: frozenset[str]
    text: str


@contextmanager
def traced(guest: Guest, event: str) -> Iterator[list[Event]]:
    """Trace ``event``, such as "block/block_rq_complete"; the list is filled at the end."""
    events: list[Event] = []
    switch = f"{_TRACEFS}/events/{event}/enable"
    guest.shell.script(f": >{_TRACEFS}/trace; echo 1 >{switch}")
    try:
        yield events
    finally:
        guest.shell.script(f"echo 0 >{switch}")
    events += _events(guest.read(f"{_TRACEFS}/trace"))


def _events(text: str) -> list[Event]:
    # "  zosbd2_file-812     [001] D..2.   101.310524: block_rq_complete: 252,0 R () 0 + 128 [0]"
    lines = re.findall(r"(?m)^.*-\d+ +\[\d+\] (.)\S+ +[\d.]+: (.*)$", text)
    return [Event(frozenset(_MASKED[flag]), what) for flag, what in lines]
