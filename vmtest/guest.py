# SPDX-License-Identifier: MIT
"""Commands and files in a guest, over SSH."""

from __future__ import annotations

import io
import logging
import shlex
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import paramiko

from vmtest.errors import CommandFailed, GuestError, GuestTimeout, SshFailed
from vmtest.guest_process import Completed, Process, shorten
from vmtest.guest_shell import GuestShell

__all__ = ["Completed", "Guest", "Process", "mounted"]

# It prints a stack for each attempt to connect that comes before sshd does.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

Argv = Sequence[str | PurePosixPath | int]


class Guest:
    """One SSH connection to a guest; commands run side by side, each on a channel of its own.

    ``explain`` makes the exception for a connection that broke or a deadline that passed: it knows
    whether the kernel panicked. ``still_alive`` tells whether to go on trying to connect.
    ``slowness`` stretches every deadline.

    A guest that lets a deadline pass and then starts no program either is given up: what else is
    asked of it fails at once, so that deadlines do not add up.
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
        #: For small commands of the harness's own.
        self.shell = GuestShell(self.start, self.explain, slowness)
        self.slowness = slowness
        self._given_up: str | None = None
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

    def explain(self, message: str, kind: type[GuestError]) -> GuestError:
        """The exception for something that went wrong here."""
        if issubclass(kind, GuestTimeout) and self._transport.is_active() and not self._answers():
            self._given_up = message.partition("\n")[0]
            self.close()
        return self._explain(message, kind)

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
                raise self.explain(
                    f"{done.argv} ended with status {done.status}{wanted}"
                    f"\n  stdout: {shorten(done.stdout)}\n  stderr: {shorten(done.stderr)}",
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
        if self._given_up:
            raise self._explain(
                f"cannot start {line}: the guest was given up after this: {self._given_up}",
                GuestTimeout,
            )
        try:
            channel = self._open(f"echo $$; exec {line}", 20 * self.slowness)
        except TimeoutError as error:
            raise self.explain(f"cannot start {line}: {error}", GuestTimeout) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self.explain(f"cannot start {line}: {error!r}", SshFailed) from error
        return Process(self, channel, line, self.explain)

    def _open(self, line: str, timeout: float) -> paramiko.Channel:
        """A channel on which the guest's shell has begun with ``line``, in so many real seconds."""
        deadline = time.monotonic() + timeout
        try:
            channel = self._transport.open_session(timeout=timeout)
            # For the guest's answer to this paramiko waits without a deadline.
            timer = threading.Timer(max(0.1, deadline - time.monotonic()), channel.close)
            timer.start()
            try:
                channel.exec_command(line)
            finally:
                timer.cancel()
        except paramiko.SSHException as error:
            if self._transport.is_active() and time.monotonic() >= deadline:
                raise TimeoutError(f"its sshd did not answer within {timeout:.0f} s") from error
            raise
        return channel

    def _answers(self) -> bool:
        timeout = 10 * self.slowness
        try:
            with self._open("true", timeout) as channel:
                return channel.status_event.wait(timeout)
        except (OSError, EOFError, paramiko.SSHException):
            return False

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
        return self.shell.script(f"[ ! -e {shlex.quote(path)} ] || echo there") == "there"

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
            raise self.explain(
                f"{what}: not within {timeout * self.slowness:.0f} s ({shlex.join(argv)})",
                GuestTimeout,
            )


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


@contextmanager
def mounted(guest: Guest, device: str, where: str, *options: str) -> Iterator[str]:
    """Mount ``device`` at ``where`` for the time of the context."""
    guest.run("mkdir", "-p", where)
    guest.run("mount", *options, device, where, timeout=120)
    try:
        yield where
    finally:
        guest.run("umount", where, timeout=120)
