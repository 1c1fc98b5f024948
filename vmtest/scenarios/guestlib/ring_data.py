# SPDX-License-Identifier: MIT
"""The data of the ring protocol: pieces, memory that is not there, answers that come late."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from zosbd2.guard import GuardedMemory
from zosbd2.ring_abi import ANSWER_COPY, ANSWER_END
from zosbd2.syscall import address_of

from .disks import BLOCK, MIB, Submitter, counter, opened, pattern, reader, writer
from .outcomes import outcome
from .ring import COPY_AND_END, NAME, Asked, Ring, device, ringed

# Addresses that lead nowhere: NULL, near NULL, the end of user space, the kernel, the very end.
_NOWHERE = (0, 1, 0x7FFF_FFFF_F000, 0xFFFF_8880_0000_0000, 2**64 - 1)


def prefilled_read(offset: int, length: int) -> Submitter:
    """Reads into memory that is full of ones."""

    def work() -> bytes:
        with opened(NAME) as fd, mmap.mmap(-1, length) as memory:
            memory[:] = b"\xff" * length
            assert os.preadv(fd, [memory], offset) == length
            return memory[:]

    return Submitter(work)


def pieces_of_a_read() -> dict[str, bool]:
    """A read of four blocks, from pieces: in one call, in several, and with an end missing."""
    data = pattern(0, 4 * BLOCK)
    found = {}
    with ringed() as ring:
        one = prefilled_read(0, 4 * BLOCK)
        (asked,) = ring.fetch(1)
        ring.arena.view[: len(data)] = data
        address = ring.arena.address
        for first, blocks in ((0, 1), (1, 2), (3, 1)):
            ring.put(asked, ANSWER_COPY, address=address + first * BLOCK, length=blocks * BLOCK,
                     offset=first * BLOCK)  # fmt: skip
        ring.put(asked, ANSWER_END)
        ring.channel.enter()
        found["in one call"] = one.end() == data

        one = prefilled_read(0, 4 * BLOCK)
        (asked,) = ring.fetch(1)
        at = 0
        for length in (1, 511, 1000, 3 * BLOCK):
            ring.put(asked, ANSWER_COPY, address=address + at, length=length, offset=at)
            ring.channel.enter()
            at += length
        ring.put(asked, COPY_AND_END, address=address + at, offset=at)
        ring.channel.enter()
        found["of odd lengths"] = one.end() == data

        for name, length in (("one block", BLOCK), ("odd bytes", 1234), ("nothing", 0)):
            one = prefilled_read(0, 4 * BLOCK)
            (asked,) = ring.fetch(1)
            if length:
                ring.put(asked, ANSWER_COPY, address=address, length=length)
            ring.put(asked, ANSWER_END)
            ring.channel.enter()
            found[f"zeroes behind {name}"] = one.end() == data[:length].ljust(len(data), b"\0")

        one = prefilled_read(0, 4 * BLOCK)
        (asked,) = ring.fetch(1)
        ring.put(asked, ANSWER_COPY, address=address, length=BLOCK)
        ring.put(asked, ANSWER_END, error=-errno.EIO)
        ring.channel.enter()
        found["an error in the end"] = outcome(one.end) == "EIO"
    return found


def a_handed_on_read_begins_anew() -> bool:
    """A channel gives half of a read and is closed; the next one gives all of it."""
    with device() as (control, handle):
        one, other = Ring(control, handle), Ring(control, handle)
        submitter = prefilled_read(0, 2 * BLOCK)
        (asked,) = one.fetch(1)
        one.put(asked, ANSWER_COPY, b"\xee" * BLOCK, length=BLOCK)
        one.channel.enter()
        one.channel.close()
        (again,) = other.fetch(1)
        other.answer(again, pattern(0, 2 * BLOCK))
        return submitter.end() == pattern(0, 2 * BLOCK)


def pieces_of_a_write() -> dict[str, object]:
    """A write of four blocks, fetched in pieces of any order, some of them twice."""
    data = pattern(0, 4 * BLOCK)
    with ringed() as ring:
        one = writer(NAME, data, 0)
        (asked,) = ring.fetch(1)
        address = ring.arena.address
        for offset, length in (
            (3 * BLOCK, BLOCK),
            (0, 1),
            (100, 5000),
            (100, 5000),
            (1, 2 * BLOCK),
        ):
            ring.put(asked, ANSWER_COPY, address=address + offset, length=length, offset=offset)
        ring.put(asked, ANSWER_COPY, address=address + BLOCK, offset=BLOCK)
        ring.channel.enter()
        right = bytes(ring.arena.view[: len(data)]) == data
        ring.put(asked, COPY_AND_END, at=MIB + 1)
        ring.channel.enter()
        return {
            "pieces": right,
            "at an odd place, with the end": bytes(ring.arena.view[MIB + 1 :][: len(data)]) == data,
            "written": one.end(),
        }


def late_answers() -> dict[str, object]:
    """A read and a write time out with their server, which then goes on with them."""
    with ringed(timeout_seconds=1) as ring:
        submitters = [reader(NAME, 0), writer(NAME, bytes(BLOCK), BLOCK)]
        expired = sorted(ring.fetch(2), key=lambda each: each.operation)
        ends = [outcome(each.end) for each in submitters]
        later = reader(NAME, 2 * BLOCK)
        (asked,) = ring.fetch(1)
        told = [ring.channel.error_at(position) for position in _asked_again(ring, expired)]
        for each in expired:
            ring.put(each, ANSWER_END)
        ring.put(asked, COPY_AND_END, pattern(2 * BLOCK, BLOCK))
        ring.channel.enter()
        return {
            "ends": ends,
            "told": [errno.errorcode.get(-error, error) for error in told],
            "late": counter(NAME, "late_answers"),
            "later": later.end() == pattern(2 * BLOCK, BLOCK),
        }


def _asked_again(ring: Ring, requests: list[Asked]) -> list[int]:
    positions = [ring.put(each, ANSWER_COPY) for each in requests]
    ring.channel.enter()
    return positions


@contextlib.contextmanager
def read_only_memory(size: int) -> Iterator[int]:
    """Where memory lies that can be read and not written."""
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        address = address_of(memoryview(memory))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        assert libc.mprotect(address, size, mmap.PROT_READ) == 0
        yield address


def memory_that_is_not_there() -> dict[str, object]:
    """Two blocks are to be copied from and to bad addresses, then a good one."""
    found: dict[str, object] = {}
    data = pattern(0, 2 * BLOCK)
    submits: dict[str, Callable[[], Submitter]] = {
        "read": partial(reader, NAME, 0, len(data)),
        "write": partial(writer, NAME, data, 0),
    }
    with ringed() as ring, contextlib.ExitStack() as undo:
        for kind, submit in submits.items():
            short = [undo.enter_context(GuardedMemory(room)) for room in (1, BLOCK, 2 * BLOCK - 1)]
            bad = [*_NOWHERE, *(each.address for each in short)]
            if kind == "write":
                bad.append(undo.enter_context(read_only_memory(2 * BLOCK)))
            submitter = submit()
            (asked,) = ring.fetch(1)
            ends, behind = [], set()
            for address in bad:
                ring.channel.put(asked.id, ANSWER_COPY, address=address)
                ends.append(outcome(ring.channel.enter))
                behind.add(ring.take_back())
            waits = counter(NAME, "in_flight") == 1
            if kind == "read":
                ring.put(asked, COPY_AND_END, data)
            else:
                assert ring.data_of(asked) == data
                ring.put(asked, ANSWER_END)
            ring.channel.enter()
            found[kind] = [ends, sorted(behind), waits, submitter.end() in (data, len(data))]
    return found


def memory_that_comes_late() -> dict[str, bool]:
    """The module copies a MiB to memory that nobody has touched, and from a file's mapping."""
    data = pattern(0, MIB)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with ringed() as ring, open("/var/tmp/late", "w+b") as file:  # noqa: PTH123
        Path("/var/tmp/late").unlink()
        file.write(data)
        file.flush()
        submitter = writer(NAME, data, 0)
        (asked,) = ring.fetch(1)
        with mmap.mmap(-1, MIB, flags=flags) as fresh:
            ring.channel.put(asked.id, COPY_AND_END, address=address_of(memoryview(fresh)))
            ring.channel.enter()
            written = submitter.end() == MIB and fresh[:] == data
        submitter = reader(NAME, 0, MIB)
        (asked,) = ring.fetch(1)
        with mmap.mmap(file.fileno(), MIB, flags=mmap.MAP_PRIVATE) as mapping:
            mapping.madvise(mmap.MADV_DONTNEED)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            ring.channel.put(asked.id, COPY_AND_END, address=address_of(memoryview(mapping)))
            ring.channel.enter()
        return {"to": written, "from": submitter.end() == data}
