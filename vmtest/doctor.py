# SPDX-License-Identifier: MIT
"""What this machine has and lacks for running the harness."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from vmtest import accel, images
from vmtest.cache import cache_dir
from vmtest.mirror import mirror_of

# What is run, and the Debian package that brings it; vmtest/bootstrap.sh installs the same.
_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "busybox": "busybox-static",
    "depmod": "kmod",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
}
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_DISK_NEEDED_GIB = 8


@dataclass(frozen=True)
class Finding:
    """One row: ``needed`` is false for what only makes things faster or clearer."""

    what: str
    good: bool
    found: str
    remedy: str = ""
    needed: bool = True


def examine() -> list[Finding]:
    """Look at everything; takes seconds, more when KVM has to be probed."""
    return [_python(), *_programs(), _keyring(), _root(), _mirror(), _disk(), _accelerator()]


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding("Python", sys.version_info >= (3, 11), version, "Python 3.11 or newer")


def _programs() -> list[Finding]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    rows = []
    for program, package in _PROGRAMS.items():
        place = shutil.which(program, path=path)
        rows.append(
            Finding(
                program,
                place is not None,
                place or "-",
                f"make setup, or apt-get install {package}",
            )
        )
    return rows


def _keyring() -> Finding:
    remedy = "apt-get install debian-archive-keyring"
    return Finding("Debian keyring", _KEYRING.exists(), str(_KEYRING), remedy)


def _root() -> Finding:
    if os.geteuid() == 0:
        return Finding("root", True, "this is root")
    if shutil.which("sudo") is None:
        return Finding("root", False, "no sudo", "run as root, or install sudo")
    quiet = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    found = "sudo" if quiet else "sudo, which will ask for a password"
    return Finding("root", True, found)


def _mirror() -> Finding:
    suite = images.recipe_named(None).suite
    mirror = mirror_of(suite)
    return Finding(
        "Debian mirror", True, mirror or "mmdebstrap's default ($VMTEST_MIRROR sets another)"
    )


def _disk() -> Finding:
    free = shutil.disk_usage(cache_dir()).free / 2**30
    found = f"{free:.0f} GiB free in {cache_dir()}"
    remedy = f"{_DISK_NEEDED_GIB} GiB are needed; $VMTEST_CACHE names another folder"
    return Finding("disk", free > _DISK_NEEDED_GIB, found, remedy)


def _accelerator() -> Finding:
    image = images.built(images.recipe_named(None))
    if image is None:
        return Finding(
            "KVM", False, "not probed: no image is built", "vmtest images build", needed=False
        )
    found = accel.probe(image.kernel)
    remedy = "guests run under TCG, about ten times slower"
    return Finding("KVM", found.name == "kvm", found.reason, remedy, needed=False)
