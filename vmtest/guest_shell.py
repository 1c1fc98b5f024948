# SPDX-License-Identifier: MIT
"""A shell that stays: the harness's own small commands, without a login for each.

Under emulation a command over SSH takes a tenth of a second, most of it for the login shell; here
it takes a hundredth. What tests run themselves goes through `Guest.run`, which keeps output and
error output apart.
"""

from __future__ import annotations

import itertools
import shlex
import threading
from collections.abc import Callable

from vmtest.errors import CommandFailed, GuestError, SshFailed
from vmtest.guest_process import Process

_TIMEOUT = 20.0

# What a process has printed is kept: after so many lines another shell takes over.
_LONG = 1000


class GuestShell:
    """One ``sh``; started with the first command, and anew when it has gone.

    ``start``, ``explain`` and ``slowness`` are those of its `Guest`.
    """

    def __init__(
        self,
        start: Callable[..., Process],
        explain: Callable[[str, type[GuestError]], GuestError],
        slowness: float,
    ) -> None:
        self._start = start
        self._explain = explain
        self._slowness = slowness
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._process: Process | None = None
        self._read = 0

    def run(self, *argv: str) -> str:
        """Run a command to its end and return what it printed; raises CommandFailed."""
        return self.script(shlex.join(argv))

    def script(self, text: str) -> str:
        """The same for a script, which reads no input and does not ``exit``."""
        with self._lock:
            process = self._running()
            end = f"vmtest-shell {next(self._numbers)} "
            process.send(f"{{ {text}\n}} </dev/null 2>&1; status=$?; echo; echo '{end}'$status\n")
            lines: list[str] = []
            while not (line := self._next_line(process)).startswith(end):
                lines.append(line)
        output = "\n".join(lines).removesuffix("\n")
        if (status := int(line.removeprefix(end))) != 0:
            raise self._explain(
                f"{text} ended with status {status}\n  it printed: {output}", CommandFailed
            )
        return output

    def _running(self) -> Process:
        if self._process is not None and self._read > _LONG:
            self._process.end_of_input()
            self._process = None
        if self._process is None or self._process.ended:
            self._process = self._start("sh")
            self._read = 0
        return self._process

    def _next_line(self, process: Process) -> str:
        try:
            line = process.next_line(self._read, _TIMEOUT * self._slowness)
        except GuestError as error:
            process.__exit__()
            self._process = None
            if isinstance(error, CommandFailed):
                raise self._explain("the guest's shell has ended", SshFailed) from error
            raise
        self._read += 1
        return line
