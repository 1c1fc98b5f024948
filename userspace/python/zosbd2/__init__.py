# SPDX-License-Identifier: LGPL-2.1-or-later
"""Block devices served from userspace, in pure Python.

High level: an object with ``read``, ``write`` and ``discard`` becomes a block device::

    with zosbd2.served("disk", 1 << 30, handler, threads=2) as server:
        server.wait()

Control: :class:`Control` creates, destroys and describes devices.

Low level: :class:`DeviceNode` and :class:`Exchange` fetch and answer one message at a
time, in any order, rightly or wrongly; :func:`ioctl` makes any call with any memory.
"""

from .abi import Operation
from .control import Control, DeviceStatus, pack_create
from .errors import (
    DeviceBusy,
    DeviceGone,
    ModuleNotLoaded,
    NameTaken,
    NoSuchDevice,
    RightsMissing,
    Zosbd2Error,
)
from .exchange import DeviceNode, Exchange
from .messages import (
    Answer,
    Gone,
    Interrupted,
    Message,
    NoRequest,
    Request,
    Segment,
    ShutdownWanted,
    Unknown,
)
from .server import Handler, Server, served
from .syscall import ioctl
from .wake import WAKE_SIGNAL, install_wake_handler

__all__ = [
    "WAKE_SIGNAL",
    "Answer",
    "Control",
    "DeviceBusy",
    "DeviceGone",
    "DeviceNode",
    "DeviceStatus",
    "Exchange",
    "Gone",
    "Handler",
    "Interrupted",
    "Message",
    "ModuleNotLoaded",
    "NameTaken",
    "NoRequest",
    "NoSuchDevice",
    "Operation",
    "Request",
    "RightsMissing",
    "Segment",
    "Server",
    "ShutdownWanted",
    "Unknown",
    "Zosbd2Error",
    "install_wake_handler",
    "ioctl",
    "pack_create",
    "served",
]
__version__ = "0.1.0"
