# SPDX-License-Identifier: MIT
"""What a VM needs for scenarios: the module loaded, the programs installed, functions to call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from zosbd2 import WireProtocol

from vmtest.build import Built
from vmtest.guest import Guest
from vmtest.images import TOP
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython, remote_python
from vmtest.vm import VM

R = TypeVar("R")


@dataclass(frozen=True)
class ServerPython:
    """Functions of ``guestlib`` that serve, and take as their first argument how."""

    python: RemotePython
    protocol: WireProtocol

    def call(self, function: Callable[..., R], *args: object, timeout: float = 60.0) -> R:
        """As RemotePython.call(), with the protocol before ``args``."""
        return self.python.call(function, self.protocol, *args, timeout=timeout)


@dataclass(frozen=True)
class Equipment:
    """Module and userspace, built for the kernel of this run; for any number of VMs."""

    module: Built
    userspace: Built

    @contextmanager
    def on(self, vm: VM) -> Iterator[RemotePython]:
        """The module is loaded in the context, and must go at its end if the VM still runs."""
        install(vm.guest, self.userspace)
        module = KernelModule(vm.guest, self.module.path, "zosbd2")
        module.load()
        yield guest_python(vm.guest)
        if vm.alive:
            module.unload_if_loaded()


def install(guest: Guest, userspace: Built) -> None:
    """The programs, in the guest's PATH."""
    if not guest.exists("/usr/bin/zosbd2ctl"):
        guest.put({"usr": userspace.path / "root/usr"}, "/")


def guest_python(guest: Guest) -> RemotePython:
    """Functions of ``guestlib``; they may import zosbd2."""
    packages = [TOP / "userspace/python/zosbd2", Path(__file__).parent / "guestlib"]
    return remote_python(guest, packages)
