# SPDX-License-Identifier: LGPL-2.1-or-later
"""Block devices served from userspace, in pure Python.

High level: an object with ``read``, ``write`` and ``discard`` becomes a block device::

    with zosbd2.served("mydisk", 1 << 30, handler, threads=2) as server:
        server.wait()

With features it has a volatile cache, and methods for that (see :class:`ExtendedHandler`);
:func:`reattached` serves a device that exists, after its server died or in its place::

    features = zosbd2.Feature.FLUSH | zosbd2.Feature.FUA
    with zosbd2.served("mydisk", 1 << 30, handler, features=features) as server:
        server.wait()

    with zosbd2.reattached("mydisk", handler, take_over=True) as server:
        server.wait()

Control: :class:`Control` creates, destroys and describes devices.

Devices are served over rings where the module has them, and else by the classic protocol;
``protocol="classic"`` or ``"ring"`` insists on one.

Low level: :class:`DeviceNode` or :class:`Session`, and :class:`Exchange`, fetch and answer
one message at a time, in any order, rightly or wrongly; :class:`Channel` does so over rings;
:func:`ioctl` makes any call with any memory.
"""

from .abi import SERVER_FEATURES, Feature, Operation, Recovery
from .channel import HAVE_RINGS, Arena, Channel
from .control import Control, pack_create
from .device import DeviceDescription, DeviceOptions, DeviceStatus, ModuleInfo
from .endpoint import DeviceNode, Endpoint, Session
from .errors import (
    DeviceBusy,
    DeviceGone,
    ModuleNotLoaded,
    NameTaken,
    NoSuchDevice,
    RightsMissing,
    Zosbd2Error,
)
from .exchange import Exchange
from .handler import ExtendedHandler, Handler, features_of
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
from .ring_abi import RingOperation, RingState
from .server import Server, WireProtocol
from .serving import reattached, served
from .syscall import ioctl
from .wake import WAKE_SIGNAL, install_wake_handler

__all__ = [
    "HAVE_RINGS",
    "SERVER_FEATURES",
    "WAKE_SIGNAL",
    "Answer",
    "Arena",
    "Channel",
    "Control",
    "DeviceBusy",
    "DeviceDescription",
    "DeviceGone",
    "DeviceNode",
    "DeviceOptions",
    "DeviceStatus",
    "Endpoint",
    "Exchange",
    "ExtendedHandler",
    "Feature",
    "Gone",
    "Handler",
    "Interrupted",
    "Message",
    "ModuleInfo",
    "ModuleNotLoaded",
    "NameTaken",
    "NoRequest",
    "NoSuchDevice",
    "Operation",
    "Recovery",
    "Request",
    "RightsMissing",
    "RingOperation",
    "RingState",
    "Segment",
    "Server",
    "Session",
    "ShutdownWanted",
    "Unknown",
    "WireProtocol",
    "Zosbd2Error",
    "features_of",
    "install_wake_handler",
    "ioctl",
    "pack_create",
    "reattached",
    "served",
]
__version__ = "0.1.0"
