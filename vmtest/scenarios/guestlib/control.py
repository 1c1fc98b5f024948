# SPDX-License-Identifier: MIT
"""The control node, called with right and wrong arguments."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TypedDict

import zosbd2
from zosbd2 import abi
from zosbd2.abi import ControlCall
from zosbd2.guard import GuardedMemory

from .disks import MIB, created, opened, udev_held
from .outcomes import errno_name, outcome

_NOT_WRITTEN = -12345
_PATTERN = 0xA5


class Attempt(TypedDict):
    """How a call ended, and what it left in the buffer's out fields."""

    outcome: str
    error: int
    handle: int


def create(
    control: zosbd2.Control,
    name: str = "testdisk",
    block_size: int = 4096,
    blocks: int = 1024,
    timeout: int = 60,
    segments: int = 0,
    batch: int = 0,
) -> Attempt:
    """One create call; *name* is taken as Latin-1."""
    buffer = bytearray(
        abi.CREATE.pack(
            abi.name_field(name.encode("latin-1")),
            block_size, blocks, timeout, segments, batch, 0, _NOT_WRITTEN,
        )
    )  # fmt: skip
    ended = outcome(partial(control.call, ControlCall.CREATE_DEVICE, buffer))
    handle, error = abi.CREATE.unpack(buffer)[6:]
    return {"outcome": ended, "error": error, "handle": handle}


@contextlib.contextmanager
def _emptied() -> Iterator[zosbd2.Control]:
    """No device is left at the end: one that udev looks into would keep the module."""
    with zosbd2.Control() as control:
        try:
            yield control
        finally:
            for handle in control.handles():
                control.destroy(handle, force=True)


def creates(arguments: list[dict[str, object]]) -> list[Attempt]:
    """Try each create by itself; a device that came about is destroyed again."""
    attempts = []
    with zosbd2.Control() as control:
        for each in arguments:
            attempt = create(control, **each)  # type: ignore[arg-type]
            attempts.append(attempt)
            if attempt["outcome"] == "OK":
                control.destroy(attempt["handle"], force=True)
            assert control.handles() == []
    return attempts


def segments_of_devices(wanted: list[int]) -> list[int]:
    """What a device's status says about segments, for each number asked for."""
    with zosbd2.Control() as control:
        found = []
        for segments in wanted:
            handle = control.create("testdisk", 4 * MIB, max_segments=segments)
            found.append(control.status(handle).max_segments)
            control.destroy(handle, force=True)
        return found


def status_of_device(name: str, size: int, timeout_seconds: int) -> dict[str, object]:
    """Create a device and describe it."""
    with (
        zosbd2.Control() as control,
        created(control, name, size, timeout_seconds=timeout_seconds) as handle,
    ):
        status = control.status(handle)
        assert status.handle == handle
        assert abi.BLOCK_SIZE * int(Path(f"/sys/block/{name}/size").read_text()) == size * 8
        return {"created": handle, **status._asdict()}


def create_twice() -> list[Attempt]:
    """Two devices of one name."""
    with _emptied() as control:
        first, second = create(control), create(control)
        assert control.handles() == [first["handle"]]
        return [first, second]


def create_over_nodes(names: list[str]) -> list[str]:
    """Try to create devices whose nodes are other people's; the nodes must stay theirs."""
    ordinary = Path("/dev/ordinary-file")
    ordinary.write_text("mine\n")
    try:
        with zosbd2.Control() as control:
            before = [Path("/dev", name).stat() for name in names]
            attempts = [create(control, name)["outcome"] for name in names]
            after = [Path("/dev", name).stat() for name in names]
            assert [each[:3] for each in before] == [each[:3] for each in after]
            assert control.handles() == []
        assert ordinary.read_text() == "mine\n"
        return attempts
    finally:
        ordinary.unlink()


def handles_in_turn() -> list[list[int]]:
    """The handles of three devices, then of two after the middle one went."""
    with _emptied() as control:
        first = [control.create(f"disk{number}", 4 * MIB) for number in range(3)]
        control.destroy(first[1], force=True)
        second = [control.create(f"disk{number}", 4 * MIB) for number in (1, 3)]
        return [first, second]


def fill_up() -> dict[str, object]:
    """As many devices as there may be, one more, and another one once there is room."""
    with udev_held(), zosbd2.Control() as control:
        handles = [control.create(f"disk{number}", 4 * MIB) for number in range(abi.MAX_DEVICES)]
        listed = control.handles()
        nodes = len(list(Path("/dev").glob("disk[0-9]*")))
        one_more = create(control, "onemore")
        control.destroy(handles[7], force=True)
        in_the_gap = create(control, "inthegap")
        control.destroy_all(force=True)
        return {
            "all_listed": listed == handles,
            "nodes": nodes,
            "one_more": one_more,
            "in_the_gap": in_the_gap["outcome"],
            "left": len(control.handles()) + len(list(Path("/dev").glob("disk[0-9]*"))),
        }


