# SPDX-License-Identifier: MIT
"""Fixtures of zosbd2's own scenarios: the module loaded, a device served, a file system mounted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import get_args

import pytest
from zosbd2 import WireProtocol

from vmtest import build
from vmtest.guest import Guest, Process, mounted
from vmtest.kmodule import KernelModule
from vmtest.pytest_plugin import Session
from vmtest.remote_python import RemotePython
from vmtest.scenarios.equipment import Equipment, ServerPython, guest_python, install
from vmtest.vm import VM

RAMDISK = "/dev/zosbd2ramdisk"


@pytest.fixture(scope="session")
def built_module(vmtest_session: Session) -> build.Built:
    """The module, built against the kernel of this run."""
    vmtest_session.say("building the module")
    session = vmtest_session
    return build.zosbd2_module(session.default.kernel, session.say, session.module_source)


@pytest.fixture(scope="session")
def built_userspace(vmtest_session: Session) -> build.Built:
    """Library and programs, built in the image of this run."""
    vmtest_session.say("building the userspace")
    return build.zosbd2_userspace(vmtest_session.default.kernel.image, vmtest_session.say)


@pytest.fixture(scope="session")
def repeated(vmtest_session: Session) -> Callable[[int], int]:
    """How often to do what is worth doing so many times: fewer on a slow kernel, 3 at least."""
    slowness = vmtest_session.default.kernel.slowness
    return lambda times: max(min(times, 3), round(times / slowness))


@pytest.fixture
def module(vm: VM, built_module: build.Built) -> Iterator[KernelModule]:
    """zosbd2.ko, loaded; at the end it must go without complaint."""
    loaded = KernelModule(vm.guest, built_module.path, "zosbd2")
    loaded.load()
    yield loaded
    if vm.alive:
        loaded.unload_if_loaded()


@pytest.fixture
def programs(vm: VM, built_userspace: build.Built) -> str:
    """The commands zosbd2_sample_ramdisk and zosbd2ctl, installed in the guest's PATH."""
    install(vm.guest, built_userspace)
    return "/usr/bin"


@pytest.fixture
def python(vm: VM) -> RemotePython:
    """Functions of ``guestlib``, run in the guest; they may import zosbd2."""
    return guest_python(vm.guest)


@pytest.fixture(scope="session")
def equipment(built_module: build.Built, built_userspace: build.Built) -> Equipment:
    """Module and userspace, for VMs that come and go within a test."""
    return Equipment(built_module, built_userspace)


@pytest.fixture(params=get_args(WireProtocol))
def protocol(request: pytest.FixtureRequest) -> WireProtocol:
    """How servers and the module talk. Tests that use it run once for each way.

    A file whose tests have nothing to do with that overrides it.
    """
    chosen: WireProtocol = request.param
    return chosen


@pytest.fixture
def servers(python: RemotePython, protocol: WireProtocol) -> ServerPython:
    """Functions of ``guestlib`` that serve, in each protocol."""
    return ServerPython(python, protocol)


@pytest.fixture
def start_ramdisk(
    vm: VM,
    module: KernelModule,  # noqa: ARG001 - it is to be loaded, no more
    programs: str,
    protocol: WireProtocol,
) -> Iterator[Callable[..., Process]]:
    """Starts zosbd2_sample_ramdisk with options and waits until it serves; ends all of them."""
    started: list[Process] = []

    def start(*options: str) -> Process:
        command = [f"{programs}/zosbd2_sample_ramdisk", f"--protocol={protocol}", *options]
        process = vm.guest.start(*command)
        started.append(process)
        process.wait_for("ready:")
        return process

    yield start
    if vm.alive:
        for process in started:
            if not process.ended:
                vm.guest.run(f"{programs}/zosbd2ctl", "destroy", "--all", "--force", check=False)
                process.wait(30)


@pytest.fixture
def ramdisk(start_ramdisk: Callable[..., Process]) -> str:
    """A RAM disk of 4 GiB, served: its node."""
    start_ramdisk()
    return RAMDISK


@pytest.fixture
def filesystem(guest: Guest, ramdisk: str) -> Iterator[str]:
    """ext4 on the RAM disk, mounted: the mount point."""
    guest.run("mkfs.ext4", "-q", ramdisk, timeout=120)
    with mounted(guest, ramdisk, "/mnt/disk") as where:
        yield where
