# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can go wrong, with the errno and what to do about it."""

from __future__ import annotations

import errno
import os


class Zosbd2Error(OSError):
    """A call failed.  ``errno`` says how, ``hint`` what to do (or is empty)."""

    hint: str

    def __init__(self, number: int, what: str, hint: str = "") -> None:
        text = f"cannot {what}: {os.strerror(number)}"
        super().__init__(number, f"{text}; {hint}" if hint else text)
        self.hint = hint


class ModuleNotLoaded(Zosbd2Error):
    """There is no control node, or nothing behind it."""


class RightsMissing(Zosbd2Error):
    """CAP_SYS_ADMIN is missing."""


class NameTaken(Zosbd2Error):
    """A device of this name exists."""


class NoSuchDevice(Zosbd2Error):
    """No device has this name or handle."""


class DeviceBusy(Zosbd2Error):
    """The device is open or mounted."""


_BY_ERRNO: dict[int, tuple[type[Zosbd2Error], str]] = {
    errno.EACCES: (RightsMissing, "this needs the capability CAP_SYS_ADMIN: run it as root"),
    errno.EPERM: (RightsMissing, "this needs the capability CAP_SYS_ADMIN: run it as root"),
    errno.EEXIST: (NameTaken, "choose another name, or destroy that device first"),
    errno.ENOENT: (NoSuchDevice, 'see "zosbd2ctl list" for all devices'),
    errno.EBUSY: (DeviceBusy, "unmount it and end what has it open, or force"),
    errno.EOPNOTSUPP: (
        Zosbd2Error,
        "the module or the server lacks a feature that this needs: see Control.info() and "
        "Control.describe(), and the methods that zosbd2.ExtendedHandler names",
    ),
    errno.ETIMEDOUT: (
        Zosbd2Error,
        "the servers that are there did not hand in what they have: they go on as before; "
        "wait longer, or see what holds them up",
    ),
    errno.ERANGE: (Zosbd2Error, "sizes go from 4 MiB to 12 TiB, time-outs from 1 to 1200 s"),
}


def error_for(number: int, what: str, hint: str | None = None) -> Zosbd2Error:
    """The exception for an errno of a call that was to do *what*; *hint* if there is a better."""
    kind, usual_hint = _BY_ERRNO.get(number, (Zosbd2Error, ""))
    return kind(number, what, usual_hint if hint is None else hint)


def open_error_for(number: int, node: str) -> Zosbd2Error:
    """The exception for a control node that does not open or answer."""
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTTY):
        hint = 'the kernel module is not loaded: run "modprobe zosbd2" as root'
        return ModuleNotLoaded(number, f"open {node}", hint)
    return error_for(number, f"open {node}")


class DeviceGone(Exception):
    """The device was destroyed while a request was wanted."""

    def __init__(self, path: os.PathLike[str]) -> None:
        super().__init__(f"{os.fspath(path)} was destroyed")