def list_over_dirt(devices: int) -> list[int]:
    """The list's fields, fetched into memory that was full of ones."""
    with zosbd2.Control() as control, contextlib.ExitStack() as undo:
        for number in range(devices):
            undo.enter_context(created(control, f"disk{number}", 4 * MIB))
        buffer = bytearray(b"\xff" * abi.DEVICE_LIST.size)
        control.call(ControlCall.STATUS_DEVICE_LIST, buffer)
        return list(abi.DEVICE_LIST.unpack(buffer))


def look_up(names: list[str]) -> list[Attempt]:
    """Look for each name while ``disk`` exists."""
    attempts: list[Attempt] = []
    with zosbd2.Control() as control, created(control, "testdisk"):
        for name in names:
            field = abi.name_field(name.encode("latin-1"))
            buffer = bytearray(abi.GET_HANDLE.pack(field, 77, _NOT_WRITTEN))
            ended = outcome(partial(control.call, ControlCall.GET_HANDLE_ID_BY_NAME, buffer))
            _, handle, error = abi.GET_HANDLE.unpack(buffer)
            attempts.append({"outcome": ended, "error": error, "handle": handle})
    return attempts


def status_of_strangers(handles: list[int]) -> list[str]:
    """Ask for devices that are not there."""
    with zosbd2.Control() as control, created(control, "testdisk"):
        return [outcome(partial(control.status, handle)) for handle in handles]


def destroy(control: zosbd2.Control, device: int | str, force: int) -> str:
    """One destroy call, by handle or name: its outcome and the error field."""
    if isinstance(device, int):
        buffer = bytearray(abi.DESTROY_BY_ID.pack(device, _NOT_WRITTEN, force))
        ended = outcome(partial(control.call, ControlCall.DESTROY_DEVICE_BY_ID, buffer))
        return f"{ended} {abi.DESTROY_BY_ID.unpack(buffer)[1]}"
    field = abi.name_field(device.encode("latin-1"))
    buffer = bytearray(abi.DESTROY_BY_NAME.pack(field, _NOT_WRITTEN, force))
    ended = outcome(partial(control.call, ControlCall.DESTROY_DEVICE_BY_NAME, buffer))
    return f"{ended} {abi.DESTROY_BY_NAME.unpack(buffer)[1]}"


def destroy_all(control: zosbd2.Control, force: int) -> str:
    """One call for all devices."""
    buffer = bytearray(abi.DESTROY_ALL.pack(force))
    return outcome(partial(control.call, ControlCall.DESTROY_ALL_DEVICES, buffer))


class Destroyed(TypedDict):
    """How devices went, what was left, and the seconds it took."""

    ended: dict[str, str]
    left: list[int]
    nodes: list[str]
    seconds: float


def destroys(force: int) -> Destroyed:
    """Destroy devices that nobody serves, in each of the three ways."""
    with udev_held(), zosbd2.Control() as control:
        began = time.monotonic()
        control.create("byname", 4 * MIB)
        handle = control.create("byid", 4 * MIB)
        ended = {
            "name": destroy(control, "byname", force),
            "id": destroy(control, handle, force),
        }
        for number in range(3):
            control.create(f"disk{number}", 4 * MIB)
        ended["all"] = destroy_all(control, force)
        names = ("byname", "byid", "disk0", "disk1", "disk2")
        return {
            "ended": {**ended, "none": destroy_all(control, force)},
            "left": control.handles(),
            "nodes": [name for name in names if Path("/dev", name).exists()],
            "seconds": time.monotonic() - began,
        }


def destroy_strangers(devices: list[int | str], force: int) -> list[str]:
    """Destroy what is not there, beside a device that is, which must stay."""
    with zosbd2.Control() as control, created(control, "testdisk") as handle:
        attempts = [destroy(control, device, force) for device in devices]
        assert control.handles() == [handle]
        return attempts


def destroy_twice() -> list[str]:
    """By its handle, then by both of its names."""
    with zosbd2.Control() as control:
        handle = control.create("testdisk", 4 * MIB)
        return [destroy(control, handle, 1), destroy(control, handle, 1),
                destroy(control, "testdisk", 1)]  # fmt: skip


def destroy_with_opener() -> dict[str, object]:
    """Unforced, while this process has it open for writing; then once it is closed."""
    with udev_held(), zosbd2.Control() as control, created(control, "testdisk") as handle:
        with opened("testdisk", os.O_RDWR):
            busy = [destroy(control, handle, 0), destroy(control, "testdisk", 0)]
            all_busy = destroy_all(control, 0)
            there = control.handles() == [handle]
        return {"busy": busy, "all": all_busy, "there": there,
                "closed": destroy(control, handle, 0)}  # fmt: skip


