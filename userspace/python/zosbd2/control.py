# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control node: create, destroy and look at devices."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar, Unpack

from . import abi
from .abi import NO_FEATURES, SERVER_FEATURES, ControlCall, ExtensionCall, Feature, Recovery
from .channel import HAVE_RINGS, Channel, RingLayout
from .descriptor import Descriptor
from .device import DeviceDescription, DeviceOptions, DeviceStatus, ModuleInfo
from .endpoint import Session
from .errors import NoSuchDevice, error_for, open_error_for
from .ring_abi import RING_ATTACH

_RETRY_SECONDS = 0.02
_TIMEOUT_SECONDS = 60

_Endpoint = TypeVar("_Endpoint", Session, Channel)


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

    def create(self, name: str, size: int, **options: Unpack[DeviceOptions]) -> int:
        """Create a device of *size* bytes and return its handle.

        Raises NameTaken; ERANGE for a size or time-out, EINVAL for a name, another option or
        mixture of features that cannot be, or for one device too many; EOPNOTSUPP for
        features that info() does not name.
        """
        blocks = _blocks(size, options.get("block_size") or abi.BLOCK_SIZE)
        if not _is_classic(options):
            buffer = _pack_extended_create(name, blocks, options)
            self._checked(ExtensionCall.CREATE, buffer, f"create {name}")
            extended: int = abi.EXTENDED_CREATE.unpack(buffer)[7]
            return extended
        timeout = options.get("timeout_seconds", _TIMEOUT_SECONDS)
        buffer = pack_create(name, abi.BLOCK_SIZE, blocks, timeout, options.get("max_segments", 0))
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
        buffer = bytearray(abi.EXTENDED_STATUS.size)
        buffer[:4] = handle.to_bytes(4, "little")
        self._checked(ExtensionCall.GET_STATUS, buffer, f"look at device {handle}")
        own, block_size, blocks, features, timeout, segments, recovery, servers, name, *shape = (
            abi.EXTENDED_STATUS.unpack(buffer)
        )
        queues, depth, physical_block_size, max_io, io_opt, max_discard, granularity, polled = shape
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
            queues=queues,
            queue_depth=depth,
            physical_block_size=physical_block_size,
            max_io_bytes=max_io,
            io_opt=io_opt,
            max_discard_bytes=max_discard,
            discard_granularity=granularity,
            poll_queues=polled,
        )

    def resize(self, handle: int, size: int, *, patience: float = 3.0) -> None:
        """Give a device another size, in bytes.

        Its servers must be able to serve the new part before.  It shrinks only while
        nobody but its servers has it open: EBUSY is tried again for *patience* seconds,
        as udev opens each device for a moment.  Raises DeviceBusy, NoSuchDevice, ERANGE.
        """
        blocks = _blocks(size, self.describe(handle).block_size)
        buffer = bytearray(abi.RESIZE.pack(handle, 0, blocks))
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
        *features*, or is served by channels only; ETIMEDOUT if the other servers did not
        hand in everything within *timeout_ms*: then they go on as before.
        """

        def attach(flags: int, left: int) -> Session:
            buffer = bytearray(abi.ATTACH.pack(handle, flags, features, left, b""))
            return Session(self.call(ExtensionCall.ATTACH, buffer), path)

        path = self._path_of(handle)
        return _attached(attach, path, take_over, timeout_ms)

    def attach_queue(
        self,
        handle: int,
        queue: int = 0,
        *,
        features: Feature = SERVER_FEATURES,
        take_over: bool = False,
        timeout_ms: int = 5000,
        entries: int = 0,
        generation: int = 0,
    ) -> Channel:
        """Open a channel to a queue of a device, as attach() does a session.

        *entries* is how many each of its rings has, a power of two; 0 leaves it to the
        module.  A server with several channels names in the later ones the *generation* of
        the first.  Raises what attach() does, EINVAL for a queue that there is not, and
        ESTALE if another server has taken over since *generation*.
        """

        def attach(flags: int, left: int) -> Channel:
            wanted = (handle, flags, features, left, queue, entries)
            buffer = bytearray(RING_ATTACH.pack(*wanted, *(0, 0, 0), generation, b""))
            fd = self.call(ExtensionCall.ATTACH_QUEUE, buffer)
            *_, made, requests, answers, size, _, _ = RING_ATTACH.unpack(buffer)
            return Channel(fd, path, RingLayout(made, requests, answers, size))

        path = self._path_of(handle)
        return _attached(attach, path, take_over, timeout_ms)

    def has_rings(self) -> bool:
        """Whether module and Python can serve over rings."""
        return HAVE_RINGS and self.info().version >= abi.EXTENSION_RINGS

    def _path_of(self, handle: int) -> Path:
        return Path("/dev") / self.describe(handle).name

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


def _attached(
    attach: Callable[[int, int], _Endpoint], path: Path, take_over: bool, timeout_ms: int
) -> _Endpoint:
    """Call *attach* with flags and milliseconds, again after a signal."""
    flags = abi.ATTACH_TAKE_OVER if take_over else 0
    deadline = time.monotonic() + timeout_ms / 1000
    left = timeout_ms
    while True:
        try:
            return attach(flags, left)
        except InterruptedError:
            left = max(int((deadline - time.monotonic()) * 1000), 0)
        except OSError as error:
            what = f"take {path} over" if take_over else f"attach to {path}"
            raise error_for(error.errno or errno.EIO, what) from error


def _is_classic(options: DeviceOptions) -> bool:
    """Whether the classic call can make such a device."""
    others = {**options, "timeout_seconds": 0, "max_segments": 0}
    if others.get("block_size") == abi.BLOCK_SIZE:
        del others["block_size"]
    return not any(others.values())


def _pack_extended_create(name: str, blocks: int, options: DeviceOptions) -> bytearray:
    return bytearray(
        abi.EXTENDED_CREATE.pack(
            abi.name_field(name),
            blocks,
            options.get("features", NO_FEATURES),
            options.get("block_size") or abi.BLOCK_SIZE,
            options.get("timeout_seconds", _TIMEOUT_SECONDS),
            options.get("max_segments", 0),
            options.get("recovery", Recovery.WAIT),
            0,
            options.get("queues", 0),
            options.get("queue_depth", 0),
            options.get("physical_block_size", 0),
            options.get("max_io_bytes", 0),
            options.get("io_opt", 0),
            options.get("max_discard_bytes", 0),
            options.get("discard_granularity", 0),
            options.get("poll_queues", 0),
            0,
        )
    )


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
