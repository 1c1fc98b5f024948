# SPDX-License-Identifier: MIT
"""The life of a device while each of the kernel's allocations fails once."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import zosbd2
from zosbd2 import Feature, WireProtocol
from zosbd2.abi import NO_FEATURES, Operation

from .allocations import CLEAN, Injector, armed, each
from .disks import (
    BLOCK,
    MIB,
    Submitter,
    discard,
    opened,
    pattern,
    pread,
    pwrite,
    udev_held,
    writer,
)
from .lasting import LastingDisk, carry_out, lasting
from .patience import wait_until

#: How often calls with a failing allocation ended so: "OK", "ENOMEM", …
Ended = dict[str, int]

_NOTHING = zosbd2.Answer(Operation.NO_RESPONSE)
_KINDS = 3

_FINIT_MODULE = 313


def loading(path: str) -> Ended:
    """finit_module of the module, which is not loaded: what its init asks for."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    empty = ctypes.create_string_buffer(b"")

    def load() -> None:
        if libc.syscall(_FINIT_MODULE, fd, empty, 0):
            raise OSError(ctypes.get_errno(), "finit_module")

    def check(error: OSError | None) -> None:
        loaded = Path("/sys/module/zosbd2").exists()
        assert loaded == (error is None), f"{error!r}, and it is {'there' if loaded else 'gone'}"
        if loaded and libc.syscall(176, b"zosbd2", os.O_NONBLOCK):
            raise OSError(ctypes.get_errno(), "delete_module")

    try:
        # The loader's own are many, and some of the kernel's tracing warn when they fail.
        return each(load, check, within="do_one_initcall")
    finally:
        os.close(fd)


def opening() -> Ended:
    """open of the control node."""
    opened_fds: list[int] = []

    def do() -> None:
        opened_fds.append(os.open(zosbd2.abi.CONTROL_NODE, os.O_RDWR | os.O_CLOEXEC))

    def check(_error: OSError | None) -> None:
        while opened_fds:
            os.close(opened_fds.pop())

    return each(do, check)


def creating(features: int) -> Ended:
    """Create, with these features."""
    handles: list[int] = []
    with udev_held(), zosbd2.Control() as control:

        def do() -> None:
            handles.append(control.create("testdisk", 16 * MIB, features=Feature(features)))

        def check(error: OSError | None) -> None:
            there = control.handles()
            handles.clear()
            if error is None or error.errno == errno.EFAULT:
                # A device whose handle could not be told is still a device, or is gone again.
                for handle in there:
                    control.destroy(handle)
            else:
                assert there == [], f"{error!r}, and a device is left"
            assert not Path("/sys/block/testdisk").exists()

        # EINVAL: device_add_disk() does not look whether dev_set_name() got its memory, and
        # device_add() refuses a device without a name.
        return each(do, check, clean=CLEAN | {errno.EINVAL})


def asking() -> dict[str, Ended]:
    """What only looks: info, list, status, description, handle by name."""
    with udev_held(), zosbd2.Control() as control:
        handle = control.create("testdisk", 16 * MIB)
        calls: dict[str, Callable[[], object]] = {
            "info": control.info,
            "handles": control.handles,
            "status": lambda: control.status(handle),
            "describe": lambda: control.describe(handle),
            "find": lambda: control.lookup("testdisk"),
        }
        ended = {name: each(call, lambda _error: None) for name, call in calls.items()}
        assert control.handles() == [handle]
        control.destroy(handle)
    return ended


def attaching(protocol: WireProtocol) -> Ended:
    """A session or a channel of a device that nobody serves."""
    with lasting(protocol) as disk:
        return _sessions(disk, take_over=False)


def taking_over(protocol: WireProtocol) -> Ended:
    """One that takes a device over from a living server; each retires the one before."""
    with lasting(protocol) as disk:
        disk.start()
        return _sessions(disk, take_over=True)


