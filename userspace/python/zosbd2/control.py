# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control node: create, destroy and look at devices."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import NamedTuple, Self

from . import abi
from .abi import ControlCall
from .errors import NoSuchDevice, error_for, open_error_for
from .syscall import Memory, ioctl

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


class Control:
    """An open control node; a context manager that closes it."""

    def __init__(self, node: str = abi.CONTROL_NODE) -> None:
        """Open it.  Raises ModuleNotLoaded, RightsMissing."""
        try:
            self.fd = os.open(node, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise open_error_for(error.errno or errno.EIO, node) from error
        try:
            self.call(ControlCall.PING)
        except OSError as error:
            self.close()
            raise open_error_for(error.errno or errno.EIO, node) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it.  Devices and servers live on."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def call(self, number: int, argument: Memory | int | None = None) -> int:
        """One ioctl with whatever is given, for tests: raises plain OSError."""
        return ioctl(self.fd, number, argument)

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
    ) -> int:
        """Create a device of *size* bytes and return its handle.

        Raises NameTaken; ERANGE for a size or time-out, EINVAL for a name or block size
        that cannot be, or for one device too many.
        """
        if size % block_size:
            raise ValueError(f"size {size} is not a multiple of the block size {block_size}")
        blocks = size // block_size
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

    def _checked(self, number: int, buffer: bytearray | None, what: str) -> None:
        while True:
            try:
                self.call(number, buffer)
            except InterruptedError:
                continue
            except OSError as error:
                raise error_for(error.errno or errno.EIO, what) from error
            return

    def _patiently(self, number: int, buffer: bytearray, what: str, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._checked(number, buffer, what)
            except OSError as error:
                # Nothing tells when the last opener leaves.
                if error.errno != errno.EBUSY or time.monotonic() >= deadline:
                    raise
            time.sleep(_RETRY_SECONDS)


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
