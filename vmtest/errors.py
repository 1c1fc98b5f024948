# SPDX-License-Identifier: MIT
"""The harness's exceptions: what failed, on what, with what was seen, and what to do."""

from __future__ import annotations

from collections.abc import Sequence


class VmtestError(Exception):
    """Base of every error of the harness.

    ``hint`` is what the reader can do about it; it is part of ``str(error)``.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)


class SetupError(VmtestError):
    """This machine lacks something, or a recipe, option or path is wrong."""


class BuildError(VmtestError):
    """An image, the module or the userspace could not be built."""


class GuestError(VmtestError):
    """Something went wrong with a guest. ``console`` holds its last console lines."""

    def __init__(
        self,
        message: str,
        *,
        console: Sequence[str] = (),
        log: object | None = None,
        hint: str | None = None,
    ) -> None:
        self.console = list(console)
        text = message
        if log is not None:
            text += f"\n  log: {log}"
        if self.console:
            text += "\n  last console lines:\n" + "\n".join(f"    {line}" for line in self.console)
        super().__init__(text, hint=hint)


class BootFailed(GuestError):
    """The guest did not come up: QEMU ended, the kernel panicked, or init did not get to sshd."""


class GuestPanicked(GuestError):
    """The kernel panicked (or oopsed, with ``oops=panic``) after the boot."""


class GuestLost(GuestError):
    """QEMU ended though nobody asked it to, and the kernel said nothing about a panic."""


class SshFailed(GuestError):
    """The guest runs, but its sshd does not answer or broke the connection."""


class GuestTimeout(GuestError):
    """A command or an awaited event took longer than its deadline."""


class CommandFailed(GuestError):
    """A command in the guest ended with a status other than the one that was asked for."""
