# SPDX-License-Identifier: MIT
"""Servers that answer wrongly, with bad memory, or without the rights to."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable
from functools import partial
from typing import TypedDict

import zosbd2
from zosbd2 import WireProtocol, abi
from zosbd2.abi import ControlCall, DeviceCall, Operation
from zosbd2.guard import GuardedMemory

from .disks import (
    BLOCK,
    MIB,
    Submitter,
    counter,
    created,
    discarder,
    exchange,
    pattern,
    reader,
    udev_held,
    writer,
)
from .outcomes import outcome
from .patience import wait_until

# Addresses that lead nowhere: NULL, near NULL, the end of user space, the kernel, the very end.
_NOWHERE = (0, 1, 0x7FFF_FFFF_F000, 0xFFFF_8880_0000_0000, 2**64 - 1)


class Refusals(TypedDict):
    """How the wrong calls ended, and whether the request that they were about then did well."""

    refused: list[str]
    intact: bool


def _submit(kind: Operation) -> Submitter:
    """Two blocks, 16 KiB from the start of the device."""
    if kind is Operation.READ_REQUEST:
        return reader("testdisk", 4 * BLOCK, 2 * BLOCK)
    if kind is Operation.WRITE_REQUEST:
        return writer("testdisk", pattern(4 * BLOCK, 2 * BLOCK), 4 * BLOCK)
    return discarder("testdisk", 4 * BLOCK, 2 * BLOCK)


def _refusals(kind: Operation, wrong: Callable[[zosbd2.Request], list[zosbd2.Answer]]) -> Refusals:
    """Answer a request in each wrong way, then in the right one."""
    with zosbd2.Control() as control, exchange(control, "testdisk") as server:
        one = _submit(kind)
        request = server.fetch_request()
        refused = [outcome(partial(server.hand_in, answer)) for answer in wrong(request)]
        untouched = counter("testdisk", "in_flight") == 1 and counter("testdisk", "errors") == 0
        data = pattern(4 * BLOCK, 2 * BLOCK)
        right = request.answer(data if kind is Operation.READ_REQUEST else None)
        server.hand_in(right)
        value = one.end()
        well = {
            Operation.READ_REQUEST: value == data,
            Operation.WRITE_REQUEST: value == 2 * BLOCK and request.data == data,
            Operation.DISCARD_REQUEST: value == 0,
        }
        return {"refused": refused, "intact": untouched and well[kind]}


def wrong_kinds(kind: int) -> Refusals:
    """Each response that belongs to another kind of request, also with an error in it."""
    request_kind = Operation(kind)

    def wrong(request: zosbd2.Request) -> list[zosbd2.Answer]:
        right = request.answer()
        others = [each for each in abi.RESPONSE_TO.values() if each != right.operation]
        return [
            right._replace(operation=each, data=b"\xee" * 2 * BLOCK, error=error)
            for each in others
            for error in (0, -5)
        ]

    return _refusals(request_kind, wrong)


def wrong_operations(kind: int) -> Refusals:
    """Numbers that are no response."""
    numbers = [0, 1, 29, 32, 36, 39, 40, 41, 42, 43, 6502, 8086, 2**31, 2**32 - 1]
    return _refusals(
        Operation(kind),
        lambda request: [request.answer()._replace(operation=number) for number in numbers],
    )


def wrong_lengths(kind: int) -> Refusals:
    """Lengths that are not the request's."""
    lengths = [1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK + 1, 3 * BLOCK, MIB, 2**32 + 2 * BLOCK, 2**63,
               2**64 - 1]  # fmt: skip
    if Operation(kind) is Operation.READ_REQUEST:
        lengths.append(0)
    return _refusals(
        Operation(kind),
        lambda request: [request.answer()._replace(total_length=length) for length in lengths],
    )


def wrong_handles(kind: int) -> Refusals:
    """Handles that are not the device's."""
    return _refusals(
        Operation(kind),
        lambda request: [
            request.answer()._replace(handle=handle) for handle in (0, 2, 77, 2**31, 2**32 - 1)
        ],
    )


def other_devices_handle() -> dict[str, object]:
    """Answer and fetch requests of one device through the node of another."""
    with zosbd2.Control() as control, exchange(control, "testdisk") as server:
        with created(control, "other") as other, zosbd2.DeviceNode("other") as other_node:
            theirs = zosbd2.Exchange(other_node, other)
            one = reader("testdisk", 0)
            request = server.fetch_request()
            evil = request.answer(b"\xee" * BLOCK)
            through = zosbd2.Exchange(other_node, server.handle)
            refused = [
                outcome(partial(through.hand_in, evil)),
                outcome(partial(through.call, timeout=1)),
                outcome(partial(server.hand_in, evil._replace(handle=other))),
            ]
            # Rightly addressed, it is an answer to nothing there.
            theirs.hand_in(evil)
            dropped = counter("other", "late_answers")
            control.destroy(other, force=True)
        server.hand_in(request.answer(pattern(0, BLOCK)))
        return {"refused": refused, "dropped": dropped,
                "intact": one.end() == pattern(0, BLOCK)}  # fmt: skip