def _sessions(disk: LastingDisk, *, take_over: bool) -> Ended:
    sessions: list[zosbd2.Session | zosbd2.Channel] = []
    control = disk.control
    attach = control.attach_queue if disk.protocol == "ring" else control.attach

    def do() -> None:
        sessions.append(attach(disk.handle, take_over=take_over))

    def check(_error: OSError | None) -> None:
        while sessions:
            sessions.pop().close()
        if take_over:
            disk.servers.pop().kill()
            disk.start()
            with opened("testdisk") as fd:
                pwrite(fd, pattern(0, BLOCK), 0)

    return each(do, check)


def first_calls(through_node: bool) -> Ended:
    """The first call of a server: it and its thread become known. A request waits for it."""
    ended: Ended = {}
    data = pattern(0, 4 * BLOCK)
    zosbd2.install_wake_handler()
    with lasting(features=_features(through_node)) as disk:
        for nth in range(1, 100):
            client = writer("testdisk", data, 0)
            outcome = Submitter(partial(_first_call, disk, through_node, nth)).end(60)
            assert client.end(60) == len(data)
            if not isinstance(outcome, str):
                return ended
            ended[outcome] = ended.get(outcome, 0) + 1
    raise AssertionError(f"there is no end to the allocations: {ended}")


def _first_call(disk: LastingDisk, through_node: bool, nth: int) -> str | None:
    with armed(), Injector() as injector, _endpoint(disk, through_node) as endpoint:
        exchange = zosbd2.Exchange(endpoint, disk.handle)
        exchange.put(_NOTHING)
        failed, error = injector.attempt(nth, exchange.transact)
        message = _taken(exchange) if error is None else _request(exchange.call())
        exchange.hand_in(message.answer(carry_out(disk.memory, message)))
        return _name(error) if failed else None


def later_calls(through_node: bool) -> Ended:
    """Calls that answer a request and fetch another, with reads, writes and discards."""
    ended: Ended = {}
    with (
        lasting(features=_features(through_node)) as disk,
        armed(),
        Injector() as injector,
        _endpoint(disk, through_node) as endpoint,
    ):
        exchange = zosbd2.Exchange(endpoint, disk.handle)
        with _Traffic() as traffic:
            message = exchange.fetch_request()
            # Each number once with each kind of answer and of request: they alternate.
            for nth in (number for number in range(1, 100) for _ in range(_KINDS**2)):
                answer = message.answer(carry_out(disk.memory, message))
                exchange.put(answer)
                failed, error = injector.attempt(nth, exchange.transact)
                message = _taken(exchange) if error is None else _request(exchange.call(answer))
                if not failed:
                    break
                ended[_name(error)] = ended.get(_name(error), 0) + 1
            exchange.hand_in(message.answer(carry_out(disk.memory, message)))
            # An answer whose data could not be read fails its request, and only that.
            successor = disk.start()
            traffic.end(errors=ended.get("EFAULT", 0))
            successor.kill()
    return ended


def _taken(exchange: zosbd2.Exchange) -> zosbd2.Request:
    """What `transact` has fetched, a write's data included."""
    request = _request(exchange.take())
    if request.operation is Operation.WRITE_REQUEST:
        return request._replace(data=bytes(exchange.data[: request.total_length]))
    return request


def _request(message: object) -> zosbd2.Request:
    assert isinstance(message, zosbd2.Request), message
    return message


def dying(seed: int) -> int:
    """Servers are killed with requests, while the kernel's way to their end lacks memory.

    Returns how many died.
    """
    rng = Random(seed)
    with lasting() as disk, armed(), _Traffic() as traffic:
        for nth in range(1, 31):
            server = disk.start()
            moment = disk.counter("requests") + rng.randrange(3)
            wait_until("it serves", partial(_has_read, disk, moment))
            Path(f"/proc/{server.pid}/task/{server.pid}/fail-nth").write_text(str(nth))
            server.kill()
        disk.start()
        traffic.end(errors=0)
    return 30


