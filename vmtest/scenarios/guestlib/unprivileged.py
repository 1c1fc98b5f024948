# SPDX-License-Identifier: MIT
"""Processes without CAP_SYS_ADMIN in the initial user namespace, and all that they can reach."""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import socket
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypedDict, TypeVar

import zosbd2
from zosbd2 import abi
from zosbd2.abi import ControlCall, DeviceCall, ExtensionCall, Operation

from .channels import ATTACH_QUEUE, ENTER, Channel, serve_in
from .disks import BLOCK, created, pattern, reader, udev_held
from .outcomes import outcome
from .patience import wait_until

_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWIPC = 0x0800_0000
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWPID = 0x2000_0000
_MS_BIND = 0x1000
_CAP_SYS_ADMIN = 21
_CAPABILITY_VERSION_3 = 0x2008_0522
_NOBODY = 65534
_CONTAINER_ROOT = 100_000
_SYS_PIDFD_GETFD = 438

# Nodes that anybody may open, as some container runtimes make them.
_OPEN_CONTROL = "/dev/zosbd2-for-all"

R = TypeVar("R")

_libc = ctypes.CDLL(None, use_errno=True)


class Tries(TypedDict):
    """How each try ended, and whether memory was written to."""

    opens: dict[str, str]
    calls: dict[str, str]
    files: dict[str, str]
    touched: bool


class Tried(TypedDict):
    """The same; whether the devices and the request under way stayed as they were."""

    tries: Tries
    devices: bool
    intact: bool


def tries_of(who: str) -> Tried:
    """What ``who`` can do about a device that root created, with descriptors of root's.

    ``who`` is a function of `_WHO`.
    """
    with contextlib.ExitStack() as undo:
        undo.enter_context(udev_held())
        control = undo.enter_context(zosbd2.Control())
        handle = undo.enter_context(created(control, "testdisk"))
        node = undo.enter_context(zosbd2.DeviceNode("testdisk"))
        session = undo.enter_context(control.attach(handle))
        channel = undo.enter_context(Channel.attached(control, handle))
        undo.enter_context(_node_for_all())
        before = control.describe(handle)
        one = reader("testdisk", 0)
        wait_until("a read", lambda: _counter("queued") == "1")
        fds = {
            "control": control.fd,
            "device": node.fd,
            "session": session.fd,
            "channel": channel.fd,
        }
        ring = bytes(channel.ring)
        tries = _in_a_child(_WHO[who], partial(_all_tries, fds, handle))
        devices = control.handles() == [handle] and control.describe(handle) == before
        same = bytes(channel.ring) == ring
        server = zosbd2.Exchange(session, handle)
        server.hand_in(server.fetch_request().answer(pattern(0, BLOCK)))
        return {
            "tries": tries,
            "devices": devices and _counter("late_answers") == "0",
            "intact": same and one.end() == pattern(0, BLOCK),
        }


class Stranger(TypedDict):
    """What a process can do with a channel that another one has attached."""

    calls: dict[str, str]
    #: Whether it has the mapping.
    inherited: bool


def strangers_to_a_channel() -> dict[str, Stranger]:
    """Root's processes, with all capabilities, that got a channel of another process."""
    with udev_held(), zosbd2.Control() as control, created(control, "testdisk") as handle:
        child, line = _waiting_child()
        with Channel.attached(control, handle) as channel:
            one = reader("testdisk", 0)
            wait_until("a read", lambda: _counter("queued") == "1")
            ring = bytes(channel.ring)
            found = {
                "a child": _in_a_child(lambda: None, partial(_as_a_stranger, channel.fd)),
                "who was passed it": _passed_to(line, channel.fd),
                "who took it": _in_a_child(lambda: None, partial(_taken_from, channel.fd)),
            }
            os.waitpid(child, 0)
            assert bytes(channel.ring) == ring, "a stranger's call had an effect"
            assert channel.enter(1) == 1
            found["who attached"] = _as_a_stranger(channel.fd)
        # It is handed on.
        with Channel.attached(control, handle) as successor:
            successor.enter(1, wait=True)
            with mmap.mmap(-1, BLOCK) as memory:
                memory[:] = pattern(0, BLOCK)
                serve_in(successor, memory, successor.take())
                successor.enter()
            assert one.end() == pattern(0, BLOCK)
        return found


def who_attached_without_the_capability() -> dict[str, str]:
    """What a process that has attached can do when it is nobody any more."""
    with udev_held(), zosbd2.Control() as control, created(control, "testdisk") as handle:

        def tries() -> dict[str, str]:
            with Channel.attached(control, handle) as channel:
                _become(_NOBODY)
                again = bytearray(abi.BUFFER_SIZE)
                _put_call(again, handle)
                return {
                    **_as_a_stranger(channel.fd)["calls"],
                    "attach another": outcome(partial(control.call, ATTACH_QUEUE, again)),
                }

        return _in_a_child(lambda: None, tries)


