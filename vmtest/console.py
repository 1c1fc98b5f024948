# SPDX-License-Identifier: MIT
"""The serial console: pexpect's child, one thread that reads it, and all that was ever printed.

The thread is the only reader. It writes the log file, feeds the kernel log parser and wakes those
who wait; so a panic is known within a moment, whatever the test is doing just then.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pexpect

from vmtest.errors import GuestTimeout
from vmtest.klog import LogParser, Report

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-_])|\r|\x00")


# Seconds without output after which a report that has begun is taken for complete, and for which
# one is waited for at most.
_QUIET = 0.5
_REPORT_TIMEOUT = 20.0


class Console:
    """What the guest prints on its serial port, from the first byte on.

    ``on_dead`` is called once, from the reading thread, when a line says that the kernel is dead,
    or when the child has ended.
    """

    def __init__(self, child: pexpect.spawn[bytes], log: Path, on_dead: Callable[[], None]) -> None:
        self.log = log
        self.panicked = False
        self.ended = False
        self._child = child
        self._on_dead = on_dead
        self._text = ""
        self._reports: list[Report] = []
        self._parser = LogParser()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._pump, name="console", daemon=True)
        self._thread.start()

    @property
    def position(self) -> int:
        """How many characters have been printed; a place to begin with for the methods below."""
        with self._changed:
            return len(self._text)

    def text(self, since: int = 0) -> str:
        """What was printed since ``since``, without terminal controls."""
        with self._changed:
            return self._text[since:]

    def tail(self, lines: int = 20) -> list[str]:
        """The last lines that are not empty."""
        printed = [line for line in self.text()[-20_000:].splitlines() if line.strip()]
        return printed[-lines:]

    def take_reports(self) -> list[Report]:
        """The kernel's reports since the last call; one that is still being printed is waited for
        by `settle`."""
        with self._changed:
            found, self._reports = self._reports, []
            return found

    def settle(self) -> None:
        """End the report that is being printed, if there is one, when nothing more follows.

        A mark in the log does not tell that: another processor may print the rest behind it.
        """
        deadline = time.monotonic() + _REPORT_TIMEOUT
        with self._changed:
            while self._parser.pending and not self.ended and time.monotonic() < deadline:
                seen = len(self._text)
                if not self._changed.wait_for(lambda: len(self._text) > seen or self.ended, _QUIET):  # noqa: B023
                    break
            self._reports += self._parser.flush()

    def wait_for(self, pattern: str, timeout: float, since: int = 0) -> re.Match[str] | None:
        """The first match of ``pattern`` after ``since``; None when the guest died first.

        Raises GuestTimeout after ``timeout`` seconds.
        """
        compiled = re.compile(pattern)
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                if match := compiled.search(self._text, since):
                    return match
                if self.panicked or self.ended:
                    return None
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
        raise GuestTimeout(
            f"the console did not show {pattern!r} within {timeout:.0f} s",
            console=self.tail(),
            log=self.log,
        )

    def send_line(self, line: str) -> None:
        """Type a line: the second way in when SSH is dead. A root shell listens."""
        self._child.sendline(line)

    def join(self, timeout: float) -> None:
        """Wait until the child has ended and all it printed was read."""
        self._thread.join(timeout)

    def _pump(self) -> None:
        with self.log.open("w", encoding="utf-8", errors="replace") as sink:
            while True:
                try:
                    raw = self._child.read_nonblocking(65536, timeout=None)
                except (pexpect.EOF, OSError, ValueError):
                    break
                text = _ANSI.sub("", raw.decode("utf-8", errors="replace"))
                sink.write(text)
                sink.flush()
                self._take(text)
        with self._changed:
            self.ended = True
            self._reports += self._parser.flush()
            self._changed.notify_all()
        self._on_dead()

    def _take(self, text: str) -> None:
        with self._changed:
            self._text += text
            self._reports += self._parser.feed(text)
            died = self._parser.death is not None and not self.panicked
            if died:
                self.panicked = True
            self._changed.notify_all()
        if died:
            self._on_dead()