def unknown_ids(protocol: WireProtocol, count: int) -> dict[str, object]:
    """Answer operations that nobody asked for, while one is with the server."""
    with zosbd2.Control() as control, exchange(control, "testdisk", protocol) as server:
        one = reader("testdisk", 0)
        request = server.fetch_request()
        ids = [0, 1, 127, 128, 129, 2**31, 2**32 - 1]
        ids += [(request.operation_id + step) % 2**32 for step in (-1, 1, -128, 128, 2**16)]
        ids += [(request.operation_id * 2654435761 + step) % 2**32 for step in range(count)]
        ids = [each for each in ids if each != request.operation_id]
        for each in ids:
            evil = request.answer(b"\xee" * BLOCK)._replace(operation_id=each)
            assert isinstance(server.hand_in(evil, timeout=0.001), zosbd2.Interrupted)
        dropped = counter("testdisk", "late_answers")
        waits = counter("testdisk", "in_flight") == 1
        server.hand_in(request.answer(pattern(0, BLOCK)))
        # An interrupted call may have been made twice with the same answer.
        return {"dropped": dropped >= len(ids), "waits": waits,
                "intact": one.end() == pattern(0, BLOCK)}  # fmt: skip


def bad_pointers_at_fetch() -> dict[str, object]:
    """Wait with memory that is not there, too short, or not writable; a good server follows."""
    with (
        zosbd2.Control() as control,
        exchange(control, "testdisk") as server,
        GuardedMemory(abi.DATA_OFFSET + BLOCK) as short,
        GuardedMemory(abi.DATA_OFFSET - 1) as shorter,
    ):
        one = writer("testdisk", pattern(0, 2 * BLOCK), 0)
        wait_until("the write", lambda: counter("testdisk", "queued") == 1)
        refused = [
            outcome(partial(server.node.call, DeviceCall.OPERATION, address))
            for address in _NOWHERE
        ]
        for memory in (short, shorter):
            _put_no_response(memory.view, server.handle)
            refused.append(outcome(partial(server.node.call, DeviceCall.OPERATION, memory.address)))
        refused.append(_fetch_into_read_only_memory(server))
        queued = counter("testdisk", "queued")
        request = server.fetch_request()
        server.hand_in(request.answer())
        return {
            "refused": refused,
            "queued": queued,
            "intact": one.end() == 2 * BLOCK and request.data == pattern(0, 2 * BLOCK),
        }


def _put_no_response(memory: memoryview, handle: int) -> None:
    abi.OPERATION_HEADER.pack_into(memory, 0, handle, Operation.NO_RESPONSE, 0, 0)


def _fetch_into_read_only_memory(server: zosbd2.Exchange) -> str:
    with open("/run/read-only", "w+b") as file:  # noqa: PTH123
        file.truncate(abi.BUFFER_SIZE)
        file.write(abi.OPERATION_HEADER.pack(server.handle, Operation.NO_RESPONSE, 0, 0))
        file.flush()
        with mmap.mmap(file.fileno(), abi.BUFFER_SIZE, mmap.MAP_PRIVATE, mmap.PROT_READ) as memory:
            address = _address_of_read_only(memory)
            return outcome(partial(server.node.call, DeviceCall.OPERATION, address))


def _address_of_read_only(memory: mmap.mmap) -> int:
    """ctypes refuses to take it from a read-only buffer, so the kernel is asked."""
    assert len(memory) == abi.BUFFER_SIZE
    with open("/proc/self/maps") as maps:  # noqa: PTH123
        for line in maps:
            if line.rstrip().endswith("/run/read-only"):
                return int(line.split("-")[0], 16)
    raise AssertionError("the mapping is not in /proc/self/maps")


def bad_pointers_at_answer() -> dict[str, object]:
    """Answer a read of two blocks from memory that ends too early; then rightly."""
    with zosbd2.Control() as control, exchange(control, "testdisk") as server:
        one = reader("testdisk", 0, 2 * BLOCK)
        request = server.fetch_request()
        refused = []
        for room in (0, 1, BLOCK, 2 * BLOCK - 1):
            with GuardedMemory(abi.DATA_OFFSET + room) as memory:
                short = zosbd2.Exchange(server.node, server.handle, memory.view)
                short.put(request.answer(b"\xee" * room))
                refused.append(
                    outcome(partial(server.node.call, DeviceCall.OPERATION, memory.address))
                )
                short.memory.release()
        waits = counter("testdisk", "in_flight") == 1
        server.hand_in(request.answer(pattern(0, 2 * BLOCK)))
        return {"refused": refused, "waits": waits,
                "intact": one.end() == pattern(0, 2 * BLOCK)}  # fmt: skip


