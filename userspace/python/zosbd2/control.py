# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control node: create, destroy and look at devices."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from . import abi
from .abi import NO_FEATURES, SERVER_FEATURES, ControlCall, ExtensionCall, Feature, Recovery
from .descriptor import Descriptor
from .endpoint import Session
from .errors import NoSuchDevice, error_for, open_error_for

_RETRY_SECONDS = 0.02


class DeviceStatus(NamedTuple):
    """What a device is like."""

    handle: int
    name: str
    size: int
    """Bytes."""
    number_of_blocks: int
    block_size: int
    """Bytes."""
    max_segments: int
    """Per request."""
    timeout_ms: int


class DeviceDescription(NamedTuple):
    """What a device is like, the extension included."""

    handle: int
    name: str
    size: int
    """Bytes."""
    block_size: int
    """Bytes."""
    features: Feature
    timeout_seconds: int
    max_segments: int
    """Per request."""
    recovery: Recovery
    servers: int
    """Processes that serve it, and sessions that have not made a call yet."""


class ModuleInfo(NamedTuple):
    """What the module can do."""

    version: int
    """Of the extension."""
    max_devices: int
    features: Feature
    """That devices can be created with."""


class Control(Descriptor):
    """An open control node; a context manager that closes it.  Devices and servers live on."""

    def __init__(self, node: str = abi.CONTROL_NODE) -> None:
        """Open it.  Raises ModuleNotLoaded, RightsMissing."""
        try:
            super().__init__(os.open(node, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            raise open_error_for(error.errno or errno.EIO, node) from error
        try:
            self.call(ControlCall.PING)
        except OSError as error:
            self.close()
            raise open_error_for(error.errno or errno.EIO, node) from error

    def ping(self) -> None:
        """Ask the module for a sign of life."""
        self._checked(ControlCall.PING, None, "ping the module")

    def create(
        self,
        name: str,
        size: int,
        *,
        block_size: int = abi.BLOCK_SIZE,
        timeout_seconds: int = 60,
        max_segments: int = 0,
        features: Feature = NO_FEATURES,
        recovery: Recovery = Recovery.WAIT,
    ) -> int:
        """Create a device of *size* bytes and return its handle.

        Raises NameTaken; ERANGE for a size or time-out, EINVAL for a name, block size or
        mixture of features that cannot be, or for one device too many; EOPNOTSUPP for
        features that info() does not name.
        """
        blocks = _blocks(size, block_size)
        if features or recovery is not Recovery.WAIT:
            buffer = bytearray(
                abi.EXTENDED_CREATE.pack(
                    abi.name_field(name),
                    blocks,
                    features,
                    block_size,
                    timeout_seconds,
                    max_segments,
                    recovery,
                    0,
                    b"",
                )
            )
            self._checked(ExtensionCall.CREATE, buffer, f"create {name}")
            extended: int = abi.EXTENDED_CREATE.unpack(buffer)[7]
            return extended
        buffer = pack_create(name, block_size, blocks, timeout_seconds, max_segments)
        self._checked(ControlCall.CREATE_DEVICE, buffer, f"create {name}")
        handle: int = abi.CREATE.unpack(buffer)[6]
        return handle

    def destroy(self, device: int | str, *, force: bool = False, patience: float = 3.0) -> None:
        """Destroy a device by handle or name.

        Unforced, everything is written back first, and EBUSY is tried again for *patience*
        seconds: udev opens each device for a moment.  Raises DeviceBusy, NoSuchDevice.
        """
        if isinstance(device, int):
            number = ControlCall.DESTROY_DEVICE_BY_ID
            buffer = bytearray(abi.DESTROY_BY_ID.pack(device, 0, force))
        else:
            number = ControlCall.DESTROY_DEVICE_BY_NAME
            buffer = bytearray(abi.DESTROY_BY_NAME.pack(abi.name_field(device), 0, force))
        self._patiently(number, buffer, f"destroy {device}", patience)

    def destroy_all(self, *, force: bool = False, patience: float = 3.0) -> None:
        """Destroy every device, as destroy() does."""
        buffer = bytearray(abi.DESTROY_ALL.pack(force))
        self._patiently(ControlCall.DESTROY_ALL_DEVICES, buffer, "destroy all devices", patience)

    def lookup(self, name: str) -> int:
        """The handle of the device of this name.  Raises NoSuchDevice."""
        buffer = bytearray(abi.GET_HANDLE.pack(abi.name_field(name), 0, 0))
        self._checked(ControlCall.GET_HANDLE_ID_BY_NAME, buffer, f"find {name}")
        handle: int = abi.GET_HANDLE.unpack(buffer)[1]
        return handle

    def handles(self) -> list[int]:
        """The handles of all devices, in ascending order."""
        buffer = bytearray(abi.DEVICE_LIST.size)
        self._checked(ControlCall.STATUS_DEVICE_LIST, buffer, "list the devices")
        count, *handles = abi.DEVICE_LIST.unpack(buffer)
        return list(handles[:count])

    def status(self, handle: int) -> DeviceStatus:
        """Describe a device.  Raises NoSuchDevice."""
        buffer = bytearray(abi.DEVICE_STATUS.pack(handle, 0, 0, 0, 0, 0, 0, b""))
        self._checked(ControlCall.STATUS_DEVICE_STATUS, buffer, f"look at device {handle}")
        _, size, blocks, block_size, segments, timeout, own, name = abi.DEVICE_STATUS.unpack(buffer)
        return DeviceStatus(
            handle=own,
            name=abi.name_from_field(name),
            size=size,
            number_of_blocks=blocks,
            block_size=block_size,
            max_segments=segments,
            timeout_ms=timeout,
        )

    def devices(self) -> list[DeviceStatus]:
        """Describe all devices."""
        found = []
        for handle in self.handles():
            with contextlib.suppress(NoSuchDevice):  # it went away since
                found.append(self.status(handle))
        return found

    def info(self) -> ModuleInfo:
        """What the module can do.  Raises EINVAL if it knows no extension."""
        buffer = bytearray(abi.INFO.size)
        self._checked(ExtensionCall.GET_INFO, buffer, "ask the module for its features")
        version, max_devices, features = abi.INFO.unpack(buffer)
        return ModuleInfo(version, max_devices, Feature(features))

    def describe(self, handle: int) -> DeviceDescription:
        """Describe a device, the extension included.  Raises NoSuchDevice."""
        buffer = bytearray(abi.EXTENDED_STATUS.pack(handle, 0, 0, 0, 0, 0, 0, 0, b"", b""))
        self._checked(ExtensionCall.GET_STATUS, buffer, f"look at device {handle}")
        own, block_size, blocks, features, timeout, segments, recovery, servers, name, _ = (
            abi.EXTENDED_STATUS.unpack(buffer)
        )
        return DeviceDescription(
            handle=own,
            name=abi.name_from_field(name),
            size=blocks * block_size,
            block_size=block_size,
            features=Feature(features),
            timeout_seconds=timeout,
            max_segments=segments,
            recovery=Recovery(recovery),
            servers=servers,
        )

    def resize(self, handle: int, size: int, *, patience: float = 3.0) -> None:
        """Give a device another size, in bytes.

        Its servers must be able to serve the new part before.  It shrinks only while
        nobody but its servers has it open: EBUSY is tried again for *patience* seconds,
        as udev opens each device for a moment.  Raises DeviceBusy, NoSuchDevice, ERANGE.
        """
        buffer = bytearray(abi.RESIZE.pack(handle, 0, _blocks(size, abi.BLOCK_SIZE)))
        what = f"resize device {handle} to {size} bytes"
        hint = "unmount it and end what has it open before it shrinks"
        self._patiently(ExtensionCall.RESIZE, buffer, what, patience, {errno.EBUSY: hint})

    def attach(
        self,
        handle: int,
        *,
        features: Feature = SERVER_FEATURES,
        take_over: bool = False,
        timeout_ms: int = 5000,
    ) -> Session:
        """Open a session to serve a device through, which then counts as served.

        *features* are those of SERVER_FEATURES that the server understands.  With
        *take_over* the other servers hand in what they have first, and get no more.

        Raises NoSuchDevice; EOPNOTSUPP if the device has a feature that is not among
        *features*; ETIMEDOUT if the other servers did not hand in everything within
        *timeout_ms*: then they go on as before.
        """
        path = Path("/dev") / self.describe(handle).name
        what = f"take {path} over" if take_over else f"attach to {path}"
        deadline = time.monotonic() + timeout_ms / 1000
        flags = abi.ATTACH_TAKE_OVER if take_over else 0
        left = timeout_ms
        while True:
            buffer = bytearray(abi.ATTACH.pack(handle, flags, features, left, b""))
            try:
                return Session(self.call(ExtensionCall.ATTACH, buffer), path)
            except InterruptedError:
                left = max(int((deadline - time.monotonic()) * 1000), 0)
            except OSError as error:
                raise error_for(error.errno or errno.EIO, what) from error

    def _checked(
        self,
        number: int,
        buffer: bytearray | None,
        what: str,
        hints: Mapping[int, str] | None = None,
    ) -> None:
        while True:
            try:
                self.call(number, buffer)
            except InterruptedError:
                continue
            except OSError as error:
                cause = error.errno or errno.EIO
                raise error_for(cause, what, (hints or {}).get(cause)) from error
            return

    def _patiently(
        self,
        number: int,
        buffer: bytearray,
        what: str,
        patience: float,
        hints: Mapping[int, str] | None = None,
    ) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._checked(number, buffer, what, hints)
            except OSError as error:
                # Nothing tells when the last opener leaves.
                if error.errno != errno.EBUSY or time.monotonic() >= deadline:
                    raise
            time.sleep(_RETRY_SECONDS)


def _blocks(size: int, block_size: int) -> int:
    if size % block_size:
        raise ValueError(f"size {size} is not a multiple of the block size {block_size}")
    return size // block_size


def pack_create(
    name: str | bytes,
    block_size: int,
    number_of_blocks: int,
    timeout_seconds: int,
    max_segments: int = 0,
    batch_queue_size: int = 0,
) -> bytearray:
    """The 68 bytes of a create call, unchecked: for :meth:`Control.call`."""
    return bytearray(
        abi.CREATE.pack(
            abi.name_field(name),
            block_size,
            number_of_blocks,
            timeout_seconds,
            max_segments,
            batch_queue_size,
            0,
            0,
        )
    )
