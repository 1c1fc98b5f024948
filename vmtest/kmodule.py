# SPDX-License-Identifier: MIT
"""A kernel module under test, in a guest: copied, loaded, removed."""

from __future__ import annotations

from pathlib import Path

from vmtest.guest import Guest

_FOLDER = "/opt/vmtest/modules"


class KernelModule:
    """The module that ``built`` (a folder with one ``NAME.ko``) holds, in ``guest``."""

    def __init__(self, guest: Guest, built: Path, name: str) -> None:
        self.name = name
        self.path = f"{_FOLDER}/{name}/{name}.ko"
        self._guest = guest
        guest.put({f"{name}.ko": built / f"{name}.ko"}, f"{_FOLDER}/{name}", once=True)
        guest.symbol_files[name] = built / f"{name}.ko"

    @property
    def loaded(self) -> bool:
        """Whether the kernel has it."""
        return self._guest.exists(f"/sys/module/{self.name}")

    def load(self, **parameters: object) -> None:
        """insmod, with module parameters."""
        words = [f"{name}={value}" for name, value in parameters.items()]
        self._guest.shell.run("insmod", self.path, *words)

    def unload(self) -> None:
        """rmmod."""
        self._guest.shell.run("rmmod", self.name)

    def unload_if_loaded(self) -> None:
        """rmmod, unless the test has done so."""
        self._guest.shell.script(f"[ ! -e /sys/module/{self.name} ] || rmmod {self.name}")
