# SPDX-License-Identifier: MIT
"""Commands and files in a guest, over SSH."""

from __future__ import annotations

import io
import shlex
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import paramiko

from vmtest.errors import CommandFailed, GuestError, GuestTimeout, SshFailed

Argv = Sequence[str | PurePosixPath | int]


@dataclass(frozen=True)
class Completed:
    """A command that has ended: its status (128 + n for signal n), and what it printed."""

    argv: str
    status: int
    stdout: str
    stderr: str
    seconds: float


class Guest:
    """One SSH connection to a guest; commands run side by side, each on a channel of its own.

    ``explain`` makes the exception for a connection that broke or a deadline that passed: it knows
    whether the kernel panicked. ``still_alive`` tells whether to go on trying to connect.
    ``slowness`` stretches every deadline.
    """

    def __init__(
        self,
        port: int,
        key: paramiko.PKey,
        explain: Callable[[str, type[GuestError]], GuestError],
        still_alive: Callable[[], bool],
        slowness: float = 1.0,
    ) -> None:
        self._explain = explain
        self.slowness = slowness
        self._put_once: dict[str, bytes] = {}
        #: Kernel modules that were copied here, by name: their ELF files on the host.
        self.symbol_files: dict[str | None, Path] = {}
        deadline = time.monotonic() + 30 * slowness
        while True:
            try:
                self._transport = _connect(port, key, slowness)
                return
            except (OSError, EOFError, paramiko.SSHException) as error:
                # The port is QEMU's, so it answers before the guest's sshd listens.
                if time.monotonic() > deadline or not still_alive():
                    message = f"no SSH connection to 127.0.0.1:{port}: {error!r}"
                    raise explain(message, SshFailed) from error
            time.sleep(0.1)

    def close(self) -> None:
        """End the connection; everything that waits on it returns."""
        self._transport.close()

    def run(
        self,
        *argv: str | PurePosixPath | int,
        check: bool = True,
        status: int = 0,
        timeout: float = 60.0,
        stdin: bytes | str = b"",
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> Completed:
        """Run a command to its end.

        ``argv`` is a list of words, never a shell line (give ``"sh", "-c", "…"`` for one).
        ``timeout`` is in seconds of a KVM guest. ``status`` is the exit status that is right;
        another one raises CommandFailed unless ``check`` is false. A guest that dies meanwhile
        raises GuestPanicked, GuestLost or SshFailed, a deadline that passes GuestTimeout.
        """
        with self.start(*argv, cwd=cwd, env=env, user=user) as process:
            process.send(stdin)
            process.end_of_input()
            done = process.wait(timeout)
            if check and done.status != status:
                wanted = f" ({status} was asked for)" if status else ""
                raise self._explain(
                    f"{done.argv} ended with status {done.status}{wanted}"
                    f"\n  stdout: {_shorten(done.stdout)}\n  stderr: {_shorten(done.stderr)}",
                    CommandFailed,
                )
            return done

    def start(
        self,
        *argv: str | PurePosixPath | int,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> Process:
        """Start a command and return while it runs. As a context, it is killed at the end."""
        line = _command_line(argv, cwd, env, user)
        try:
            channel = self._transport.open_session(timeout=20 * self.slowness)
            channel.exec_command(f"echo $$; exec {line}")
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._explain(f"cannot start {line}: {error!r}", SshFailed) from error
        return Process(self, channel, line, self._explain)

    def put(
        self, files: Mapping[str, Path | bytes | str], into: str, *, once: bool = False
    ) -> None:
        """Write files (contents, or local files and folders with their modes) below ``into``.

        ``once`` says that nobody changes them there: the same files are not written again.
        """
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, source in files.items():
                if isinstance(source, Path):
                    tar.add(source, arcname=name, filter=_as_root)
                    continue
                text = source.encode() if isinstance(source, str) else source
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(text), 0o755 if text.startswith(b"#!") else 0o644
                tar.addfile(member, io.BytesIO(text))
        data = buffer.getvalue()
        if once and self._put_once.get(into) == data:
            return
        unpack = 'mkdir -p "$1" && exec tar -xf - -C "$1"'
        self.run("sh", "-c", unpack, "put", into, stdin=data, timeout=120)
        if once:
            self._put_once[into] = data

    def read(self, path: str, timeout: float = 60.0) -> str:
        """The contents of a file."""
        return self.run("cat", path, timeout=timeout).stdout

    def write(self, path: str, text: str | bytes) -> None:
        """Write ``text`` into an existing file, in one write: sysfs, procfs and ordinary files."""
        self.run("dd", f"of={path}", "bs=1M", "conv=notrunc", "status=none", stdin=text)

    def exists(self, path: str) -> bool:
        """Whether a path exists."""
        return self.run("test", "-e", path, check=False).status == 0

    def wait_until(self, what: str, timeout: float, *argv: str) -> None:
        """Wait until the command ``argv`` succeeds; ``what`` names the event in the error."""
        deadline = time.monotonic() + timeout * self.slowness
        script = (
            'end=$1; shift; while ! "$@"; do'
            " [ $(cut -d. -f1 /proc/uptime) -lt $end ] || exit 9; sleep 0.05; done"
        )
        uptime = int(float(self.read("/proc/uptime").split()[0]))
        end = uptime + int(deadline - time.monotonic()) + 1
        done = self.run("sh", "-c", f"{script} 2>/dev/null", "wait", end, *argv, check=False,
                        timeout=timeout + 30)  # fmt: skip
        if done.status != 0:
            raise self._explain(
                f"{what}: not within {timeout * self.slowness:.0f} s ({shlex.join(argv)})",
                GuestTimeout,
            )


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
        """Write to its standard input."""
        if data:
            self._channel.sendall(data.encode() if isinstance(data, str) else data)

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
        seen = f"\n  stdout: {_shorten(self.stdout)}\n  stderr: {_shorten(self.stderr)}"
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
            f"\n  stderr: {_shorten(self.stderr)}",
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
            seen = f"\n  stdout: {_shorten(self.stdout)}\n  stderr: {_shorten(self.stderr)}"
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
            except OSError:
                data = b""
            with self._changed:
                self._printed[name] += data
                self._changed.notify_all()
            if not data:
                break


def _connect(port: int, key: paramiko.PKey, slowness: float) -> paramiko.Transport:
    sock = socket.create_connection(("127.0.0.1", port), timeout=20 * slowness)
    try:
        transport = paramiko.Transport(sock)
        # An emulated CPU does AES and SHA in software: take the cheapest of each.
        options = transport.get_security_options()
        options.kex = ["curve25519-sha256@libssh.org"]
        options.ciphers = ["aes128-ctr"]
        transport.banner_timeout = 20 * slowness
        transport.auth_timeout = 20 * slowness
        transport.start_client(timeout=20 * slowness)
        transport.auth_publickey("root", key)
    except BaseException:
        sock.close()
        raise
    return transport


def _command_line(
    argv: Argv, cwd: str | None, env: Mapping[str, str] | None, user: str | None
) -> str:
    """The one place where words become a line for the guest's shell."""
    words = [str(word) for word in argv]
    if user is not None:
        words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *words]
    if cwd is not None or env:
        chdir = [f"--chdir={cwd}"] if cwd is not None else []
        words = ["env", *chdir, *(f"{name}={value}" for name, value in (env or {}).items()), *words]
    return shlex.join(words)


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    return None if "__pycache__" in member.name else member


def _shorten(text: str, limit: int = 4000) -> str:
    text = text.strip()
    return text if len(text) <= limit else f"{text[: limit // 2]}\n  […]\n{text[-limit // 2 :]}"


@contextmanager
def mounted(guest: Guest, device: str, where: str, *options: str) -> Iterator[str]:
    """Mount ``device`` at ``where`` for the time of the context."""
    guest.run("mkdir", "-p", where)
    guest.run("mount", *options, device, where, timeout=120)
    try:
        yield where
    finally:
        guest.run("umount", where, timeout=120)
