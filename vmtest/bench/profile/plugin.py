# SPDX-License-Identifier: MIT
"""The plugin of QEMU's that counts, and the program in the guest that tells it when."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vmtest import build
from vmtest.cache import Say, nobody_listens
from vmtest.errors import SetupError
from vmtest.images import TOP, Image

_SOURCE = TOP / "vmtest/bench/profile/plugin"

# What QEMU says to a plugin for another version of its interface than it has.
_WRONG_VERSION = re.compile(r"requires API version \d+.*?version (?:of )?(\d+)", re.DOTALL)


@dataclass(frozen=True)
class Plugin:
    """``library`` is loaded by QEMU, ``mark`` runs in the guest."""

    library: Path
    mark: Path

    def qemu_arguments(self, out: str) -> list[str]:
        """Arguments with which QEMU writes the counts to the file ``out`` when it ends."""
        return ["-plugin", f"{self.library},out={out}"]


def prepare(image: Image, say: Say = nobody_listens) -> Plugin:
    """Compile it in ``image``, for the version of the interface that this machine's QEMU has."""
    version = "1"
    while True:
        plugin = _compiled(image, version, say)
        refused = _refusal(plugin)
        if not refused:
            return plugin
        wanted = wanted_version(refused)
        if wanted is None or wanted == version:
            raise SetupError(
                f"QEMU does not load a plugin: {refused}",
                hint="profiles need a QEMU that was built with plugins, as Debian's is",
            )
        version = wanted


def wanted_version(refusal: str) -> str | None:
    """The version of the interface that QEMU asks for in a refusal."""
    found = _WRONG_VERSION.search(refusal)
    return found[1] if found else None


def _compiled(image: Image, version: str, say: Say) -> Plugin:
    folder = str(_SOURCE.relative_to(TOP))
    built = build.userspace(image, [_SOURCE], folder, "/usr", say, f"API={version}")
    return Plugin(built.path / "root/profile.so", built.path / "root/mark")


def _refusal(plugin: Plugin) -> str:
    """What QEMU has against the plugin; nothing if it loads it."""
    # With no machine there is nothing to do but to read the monitor, which ends at once.
    command = ["qemu-system-x86_64", "-machine", "none", "-display", "none", "-monitor", "stdio",
               "-S", *plugin.qemu_arguments("/dev/null")]  # fmt: skip
    result = subprocess.run(command, input="quit\n", capture_output=True, text=True, check=False)
    return result.stderr.strip() if result.returncode else ""
