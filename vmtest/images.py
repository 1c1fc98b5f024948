# SPDX-License-Identifier: MIT
"""Guest images: recipes in ``images/*.toml``, and the cache of what was built from them.

An image is a folder in the cache, named after the recipe and the hash of all that went into it:

- ``rootfs.ext4``: the root disk, read-only in every guest;
- ``root/``: the same tree, in which module and userspace are compiled;
- ``boot/vmlinuz-RELEASE``, ``lib/modules/RELEASE/``: for the loader of virtme-ng;
- ``image.json``: kernel release, package versions.

One whose recipe names no kernel is not booted: tools run in its ``root/``, which is all it has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vmtest.cache import cache_dir, content_key, locked
from vmtest.errors import BuildError, SetupError
from vmtest.mirror import apt_options, mirror_of
from vmtest.privilege import as_root

TOP = Path(__file__).resolve().parent.parent
RECIPES = TOP / "images"

# To be changed when image_builder makes something else of the same recipe.
_FORMAT = "1"

_LISTS = ("packages", "prune_modules", "exclude_paths", "extra_suites", "config", "arguments")

# What a recipe says of its kernel that is not in the image.
_NOT_IN_IMAGE = {"default", "arguments", "slowness", "matrix"}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """One file ``images/NAME.toml``, merged with ``base.toml`` if it is a guest's."""

    name: str
    suite: str
    packages: tuple[str, ...]
    #: The version; without, no guest boots this image.
    kernel: str = ""
    #: Of the root disk.
    size: str = ""
    default: bool = False
    #: Whether `vmtest matrix`, and the workflow, run the scenarios on it.
    matrix: bool = False
    #: What tells it from the plain kernel of this version: ``rt``, ``debug``, ``kcsan``.
    flavour: str = ""
    #: The package whose source is compiled; without, the kernel is in ``packages``.
    source: str = ""
    #: The package whose ``scripts/`` is unpacked to ``/usr/src/linux/scripts``.
    scripts: str = ""
    #: Fragments of the configuration, with ``source``: files beside the recipe.
    config: tuple[str, ...] = ()
    #: Of the kernel's command line.
    arguments: tuple[str, ...] = ()
    #: How much longer than a distribution's kernel it takes for the same.
    slowness: float = 1.0
    extra_suites: tuple[str, ...] = ()
    pin: dict[str, str] = field(default_factory=dict)
    prune_modules: tuple[str, ...] = ()
    exclude_paths: tuple[str, ...] = ()
    key: str = ""

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a recipe; SetupError names the file and the field that is wrong."""
        base_path = path.with_name("base.toml")
        try:
            own: dict[str, Any] = tomllib.loads(path.read_text())
            boots = "kernel" in own
            base: dict[str, Any] = tomllib.loads(base_path.read_text()) if boots else {}
        except tomllib.TOMLDecodeError as error:
            raise SetupError(f"{path}: {error}") from error
        merged = {**base, **own}
        for name in _LISTS:
            merged[name] = (*base.get(name, ()), *own.get(name, ()))
        files = [path.with_name("guest-init")] if boots else []
        files += [path.with_name(name) for name in merged["config"]]
        built_in = {name: value for name, value in merged.items() if name not in _NOT_IN_IMAGE}
        try:
            parts = [
                json.dumps(built_in, sort_keys=True).encode(),
                *(f.read_bytes() for f in files),
            ]
            return cls(name=path.stem, key=content_key([_FORMAT, *parts]), **merged)
        except TypeError as error:
            raise SetupError(f"{path}: {error}", hint="the fields are those of Recipe") from error
        except OSError as error:
            raise SetupError(f"{path}: {error}") from error

    @property
    def boots(self) -> bool:
        """Whether it is a guest's; else tools run in it."""
        return self.kernel != ""

    @property
    def names(self) -> tuple[str, ...]:
        """What ``KERNEL=`` may call it: its own name, its kernel's version with the flavour."""
        if not self.boots:
            return (self.name,)
        return (self.name, f"{self.kernel}-{self.flavour}" if self.flavour else self.kernel)

    @property
    def path(self) -> Path:
        """The folder of the cache that holds, or will hold, the built image."""
        return cache_dir("images") / f"{self.name}-{self.key}"