def _as_a_stranger(fd: int) -> Stranger:
    return {
        "calls": _channel_tries(fd),
        "inherited": "anon_inode:[zosbd2]" in Path("/proc/self/maps").read_text(),
    }


def _channel_tries(fd: int) -> dict[str, str]:
    tries: dict[str, Callable[[], object]] = {
        "ENTER": partial(zosbd2.ioctl, fd, ENTER, 0),
        "ENTER for a request": partial(zosbd2.ioctl, fd, ENTER, 1),
        "map": lambda: mmap.mmap(fd, mmap.PAGESIZE).close(),
        "map for reading": lambda: mmap.mmap(fd, mmap.PAGESIZE, prot=mmap.PROT_READ).close(),
    }
    return {name: outcome(each) for name, each in tries.items()}


def _waiting_child() -> tuple[int, socket.socket]:
    """A process that has none of our later files: it tries the one that it is sent."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
        theirs.sendall(json.dumps(_as_a_stranger(fds[0])).encode())
        os._exit(0)
    theirs.close()
    return child, ours


def _passed_to(line: socket.socket, fd: int) -> Stranger:
    with line:
        socket.send_fds(line, [b"x"], [fd])
        with line.makefile() as file:
            found: Stranger = json.loads(file.read())
    return found


def _taken_from(number: int) -> Stranger:
    """In a child: the parent's file, as a debugger would get it."""
    pidfd = os.pidfd_open(os.getppid())
    taken = _libc.syscall(_SYS_PIDFD_GETFD, pidfd, number, 0)
    _checked(taken < 0, "pidfd_getfd")
    return _as_a_stranger(taken)


def modes() -> dict[str, str]:
    """The modes of all that the module makes, but for what udev changes."""
    with udev_held(), zosbd2.Control() as control, created(control, "testdisk"):
        paths = ["/dev/zosbd2ctl", "/dev/testdisk", *_our_files()]
        return {path: f"{stat.S_IMODE(Path(path).stat().st_mode):o}" for path in paths}


def with_the_capability_alone() -> str:
    """A process of another user that has CAP_SYS_ADMIN asks through root's descriptor."""
    with zosbd2.Control() as control:
        return _in_a_child(
            partial(_become, _NOBODY, keep=True),
            lambda: outcome(partial(control.call, ControlCall.PING)),
        )


def in_a_device_cgroup() -> str | None:
    """Root opens the control node in a cgroup that may use no device; None without such cgroups."""
    where = Path("/run/devices-cgroup")
    where.mkdir(exist_ok=True)
    if _libc.mount(b"cgroup", str(where).encode(), b"cgroup", 0, b"devices"):
        return None
    try:
        group = where / "denied"
        group.mkdir(exist_ok=True)
        (group / "devices.deny").write_text("a")
        try:
            return _in_a_child(
                lambda: (group / "cgroup.procs").write_text("0"),
                lambda: outcome(lambda: os.open(abi.CONTROL_NODE, os.O_RDWR)),
            )
        finally:
            group.rmdir()
    finally:
        _libc.umount2(str(where).encode(), 0)


def _all_tries(fds: dict[str, int], handle: int) -> Tries:
    memory = bytearray(abi.BUFFER_SIZE)
    _put_call(memory, handle)
    image = bytes(memory)
    calls = {}
    for call in [*ControlCall, *ExtensionCall]:
        calls[f"control {call.name}"] = _try_call(fds["control"], call, memory)
    calls["control ATTACH_QUEUE"] = _try_call(fds["control"], ATTACH_QUEUE, memory)
    calls["control unknown"] = _try_call(fds["control"], 99, memory)
    for where in ("device", "session"):
        for each in DeviceCall:
            calls[f"{where} {each.name}"] = _try_call(fds[where], each, memory)
    calls["session unknown"] = _try_call(fds["session"], 99, memory)
    calls |= {f"channel {name}": how for name, how in _channel_tries(fds["channel"]).items()}
    opens = {
        f"{path} {name}": outcome(partial(os.open, path, flags))
        for path in ("/dev/zosbd2ctl", "/dev/testdisk", _OPEN_CONTROL)
        for name, flags in (("rw", os.O_RDWR), ("r", os.O_RDONLY), ("w", os.O_WRONLY))
        if Path(path).exists()
    }
    files = {path: outcome(partial(_write, path)) for path in _our_files()}
    return {"opens": opens, "calls": calls, "files": files, "touched": bytes(memory) != image}


