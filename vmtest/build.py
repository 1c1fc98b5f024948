# SPDX-License-Identifier: MIT
"""Compile a kernel module, or userspace, inside an image: with its compiler, libraries, headers.

The sources are copied into the cache under a key of their content and of what compiles them, so
an unchanged source is never compiled twice. Compiling is native also where guests are emulated:
it runs in the image's tree, in a mount namespace of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmtest.cache import Say, cache_dir, content_key, locked, nobody_listens, tree_key
from vmtest.errors import BuildError
from vmtest.images import TOP, Image
from vmtest.kernels import Kernel
from vmtest.privilege import as_root

_TIMEOUT = 1200.0

#: Run by a shell that owns a fresh mount namespace. $1 is the image's tree, $2 the owner of what is
#: built, $3 the folder that becomes /mnt/build, $4 a kernel tree or nothing, then the command.
ENTER = r"""
set -e
root=$1 owner=$2 work=$3 tree=$4
shift 4
mount --make-rprivate /
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs build "$root/mnt"
mount -t tmpfs tmp "$root/tmp"
mkdir "$root/mnt/build"
mount --bind "$work" "$root/mnt/build"
if [ -n "$tree" ]; then
	mkdir -p "$root$tree"
	mount --bind "$tree" "$root$tree"
fi
status=0
chroot "$root" env -i -C /mnt/build \
	PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C.UTF-8 "$@" || status=$?
chown -R "$owner" "$work"
exit $status
"""

#: Where the build folder is, seen from inside.
INSIDE = Path("/mnt/build")


@dataclass(frozen=True)
class Built:
    """What a build left: its folder in the cache, and all that the compiler said."""

    path: Path
    log: str

    @property
    def warnings(self) -> list[str]:
        """The compiler's and modpost's warnings, one a line."""
        return [line for line in self.log.splitlines() if "warning:" in line or "WARNING:" in line]


def module(kernel: Kernel, source: Path, say: Say = nobody_listens, *variables: str) -> Built:
    """Build the out-of-tree module in ``source`` (a Kbuild file and sources) with ``W=1``.

    The folder holds the .ko with its debug information. make gets the ``variables``. ``say`` is
    told when another process is building it and is waited for. Raises BuildError with the
    compiler's last lines.
    """
    identity = [kernel.image.recipe.key, kernel.release]
    if kernel.tree is not None:
        # One that was built again in the same place is another kernel.
        files = (kernel.tree / "Module.symvers", kernel.tree / ".config", kernel.tree / "vmlinux")
        times = [str(file.stat().st_mtime_ns) for file in files if file.exists()]
        identity += [str(kernel.tree), *times]
    command = [
        "make", "-j", str(os.cpu_count()), "-C", str(kernel.build_dir),
        f"M={INSIDE}", "W=1", "modules", *variables,
    ]  # fmt: skip
    if "CONFIG_DEBUG_INFO" not in kernel.config:
        command.append("KCFLAGS=-g")
    return _build(kernel.image, [source], identity, command, say, tree=kernel.tree)


def userspace(
    image: Image,
    sources: Iterable[Path],
    folder: str,
    prefix: str,
    say: Say = nobody_listens,
    *variables: str,
    top: Path = TOP,
) -> Built:
    """Run ``make install`` in ``folder`` of copies of ``sources``; ``path/root`` is the result.

    The sources keep their places below ``top``, the root of a checkout. make gets the
    ``variables``.
    """
    command = [
        "make", "-j", str(os.cpu_count()), "-C", str(INSIDE / folder),
        f"DESTDIR={INSIDE}/root", f"PREFIX={prefix}", "install", *variables,
    ]  # fmt: skip
    identity = [image.recipe.key, prefix]
    return _build(image, list(sources), identity, command, say, names_below=top)


def zosbd2_module(kernel: Kernel, say: Say = nobody_listens, source: Path = TOP / "kmod") -> Built:
    """The module, of this repository or another, counting what is executed if the kernel can."""
    counters = {"CONFIG_GCOV_KERNEL": "GCOV_PROFILE=y", "CONFIG_KCOV": "KCOV_INSTRUMENT=y"}
    variables = [counters[option] for option in counters if option in kernel.config]
    return module(kernel, source, say, *variables)


def zosbd2_userspace(image: Image, say: Say = nobody_listens) -> Built:
    """The library and programs of this repository, in ``usr`` below the folder ``root``."""
    return userspace(image, [TOP / "userspace", TOP / "kmod/uapi"], "userspace", "/usr", say)


def _build(
    image: Image,
    sources: Sequence[Path],
    identity: Iterable[str],
    command: Sequence[str],
    say: Say,
    *,
    tree: Path | None = None,
    names_below: Path | None = None,
) -> Built:
    key = content_key([*identity, tree_key(sources), *command, ENTER])
    done = cache_dir("build") / key
    log = done / "build.log"
    with locked(cache_dir("build") / f"{key}.lock", f"building {sources[0].name}", say):
        if not log.exists():
            work = cache_dir("build") / f"{key}.partial"
            shutil.rmtree(work, ignore_errors=True)  # nothing is mounted in it, ever
            work.mkdir()
            for source in sources:
                target = work / source.relative_to(names_below) if names_below else work
                shutil.copytree(source, target, dirs_exist_ok=True, ignore=NOT_SOURCES)
            text = run_inside(image, work, command, tree, what=sources[0].name)
            (work / "build.log").write_text(text)
            shutil.rmtree(done, ignore_errors=True)
            work.rename(done)
    return Built(done, log.read_text())


#: What lies among sources and is none, for shutil.copytree().
NOT_SOURCES = shutil.ignore_patterns(
    "*.o", "*.ko", "*.mod", "*.mod.c", "*.cmd", "__pycache__", "build"
)


def run_inside(
    image: Image, work: Path, command: Sequence[str], tree: Path | None, what: str
) -> str:
    """Run a command as enter() does; returns all it printed. BuildError says ``what`` failed."""
    result = enter(image, work, command, tree, what)
    if result.returncode != 0:
        tail = "\n    ".join(result.stdout.splitlines()[-40:])
        where = f"in image {image.recipe.name} (status {result.returncode})"
        raise BuildError(f"{what} does not build {where}:\n    {tail}")
    return result.stdout


def enter(
    image: Image, work: Path, command: Sequence[str], tree: Path | None, what: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in the image's tree and in ``work``, which is /mnt/build there.

    ``tree``, if any, is where it is on the host. What was printed to either stream is in
    ``stdout``. Raises BuildError, which names ``what``, if that took too long.
    """
    entered = as_root(
        [
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--",
            "sh", "-c", ENTER, "enter",
            str(image.root), f"{os.getuid()}:{os.getgid()}", str(work), str(tree or ""), *command,
        ]
    )  # fmt: skip
    try:
        return subprocess.run(
            entered, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as expired:
        raise BuildError(f"{what} took more than {_TIMEOUT:.0f} s") from expired