def misaligned(shifts: list[int]) -> list[bool]:
    """Serve a write and a read with buffers at odd addresses: whether the data came right."""
    found = []
    with zosbd2.Control() as control, exchange(control, "testdisk") as whole:
        for shift in shifts:
            memory = memoryview(bytearray(abi.BUFFER_SIZE + BLOCK))[shift:][: abi.BUFFER_SIZE]
            server = zosbd2.Exchange(whole.node, whole.handle, memory)
            data = pattern(0, MIB, seed=shift)
            one = writer("testdisk", data, 0)
            written = server.fetch_request()
            server.hand_in(written.answer())
            two = reader("testdisk", 0, MIB)
            server.hand_in(server.fetch_request().answer(data))
            found.append(one.end() == MIB and written.data == data and two.end() == data)
    return found


def closed_under_a_waiter() -> dict[str, str]:
    """The descriptor is closed while a thread waits in a call on it; then the device goes."""
    with udev_held(), zosbd2.Control() as control, created(control, "testdisk") as handle:
        node = zosbd2.DeviceNode("testdisk")
        server = zosbd2.Exchange(node, handle)
        waiter = Submitter(lambda: type(server.call()).__name__)
        wait_until("a server", lambda: counter("testdisk", "servers") == 1)
        fd, number = node.fd, DeviceCall.PING
        node.close()
        closed = outcome(partial(zosbd2.ioctl, fd, number))
        control.destroy(handle, force=True)
        return {"closed": closed, "waiter": str(waiter.end())}


def serve_through(flags: int) -> str:
    """Try to serve through a descriptor that was opened with these flags."""
    with (
        udev_held(),
        zosbd2.Control() as control,
        created(control, "testdisk") as handle,
        zosbd2.DeviceNode("testdisk", flags=flags) as node,
    ):
        return outcome(partial(zosbd2.Exchange(node, handle).call, timeout=1))


def without_rights() -> dict[str, object]:
    """What a process can do that has given up root, with descriptors that root opened for it."""
    with contextlib.ExitStack() as undo:
        undo.enter_context(udev_held())
        control = undo.enter_context(zosbd2.Control())
        handle = undo.enter_context(created(control, "testdisk"))
        node = undo.enter_context(zosbd2.DeviceNode("testdisk"))
        one = reader("testdisk", 0)
        wait_until("a read", lambda: counter("testdisk", "queued") == 1)
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(write_end, "\n".join(_tries(control, node, handle)).encode())
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            tried = pipe.read().splitlines()
        os.wait()
        request = zosbd2.Exchange(node, handle).fetch_request()
        zosbd2.Exchange(node, handle).hand_in(request.answer(pattern(0, BLOCK)))
        return {
            "tried": dict(line.split(": ") for line in tried),
            "devices": control.handles() == [handle],
            "intact": one.end() == pattern(0, BLOCK),
        }


def _tries(control: zosbd2.Control, node: zosbd2.DeviceNode, handle: int) -> list[str]:
    memory = bytearray(abi.BUFFER_SIZE)
    _put_no_response(memoryview(memory), handle)
    tries = {
        "open control": partial(os.open, "/dev/zosbd2ctl", os.O_RDWR),
        "open control for reading": partial(os.open, "/dev/zosbd2ctl", os.O_RDONLY),
        "open device": partial(os.open, "/dev/testdisk", os.O_RDWR),
        "open device for reading": partial(os.open, "/dev/testdisk", os.O_RDONLY),
        **{call.name: partial(control.call, call, memory) for call in ControlCall},
        "device PING": partial(node.call, DeviceCall.PING),
        "device OPERATION": partial(node.call, DeviceCall.OPERATION, memory),
        "unknown": partial(control.call, 99, memory),
    }
    return [f"{name}: {outcome(call)}" for name, call in tries.items()]


def sizes_of_data(lengths: list[int]) -> list[bool]:
    """Reads answered with data behind the struct that is longer than asked for: what arrives."""
    found = []
    with zosbd2.Control() as control, exchange(control, "testdisk") as server:
        for length in lengths:
            one = reader("testdisk", 0)
            request = server.fetch_request()
            server.hand_in(request.answer(pattern(0, BLOCK) + b"\xee" * length))
            found.append(one.end() == pattern(0, BLOCK))
    return found
