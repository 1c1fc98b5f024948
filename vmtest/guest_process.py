# SPDX-License-Identifier: MIT
"""Commands in a guest while they run, and when they have ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import paramiko

from vmtest.errors import CommandFailed, GuestError, GuestTimeout, SshFailed

if TYPE_CHECKING:
    from vmtest.guest import Guest


#: Seconds of a KVM guest.
INPUT_TIMEOUT = 60.0


@dataclass(frozen=True)
class Completed:
    """A command that has ended: its status (128 + n for signal n), and what it printed."""

    argv: str
    status: int
    stdout: str
    stderr: str
    seconds: float


class Process:
    """A command that runs in a guest. All it printed can be waited for and read at any time."""

    def __init__(
        self,
        guest: Guest,
        channel: paramiko.Channel,
        line: str,
        explain: Callable[[str, type[GuestError]], GuestError],
    ) -> None:
        self.line = line
        self._guest = guest
        self._channel = channel
        self._explain = explain
        self._began = time.monotonic()
        self._printed = {"stdout": b"", "stderr": b""}
        self._changed = threading.Condition()
        channel.settimeout(INPUT_TIMEOUT * guest.slowness)  # of each step in either direction
        self._readers = [
            threading.Thread(target=self._read, args=args, daemon=True)
            for args in (("stdout", channel.recv), ("stderr", channel.recv_stderr))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_exc: object) -> None:
        if not self.ended:
            with suppress(GuestError):
                self.kill("KILL")
        self._channel.close()

    @property
    def pid(self) -> int:
        """The process's number in the guest (the first line that the wrapper prints)."""
        with self._changed:
            ready = self._changed.wait_for(
                lambda: b"\n" in self._printed["stdout"] or self.ended, 30 * self._guest.slowness
            )
            first, found, _ = self._printed["stdout"].partition(b"\n")
        if not ready or not found:
            raise self._explain(f"{self.line} did not start", SshFailed)
        return int(first)

    @property
    def ended(self) -> bool:
        """Whether the command has ended, or its connection broke."""
        return self._channel.exit_status_ready() or self._channel.closed

    @property
    def stdout(self) -> str:
        """What it printed so far."""
        return self._printed["stdout"].partition(b"\n")[2].decode(errors="replace")

    @property
    def stderr(self) -> str:
        """What it printed so far on its error output."""
        return self._printed["stderr"].decode(errors="replace")

    def send(self, data: bytes | str) -> None:
        """Write to its standard input.

        Raises GuestTimeout when the guest takes nothing for ``INPUT_TIMEOUT``.
        """
        if not data:
            return
        try:
            self._channel.sendall(data.encode() if isinstance(data, str) else data)
        except TimeoutError as error:
            message = f"{self.line} read no input for {self._channel.gettimeout():.0f} s"
            raise self._explain(message, GuestTimeout) from error

    def end_of_input(self) -> None:
        """Close its standard input."""
        self._channel.shutdown_write()

    def kill(self, signal: str = "TERM") -> None:
        """Send it a signal, by name without SIG."""
        self._guest.run("kill", f"-{signal}", self.pid, check=False, timeout=20)

    def wait_for(self, text: str, timeout: float = 30.0) -> str:
        """Wait until it has printed ``text`` (on either output); returns its standard output.

        Raises CommandFailed when it ends without, GuestTimeout when the deadline passes.
        """
        timeout *= self._guest.slowness
        with self._changed:
            self._changed.wait_for(
                lambda: text in self.stdout + self.stderr or not self._reading, timeout
            )
            if text in self.stdout + self.stderr:
                return self.stdout
            ended = not self._reading
        seen = f"\n  stdout: {shorten(self.stdout)}\n  stderr: {shorten(self.stderr)}"
        if ended:
            raise self._explain(f"{self.line} ended without saying {text!r}{seen}", CommandFailed)
        raise self._explain(
            f"{self.line} did not say {text!r} within {timeout:.0f} s{seen}", GuestTimeout
        )

    def next_line(self, number: int, timeout: float) -> str:
        """Line ``number`` (from 0) of its standard output, awaited for ``timeout`` real seconds."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._printed["stdout"].count(b"\n") > number + 1 or not self._reading,
                timeout,
            )
            lines = self._printed["stdout"].split(b"\n")[1:]
        if len(lines) > number + 1:
            return lines[number].decode()
        kind = GuestTimeout if self._reading else CommandFailed
        raise self._explain(
            f"{self.line} printed no line {number} within {timeout:.0f} s"
            f"\n  stderr: {shorten(self.stderr)}",
            kind,
        )

    def wait(self, timeout: float = 60.0) -> Completed:
        """Wait for its end."""
        timeout *= self._guest.slowness
        deadline = time.monotonic() + timeout
        for reader in self._readers:
            reader.join(max(0.0, deadline - time.monotonic()))
        late = any(reader.is_alive() for reader in self._readers)
        if late or not self._channel.status_event.wait(max(0.1, deadline - time.monotonic())):
            seen = f"\n  stdout: {shorten(self.stdout)}\n  stderr: {shorten(self.stderr)}"
            raise self._explain(
                f"{self.line} ran for more than {timeout:.0f} s{seen}", GuestTimeout
            )
        status = self._channel.recv_exit_status()
        if status < 0 and not self._channel.get_transport().is_active():
            raise self._explain(f"the connection broke while {self.line} ran", SshFailed)
        if status < 0:
            status = 128  # ended by a signal; sshd tells which only in a message paramiko drops
        seconds = time.monotonic() - self._began
        return Completed(self.line, status, self.stdout, self.stderr, seconds)

    @property
    def _reading(self) -> bool:
        return any(reader.is_alive() for reader in self._readers)

    def _read(self, name: str, receive: Callable[[int], bytes]) -> None:
        while True:
            try:
                data = receive(65536)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            with self._changed:
                self._printed[name] += data
                self._changed.notify_all()
            if not data:
                break


def shorten(text: str, limit: int = 4000) -> str:
    """The beginning and the end of a long text."""
    text = text.strip()
    return text if len(text) <= limit else f"{text[: limit // 2]}\n  […]\n{text[-limit // 2 :]}"