def _has_read(disk: LastingDisk, moment: int) -> bool:
    return disk.counter("requests") >= moment


def using() -> dict[str, Ended]:
    """The other side: open, read, write and discard of the device by a client."""
    ended: dict[str, Ended] = {}
    # What the file systems and the block layer make of it, before a request comes to the module.
    clean = CLEAN | {errno.EIO, errno.EAGAIN, errno.ENFILE, errno.ENXIO, errno.ENOSPC}
    data = pattern(0, 16 * BLOCK)
    with lasting() as disk:
        disk.start()

        def right(_error: OSError | None) -> None:
            with opened("testdisk") as fd:
                pwrite(fd, data, 0)
                assert pread(fd, len(data), 0) == data

        def open_and_close() -> None:
            os.close(os.open("/dev/testdisk", os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC))

        ended["open"] = each(open_and_close, right, clean=clean)
        with opened("testdisk") as fd:
            ended["read"] = each(lambda: pread(fd, len(data), 0), right, clean=clean)
            ended["write"] = each(lambda: pwrite(fd, data, 0), right, clean=clean)
            ended["discard"] = each(lambda: discard(fd, 0, len(data)), right, clean=clean)
            ended["fsync"] = each(lambda: os.fsync(fd), right, clean=clean)
    return ended


class _Traffic:
    """Reads, writes and discards of /dev/testdisk by turns, each looked at, until the end."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._errors = 0
        self._submitter: Submitter | None = None

    def __enter__(self) -> _Traffic:
        self._submitter = Submitter(self._run)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()

    def end(self, *, errors: int) -> None:
        """Wait for it: at most so many of its calls may have failed, and all data is right."""
        self._over.set()
        assert self._submitter is not None
        self._submitter.end(60)
        assert self._errors <= errors, f"{self._errors} errors, where {errors} answers were lost"

    def _run(self) -> None:
        with opened("testdisk") as fd:
            number = 0
            while not self._over.is_set():
                number += 1
                data, offset = pattern(0, 4 * BLOCK, number), number % 8 * 4 * BLOCK
                try:
                    pwrite(fd, data, offset)
                    assert pread(fd, len(data), offset) == data
                    if number % 2:
                        discard(fd, offset, BLOCK)
                except OSError as error:
                    if error.errno != errno.EIO:
                        raise
                    self._errors += 1


def _features(through_node: bool) -> Feature:
    return NO_FEATURES if through_node else zosbd2.SERVER_FEATURES


def _endpoint(disk: LastingDisk, through_node: bool) -> zosbd2.DeviceNode | zosbd2.Session:
    return zosbd2.DeviceNode("testdisk") if through_node else disk.control.attach(disk.handle)


def _name(error: OSError | None) -> str:
    return "OK" if error is None else errno.errorcode[error.errno or 0]


def destroying(force: bool) -> Ended:
    """Destroy a device that somebody serves and uses."""
    with udev_held(), zosbd2.Control() as control:
        disks: list[LastingDisk] = []

        def prepare() -> None:
            disk = LastingDisk(control, control.create("testdisk", 16 * MIB), 16 * MIB)
            disks.append(disk)
            disk.start()
            with opened("testdisk") as fd:
                pwrite(fd, pattern(0, BLOCK), 0)

        def do() -> None:
            control.destroy(control.handles()[0], force=force)

        def check(error: OSError | None) -> None:
            if error is not None:
                # It must be as it was, or on its way out: a second try works.
                with contextlib.suppress(zosbd2.NoSuchDevice, IndexError):
                    control.destroy(control.handles()[0], force=True)
            wait_until("the device is gone", lambda: not Path("/sys/block/testdisk").exists())
            disk = disks.pop()
            disk.servers[0].wait()
            disk.memory.close()
            prepare()

        prepare()
        try:
            return each(do, check)
        finally:
            for handle in control.handles():
                control.destroy(handle, force=True)