def unknown_calls(numbers: list[int]) -> dict[str, list[int]]:
    """Call numbers that are none, by outcome."""
    found: dict[str, list[int]] = {}
    with zosbd2.Control() as control, GuardedMemory(4096) as memory:
        for number in numbers:
            try:
                control.call(number, memory.address)
                name = "OK"
            except OSError as error:
                name = errno_name(error)
            found.setdefault(name, []).append(number)
        assert bytes(memory.view) == bytes(4096)
    return found


# Each call's fields end here; a client may own not one byte more.
_FIELDS = {
    ControlCall.PING: 0,
    ControlCall.CREATE_DEVICE: 68,
    ControlCall.DESTROY_DEVICE_BY_ID: 12,
    ControlCall.DESTROY_DEVICE_BY_NAME: 40,
    ControlCall.DESTROY_ALL_DEVICES: 4,
    ControlCall.GET_HANDLE_ID_BY_NAME: 40,
    ControlCall.STATUS_DEVICE_LIST: 204,
    ControlCall.STATUS_DEVICE_STATUS: 72,
}


def _inputs(call: ControlCall, handle: int) -> list[tuple[int, bytes]]:
    """What the call reads: (offset, bytes)."""
    field = abi.name_field("testdisk")
    number = handle.to_bytes(4, "little")
    force = b"\1\0\0\0"
    match call:
        case ControlCall.CREATE_DEVICE:
            fields = abi.CREATE.pack(abi.name_field("other"), 4096, 1024, 60, 0, 0, 0, 0)
            return [(0, fields[:36]), (40, fields[40:60])]
        case ControlCall.DESTROY_DEVICE_BY_ID:
            return [(0, number), (8, force)]
        case ControlCall.DESTROY_DEVICE_BY_NAME:
            return [(0, field), (36, force)]
        case ControlCall.DESTROY_ALL_DEVICES:
            return [(0, force)]
        case ControlCall.GET_HANDLE_ID_BY_NAME:
            return [(0, field)]
        case ControlCall.STATUS_DEVICE_STATUS:
            return [(0, number)]
        case _:
            return []


def _changes(control: zosbd2.Control, call: ControlCall, size: int) -> tuple[str, list[int]]:
    """The outcome of a call with *size* bytes before a guard page, and which ones it changed."""
    handle = control.create("testdisk", 4 * MIB)
    try:
        with GuardedMemory(size) as memory:
            memory.view[:] = bytes([_PATTERN]) * size
            for offset, data in _inputs(call, handle):
                end = min(offset + len(data), size)
                memory.view[offset:end] = data[: max(end - offset, 0)]
            before = bytes(memory.view)
            ended = outcome(partial(control.call, call, memory.address))
            return ended, [at for at in range(size) if memory.view[at] != before[at]]
    finally:
        control.destroy_all(force=True)


def changed_bytes(size: int | None) -> dict[str, str]:
    """For each call its outcome, and the first, last and number of the bytes that it changed.

    *size* is that of the client's buffer, None for exactly the call's fields.
    """
    found = {}
    with udev_held(), zosbd2.Control() as control:
        for call, fields in _FIELDS.items():
            ended, changed = _changes(control, call, fields if size is None else size)
            span = f"{changed[0]}-{changed[-1]}, {len(changed)}" if changed else "nothing"
            found[call.name] = f"{ended}: {span}"
    return found


def one_byte_short() -> dict[str, str]:
    """The outcome of each call with a byte too little; the devices must be as before."""
    found = {}
    with udev_held(), zosbd2.Control() as control:
        for call, fields in _FIELDS.items():
            if fields == 0:
                continue
            handle = control.create("testdisk", 4 * MIB)
            with GuardedMemory(fields - 1) as memory:
                for offset, data in _inputs(call, handle):
                    end = min(offset + len(data), fields - 1)
                    memory.view[offset:end] = data[: max(end - offset, 0)]
                found[call.name] = outcome(partial(control.call, call, memory.address))
            assert control.handles() == [handle], call.name
            control.destroy_all(force=True)
    return found


def bad_pointers(addresses: list[int]) -> dict[str, list[str]]:
    """For each call the outcomes with pointers that lead nowhere; nothing may have happened."""
    found = {}
    with zosbd2.Control() as control, created(control, "testdisk") as handle:
        for call, fields in _FIELDS.items():
            if fields == 0:
                continue
            found[call.name] = [
                outcome(partial(control.call, call, address)) for address in addresses
            ]
        assert control.handles() == [handle]
    return found