@dataclass(frozen=True)
class Image:
    """A built image."""

    recipe: Recipe
    path: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        """``image.json``: ``release``, ``packages``."""
        facts: dict[str, Any] = json.loads((self.path / "image.json").read_text())
        return facts

    @property
    def release(self) -> str:
        """The release of the kernel, or of its headers, as ``uname -r`` prints it."""
        return str(self.facts["release"])

    @property
    def root_disk(self) -> Path:
        """The ext4 image of the root file system."""
        return self.path / "rootfs.ext4"

    @property
    def root(self) -> Path:
        """The root file system as a folder."""
        return self.path / "root"

    @property
    def kernel(self) -> Path:
        """The kernel, in the place where virtme-ng finds its modules from."""
        return self.path / "boot" / f"vmlinuz-{self.release}"


def recipes() -> list[Recipe]:
    """All recipes: those without a kernel, then the oldest kernel first."""
    paths = [path for path in RECIPES.glob("*.toml") if path.stem != "base"]
    found = [Recipe.load(path) for path in paths]
    return sorted(found, key=lambda r: ([int(n) for n in r.kernel.split(".") if n], r.flavour))


def recipe_named(name: str | None) -> Recipe:
    """The recipe called ``name``, or whose kernel it is; the default one for None."""
    found = recipes()
    for recipe in found:
        if recipe.default if name is None else name in recipe.names:
            return recipe
    known = ", ".join(f"{r.name} ({r.names[1]})" if r.boots else r.name for r in found)
    raise SetupError(f"no image recipe {name!r}", hint=f"there are: {known}")


def built(recipe: Recipe) -> Image | None:
    """The recipe's image when it is in the cache."""
    return Image(recipe, recipe.path) if (recipe.path / "image.json").exists() else None


def ensure(recipe: Recipe, progress: Progress = lambda _line: None) -> Image:
    """The recipe's image, built when it is not in the cache.

    That takes one to three minutes, and a quarter of an hour where the kernel is compiled.
    """
    if image := built(recipe):
        return image
    lock = cache_dir("images") / f"{recipe.name}.lock"
    with locked(lock, f"building image {recipe.name}", progress):
        if image := built(recipe):
            return image
        _build(recipe, progress)
        clean(keep=[recipe.path], only=recipe.name)
    return Image(recipe, recipe.path)


def clean(keep: Sequence[Path] = (), only: str | None = None) -> list[Path]:
    """Remove cached images but those in ``keep``; ``only`` names one recipe. Returns what went."""
    gone = []
    for path in sorted(cache_dir("images").iterdir()):
        name = path.name.rpartition("-")[0]
        if path.is_dir() and path not in keep and only in (None, name):
            _remove(path)
            gone.append(path)
    return gone


def _remove(path: Path) -> None:
    """Remove a tree whose files may belong to root; never what is mounted in it."""
    if path.exists():
        remove = ["rm", "-rf", "--one-file-system", "--", str(path)]
        subprocess.run(as_root(remove), check=False, stderr=subprocess.DEVNULL)


def _build(recipe: Recipe, progress: Progress) -> None:
    """Build in a folder next to the final one, then rename: a cut build leaves no half image."""
    partial = recipe.path.with_suffix(".partial")
    _remove(partial)
    partial.mkdir(parents=True)
    command = as_root(
        [
            # mmdebstrap mounts /proc, /sys and parts of /dev: in a mount and process namespace of
            # its own, they and it are gone when this process is, however it ends.
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            sys.executable,
            "-m",
            "vmtest.image_builder",
            str(RECIPES / f"{recipe.name}.toml"),
            str(partial),
            f"--mirror={mirror_of(recipe.suite) or ''}",
            f"--owner={os.getuid()}:{os.getgid()}",
            *(f"--aptopt={option}" for option in apt_options()),
        ]
    )
    log = cache_dir("images") / f"{recipe.name}.log"
    try:
        with (
            log.open("w") as sink,
            subprocess.Popen(
                command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process,
        ):
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    sink.write(line)
                    sink.flush()
                    progress(line.rstrip())
            except BaseException:
                process.terminate()  # sudo hands it on; unshare's --kill-child does the rest
                raise
        if process.returncode != 0:
            tail = "\n    ".join(log.read_text().splitlines()[-15:])
            raise BuildError(
                f"image {recipe.name} could not be built (status {process.returncode});"
                f" log: {log}; its last lines:\n    {tail}",
                hint="vmtest doctor checks mmdebstrap, the keyring and the mirror",
            )
        partial.rename(recipe.path)
    finally:
        _remove(partial)
