# SPDX-License-Identifier: MIT
"""What a VM needs for scenarios: the module loaded, the programs installed, functions to call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vmtest.build import Built
from vmtest.guest import Guest
from vmtest.images import TOP
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython, remote_python
from vmtest.vm import VM


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
