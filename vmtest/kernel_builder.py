# SPDX-License-Identifier: MIT
"""Builds the kernel of an image whose recipe says so, from the distribution's source package.

It is compiled in the image's tree, with the image's compiler, so modules can be built against it
there. The configuration is x86_64_defconfig, kvm_guest.config and the recipe's fragments; each
option of a fragment is looked up in the result, since Kconfig drops what it cannot have in silence.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Where the kernel's tree is, seen from inside the image.
_TREE = Path("/usr/src/linux")

# Of a tree that was built, what no build of a module reads.
_BULKY = (
    "Documentation", "drivers", "fs", "mm", "net", "samples", "sound", "block", "crypto", "ipc",
    "init", "security", "virt", "io_uring", "vmlinux", "vmlinux.o", "vmlinux.a", "usr", "LICENSES",
)  # fmt: skip


class KernelBuild:
    """A kernel's tree in ``work``, seen as /usr/src/linux in the image's tree ``root``."""

    def __init__(self, root: Path, work: Path, package: str, flavour: str) -> None:
        self._root = root
        self._work = work
        self._archive = root / f"usr/src/{package}.tar.xz"
        self._make = (
            "make", "-C", str(_TREE), f"-j{os.cpu_count()}",
            # In the release too: what was built for one kernel must not load in another.
            f"LOCALVERSION=-{flavour}",
            # As kernel/locking/Makefile has it since Linux 6.15: lockdep is a third of what such a
            # kernel does, and KASAN's checks of lockdep's own tables a good part of that.
            "KASAN_SANITIZE_lockdep.o=n",
        )  # fmt: skip

    def run(self, fragments: Sequence[Path]) -> None:
        """Unpack, configure, compile and install: /boot, /lib/modules as a package would do."""
        print(f"I: unpacking {self._archive.name}", flush=True)
        self._work.mkdir()
        subprocess.run(
            ["tar", "-xf", self._archive, "--strip-components=1", "-C", self._work], check=True
        )
        self._archive.unlink()
        with _mounted_in(self._root, self._work):
            self._configure(fragments)
            self._enter(*self._make, "bzImage", "modules")
            self._enter(*self._make, "INSTALL_MOD_STRIP=1", "modules_install")
        release = (self._work / "include/config/kernel.release").read_text().strip()
        boot = self._root / "boot"
        shutil.copyfile(self._work / "arch/x86/boot/bzImage", boot / f"vmlinuz-{release}")
        shutil.copyfile(self._work / ".config", boot / f"config-{release}")

    def keep_tree(self) -> None:
        """Put into the image's tree what modules are built against."""
        for name in _BULKY:
            path = self._work / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for path in self._work.rglob("*.o"):
            if not path.is_relative_to(self._work / "scripts"):
                path.unlink()
        shutil.rmtree(self._root / _TREE.relative_to("/"))  # where it was mounted
        self._work.rename(self._root / _TREE.relative_to("/"))

    def _configure(self, fragments: Sequence[Path]) -> None:
        self._enter(*self._make, "x86_64_defconfig", "kvm_guest.config")
        with (self._work / ".config").open("a") as config:
            for fragment in fragments:
                config.write(fragment.read_text())
        self._enter(*self._make, "olddefconfig")
        missed = unmet(
            "\n".join(fragment.read_text() for fragment in fragments),
            (self._work / ".config").read_text(),
        )
        if missed:
            raise SystemExit(f"Kconfig did not take these options: {', '.join(missed)}")

    def _enter(self, *argv: str) -> None:
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LC_ALL": "C.UTF-8"}
        command = ["chroot", str(self._root), *argv]
        subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL)


def unmet(fragment: str, config: str) -> list[str]:
    """The options of ``fragment`` that the configuration ``config`` does not have as they stand."""
    have = dict(_options(config))
    return [f"{name}={value}" for name, value in _options(fragment) if have.get(name, "n") != value]


def _options(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"^(?:(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set)$", text, re.M):
        yield (match[1], match[2]) if match[1] else (match[3], "n")


@contextmanager
def _mounted_in(root: Path, work: Path) -> Iterator[None]:
    """The tree and what a compiler needs, mounted in ``root``."""
    target = root / _TREE.relative_to("/")
    target.mkdir(exist_ok=True)
    mounts = [
        (["mount", "--bind", str(work), str(target)], target),
        (["mount", "--bind", "/dev", str(root / "dev")], root / "dev"),
        (["mount", "-t", "proc", "proc", str(root / "proc")], root / "proc"),
    ]
    done: list[Path] = []
    try:
        for command, where in mounts:
            subprocess.run(command, check=True)
            done.append(where)
        yield
    finally:
        for where in reversed(done):
            subprocess.run(["umount", "--lazy", str(where)], check=True)
