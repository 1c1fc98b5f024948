# SPDX-License-Identifier: MIT
"""Random calls from several threads, beside I/O on another device that must stay right."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections import Counter
from typing import TypedDict

import zosbd2
from zosbd2 import WireProtocol, abi
from zosbd2.abi import ControlCall, DeviceCall, Operation
from zosbd2.wake import WAKE_SIGNAL, install_wake_handler

from .disks import (
    BLOCK,
    MIB,
    Store,
    Submitter,
    counter,
    opened,
    pattern,
    pread,
    pwrite,
)
from .outcomes import outcome
from .patience import wait_until

_VICTIM = "victim"
_BYSTANDER = "bystander"
_SLOW = (
    ControlCall.CREATE_DEVICE,
    ControlCall.DESTROY_DEVICE_BY_ID,
    ControlCall.DESTROY_DEVICE_BY_NAME,
    ControlCall.DESTROY_ALL_DEVICES,
)
_QUICK = tuple(call for call in ControlCall if call not in _SLOW)
_EDGES = (0, 1, 2, 255, 256, 4095, 4096, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


class Fuzzed(TypedDict):
    """How many random calls were made, how they ended, and what the I/O beside them saw."""

    calls: int
    outcomes: dict[str, int]
    rounds: int
    mismatches: int


def fuzz(protocol: WireProtocol, seed: int, threads: int, calls: int) -> Fuzzed:
    """*calls* random calls of each of *threads* threads."""
    install_wake_handler()
    outcomes: list[Counter[str]] = [Counter() for _ in range(threads)]
    seen: Counter[str] = Counter()
    over = threading.Event()
    # In a process of its own: what a server's process has open does not count as in use.
    server = _serve_bystander(protocol)
    with zosbd2.Control() as control:
        verifier = Submitter(lambda: _verify(over, seen))
        idents: set[int] = set()
        fuzzers = [
            Submitter(
                _Fuzzer(random.Random(f"{seed}/{n}"), control, calls, outcomes[n], idents).run
            )
            for n in range(threads)
        ]
        waker = Submitter(lambda: _wake(idents, over))
        for each in fuzzers:
            each.end(400)
        over.set()
        waker.end()
        verifier.end()
        with contextlib.suppress(zosbd2.NoSuchDevice):
            control.destroy(_VICTIM, force=True)
        control.destroy(_BYSTANDER)
    assert os.waitpid(server, 0)[1] == 0, "the bystander's server failed"
    total = sum(outcomes, Counter())
    return {
        "calls": total.total(),
        "outcomes": dict(total),
        "rounds": seen["rounds"],
        "mismatches": seen["mismatches"],
    }


def _serve_bystander(protocol: WireProtocol) -> int:
    """Fork a server; its process number, once it serves."""
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(Exception):
            with zosbd2.served(
                _BYSTANDER, 4 * MIB, Store(4 * MIB), threads=2, protocol=protocol
            ) as server:
                server.wait()
            status = 0
        os._exit(status)
    with zosbd2.DeviceNode(_BYSTANDER):
        wait_until("the bystander's server", lambda: counter(_BYSTANDER, "servers") > 0)
    return child


def _verify(over: threading.Event, seen: Counter[str]) -> None:
    """Write and read back until it is over."""
    with opened(_BYSTANDER) as fd:
        while not over.is_set():
            seen["rounds"] += 1
            data = pattern(0, 64 * BLOCK, seed=seen["rounds"])
            offset = seen["rounds"] % 16 * len(data)
            pwrite(fd, data, offset)
            seen["mismatches"] += pread(fd, len(data), offset) != data


def _wake(idents: set[int], over: threading.Event) -> None:
    """A fuzzer that happens to make a right call would wait for ever."""
    while not over.wait(0.002):
        for ident in list(idents):
            with contextlib.suppress(ProcessLookupError):
                signal.pthread_kill(ident, WAKE_SIGNAL)


class _Fuzzer:
    """One thread's random calls."""

    def __init__(
        self,
        chance: random.Random,
        control: zosbd2.Control,
        calls: int,
        outcomes: Counter[str],
        idents: set[int],
    ) -> None:
        self._chance = chance
        self._control = control
        self._calls = calls
        self._outcomes = outcomes
        self._idents = idents
        self._memory = bytearray(abi.BUFFER_SIZE)
        self._handle = 0
        self._bystander = control.lookup(_BYSTANDER)

    def run(self) -> None:
        """Make them, in turn with reads that give the server something to be wrong about."""
        self._idents.add(threading.get_ident())
        fd = -1
        for number in range(self._calls):
            if number % 50 == 0:
                fd = self._reopen(fd)
            on_device = fd >= 0 and self._chance.random() < 0.6
            self._outcomes[outcome(lambda: self._call(fd if on_device else -1))] += 1  # noqa: B023
        self._idents.discard(threading.get_ident())
        if fd >= 0:
            os.close(fd)

    def _reopen(self, fd: int) -> int:
        """The victim's node, which comes and goes."""
        if fd >= 0:
            os.close(fd)
        with contextlib.suppress(OSError):
            self._handle = self._control.create(_VICTIM, 4 * MIB, timeout_seconds=1)
        with contextlib.suppress(OSError):
            self._handle = self._control.lookup(_VICTIM)
            return os.open(f"/dev/{_VICTIM}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        return -1

    def _call(self, fd: int) -> None:
        if fd >= 0:
            self._fill_operation()
            numbers: list[int] = [*DeviceCall, DeviceCall.OPERATION, self._chance.randrange(64)]
            zosbd2.ioctl(fd, self._chance.choice(numbers), self._argument())
            return
        # What makes or removes a disk takes a thousand times as long as the rest.
        some = _SLOW if self._chance.random() < 0.05 else _QUICK
        number = self._chance.choice([*some, self._chance.getrandbits(32)])
        self._fill_control(number)
        self._control.call(number, self._argument())

    def _argument(self) -> bytearray | memoryview | int:
        """The memory, memory at an odd place, or no memory at all."""
        dice = self._chance.random()
        if dice < 0.8:
            return self._memory
        if dice < 0.9:
            # Far from the end: all that a call may write fits.
            return memoryview(bytearray(abi.BUFFER_SIZE + 64))[self._chance.randrange(64) :]
        return self._chance.choice([0, 1, 0xFFFF_8880_0000_0000, 2**64 - 4096])

    def _number(self, bits: int) -> int:
        wide = self._chance.choice([self._chance.choice(_EDGES), self._chance.getrandbits(bits)])
        return wide & (1 << bits) - 1

    def _fill_operation(self) -> None:
        """Mostly right, so that it gets past the first check."""
        chance = self._chance
        handle = self._handle if chance.random() < 0.9 else self._number(32)
        operation = chance.choice([*Operation, self._number(32)])
        abi.OPERATION_HEADER.pack_into(
            self._memory, 0, handle & 0xFFFF_FFFF, operation, self._number(64), self._number(32)
        )
        length = chance.choice([BLOCK, 2 * BLOCK, self._number(64)])
        abi.OPERATION_RESPONSE.pack_into(self._memory, abi.PACKET_OFFSET, length)
        identity = chance.choice([128 + chance.randrange(512), self._number(32)])
        error = chance.choice([0, 0, -5, chance.randrange(-(2**31), 2**31)])
        abi.OPERATION_TAIL.pack_into(self._memory, abi.TAIL_OFFSET, error, identity)

    def _fill_control(self, number: int) -> None:
        """Anything but the bystander's destruction."""
        chance = self._chance
        self._memory[:208] = chance.randbytes(208)
        handle = self._handle if chance.random() < 0.5 else self._number(32)
        if handle == self._bystander:
            handle = 0
        force = self._number(32)
        match number:
            case ControlCall.CREATE_DEVICE:
                abi.CREATE.pack_into(
                    self._memory, 0, abi.name_field(_VICTIM),
                    chance.choice([4096, self._number(32)]),
                    chance.choice([1024, self._number(64)]),
                    chance.choice([1, self._number(32)]),
                    self._number(32), chance.choice([0, self._number(32)]), 0, 0,
                )  # fmt: skip
            case ControlCall.DESTROY_DEVICE_BY_ID:
                abi.DESTROY_BY_ID.pack_into(self._memory, 0, handle, 0, force)
            case ControlCall.DESTROY_DEVICE_BY_NAME if chance.random() < 0.5:
                field = abi.name_field(_VICTIM)
                abi.DESTROY_BY_NAME.pack_into(self._memory, 0, field, 0, force)
            case ControlCall.DESTROY_ALL_DEVICES:
                # Unforced it spares what is open, and the verifier has the bystander open.
                abi.DESTROY_ALL.pack_into(self._memory, 0, 0)
            case ControlCall.STATUS_DEVICE_STATUS:
                abi.OPERATION_SIGNAL.pack_into(self._memory, 0, handle)
