# SPDX-License-Identifier: MIT
"""The VMs of a test run: one is reused while clean, a spare boots while one is being killed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vmtest.cleanliness import State
from vmtest.errors import GuestError
from vmtest.vm import VM, VmConfig

Say = Callable[[str], None]


@dataclass
class PooledVm:
    """A VM that runs, and how it looked when it was fresh."""

    vm: VM
    config: VmConfig
    baseline: State
    #: Set to the reason when the VM must not be used again.
    spoiled: str | None = None


@dataclass
class VmPool:
    """Hands out VMs, one at a time.

    ``log_dir`` gets the console logs. ``say`` is told what the user waits for. The names of the VMs
    begin with ``prefix``. VMs in ``kept`` are left running until ``close``.
    """

    log_dir: Path
    say: Say = lambda _text: None
    prefix: str = ""
    #: Called with each VM that still lives when it is to be stopped.
    before_stop: Callable[[VM], None] = lambda _vm: None
    boots: int = 0
    kept: list[VM] = field(default_factory=list)
    _current: PooledVm | None = None
    _spare: _Spare | None = None

    def get(self, config: VmConfig) -> PooledVm:
        """A clean VM of this configuration: the last one, the spare, or a new one."""
        current = self._current
        if current is not None:
            if not current.vm.alive and current.spoiled is None:
                current.spoiled = "it died"
            if current.spoiled is None and current.config == config:
                return current
            self.retire()
        if self._spare is not None:
            spare, self._spare = self._spare, None
            if spare.config == config:
                self.say(f"waiting for {spare.vm.name}, the spare")
                self._current = spare.take()
                return self._current
            spare.discard()
        vm = VM(config, self.log_dir, self.prefix)
        self.say(f"booting {vm.name}: {config.kernel.name} under {config.accelerator.name}")
        self.boots += 1
        vm.start()
        self._current = _pooled(vm, config)
        return self._current

    def prepare_spare(self, config: VmConfig) -> None:
        """Boot a VM in the background, for when the current one is dead."""
        if self._spare is None:
            self.boots += 1
            self._spare = _Spare(config, VM(config, self.log_dir, self.prefix))

    def retire(self, keep: bool = False) -> None:
        """End the current VM; ``keep`` leaves it running for somebody to look at."""
        current, self._current = self._current, None
        if current is None:
            return
        if keep and current.vm.alive:
            self.kept.append(current.vm)
            return
        try:
            if current.vm.alive:
                self.before_stop(current.vm)
        except GuestError as error:
            self.say(f"{current.vm.name} was stopped all the same: {error}")
        finally:
            current.vm.stop()

    def close(self) -> None:
        """End all VMs."""
        self.retire()
        if self._spare is not None:
            self._spare.discard()
            self._spare = None
        for vm in self.kept:
            vm.stop()
        self.kept.clear()


class _Spare:
    """A VM that boots in a thread of its own."""

    def __init__(self, config: VmConfig, vm: VM) -> None:
        self.config = config
        self.vm = vm
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._boot, name=f"spare {vm.name}", daemon=True)
        self._thread.start()

    def take(self) -> PooledVm:
        """Wait for the boot; raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return _pooled(self.vm, self.config)

    def discard(self) -> None:
        """End it, also in the middle of the boot."""
        self.vm.stop()
        self._thread.join(30)
        self.vm.stop()

    def _boot(self) -> None:
        try:
            self.vm.start()
        except BaseException as error:  # for the one who takes it
            self._error = error


def _pooled(vm: VM, config: VmConfig) -> PooledVm:
    try:
        return PooledVm(vm, config, State.of(vm.guest))
    except BaseException:
        vm.stop()
        raise