def _try_call(fd: int, number: int, memory: bytearray) -> str:
    return outcome(partial(zosbd2.ioctl, fd, number, memory))


def _put_call(memory: bytearray, handle: int) -> None:
    """Something that every call would take: the handle first, a force behind it."""
    abi.OPERATION_HEADER.pack_into(memory, 0, handle, Operation.NO_RESPONSE, 1, 0)


def _write(path: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123
        file.write("1")


def _our_files() -> list[str]:
    folders = ("/sys/block/testdisk/zosbd2", "/sys/module/zosbd2/parameters")
    return [str(path) for folder in folders for path in sorted(Path(folder).iterdir())]


def _counter(name: str) -> str:
    return Path(f"/sys/block/testdisk/zosbd2/{name}").read_text().strip()


@contextlib.contextmanager
def _node_for_all() -> Iterator[None]:
    """Another node of the control device, which everybody may open."""
    number = Path(abi.CONTROL_NODE).stat().st_rdev
    os.mknod(_OPEN_CONTROL, stat.S_IFCHR | 0o666, number)
    Path(_OPEN_CONTROL).chmod(0o666)
    try:
        yield
    finally:
        Path(_OPEN_CONTROL).unlink()


def _in_a_child(become: Callable[[], object], work: Callable[[], R]) -> R:
    """What *work* returns in a child that has *become* somebody."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            become()
            told: dict[str, object] = {"answer": work()}
        except BaseException as error:
            told = {"error": repr(error)}
        with os.fdopen(write_end, "w") as pipe:
            json.dump(told, pipe)
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    whole = json.loads(text)
    if "error" in whole:
        raise RuntimeError(whole["error"])
    found: R = whole["answer"]
    return found


def _checked(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _become(user: int, *, keep: bool = False) -> None:
    """Another user; *keep* CAP_SYS_ADMIN."""
    os.setgroups([])
    os.setresgid(user, user, user)
    if keep:
        _checked(_libc.prctl(8, 1, 0, 0, 0), "PR_SET_KEEPCAPS")
    os.setresuid(user, user, user)
    # Else its own files in /proc would be root's.
    _checked(_libc.prctl(4, 1, 0, 0, 0), "PR_SET_DUMPABLE")
    if keep:
        _set_capabilities(1 << _CAP_SYS_ADMIN)


def _set_capabilities(mask: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFF_FFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, low, high, high, high)
    _checked(_libc.capset(header, data), "capset")


def _root_without_the_capability() -> None:
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    _set_capabilities(((1 << last + 1) - 1) & ~(1 << _CAP_SYS_ADMIN))


def _new_user_namespace(flags: int = 0) -> None:
    """Its root, with all capabilities in it, is who called."""
    user, group = os.geteuid(), os.getegid()
    _checked(_libc.unshare(_CLONE_NEWUSER | flags), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _root_of_nobodys_namespace() -> None:
    _become(_NOBODY)
    _new_user_namespace()


def _container() -> None:
    """Users of its own, mounts of its own, and the nodes bind-mounted from the host."""
    ready, mapped = os.pipe(), os.pipe()
    child = os.getpid()
    mapper = os.fork()
    if mapper == 0:
        os.read(ready[0], 1)
        for kind in ("uid", "gid"):
            Path(f"/proc/{child}/{kind}_map").write_text(f"0 {_CONTAINER_ROOT} 65536")
        os.write(mapped[1], b"x")
        os._exit(0)
    flags = _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWIPC
    _checked(_libc.unshare(flags), "unshare")
    os.write(ready[1], b"x")
    os.read(mapped[0], 1)
    os.waitpid(mapper, 0)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    _bind_nodes()
    # Its process 1 goes on.
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        os._exit(0)


def _bind_nodes() -> None:
    """/dev gets to be a tmpfs with nothing but our nodes."""
    nodes = ("/dev/zosbd2ctl", "/dev/testdisk", _OPEN_CONTROL)
    here = "/run"
    _checked(_libc.mount(b"tmpfs", here.encode(), b"tmpfs", 0, b""), "mount a tmpfs")
    for node in nodes:
        target = f"{here}/{Path(node).name}"
        Path(target).touch()
        _checked(_libc.mount(node.encode(), target.encode(), None, _MS_BIND, None), f"bind {node}")
    _checked(_libc.mount(here.encode(), b"/dev", None, _MS_BIND | 0x4000, None), "bind /dev")


_WHO: dict[str, Callable[[], object]] = {
    "nobody": partial(_become, _NOBODY),
    "root without the capability": _root_without_the_capability,
    "root of a user namespace": _new_user_namespace,
    "root of nobody's user namespace": _root_of_nobodys_namespace,
    "root of a container": _container,
}
