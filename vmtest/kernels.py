# SPDX-License-Identifier: MIT
"""What ``KERNEL=`` and ``--kernel`` may name, and the kernel that comes of it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vmtest import images
from vmtest.errors import SetupError

# Each makes a kernel several times slower.
_SLOW = {"CONFIG_KASAN_GENERIC", "CONFIG_KCSAN", "CONFIG_KMSAN", "CONFIG_PROVE_LOCKING"}


@dataclass(frozen=True)
class Kernel:
    """A kernel to boot, and the image whose userland and compiler go with it."""

    name: str
    image: images.Image
    tree: Path | None = None

    @property
    def boot_path(self) -> Path:
        """What ``vng --run`` gets: a built tree, or a kernel with its modules beside it."""
        return self.tree or self.image.kernel

    @property
    def build_dir(self) -> Path:
        """What ``make -C`` gets when a module is built, as seen inside the image."""
        return self.tree or Path("/lib/modules") / self.release / "build"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What its command line always has."""
        return () if self.tree else self.image.recipe.arguments

    @property
    def slowness(self) -> float:
        """What deadlines are multiplied with, as they are written for a distribution's kernel."""
        if self.tree is None:
            return self.image.recipe.slowness
        return 4.0 if self.config.keys() & _SLOW else 1.0

    @cached_property
    def release(self) -> str:
        """``uname -r`` of the kernel."""
        if self.tree is None:
            return self.image.release
        return (self.tree / "include/config/kernel.release").read_text().strip()

    @cached_property
    def config(self) -> dict[str, str]:
        """The kernel's configuration: ``{"CONFIG_KASAN": "y", …}``; what is not set is absent."""
        path = (
            self.tree / ".config" if self.tree else self.image.path / f"boot/config-{self.release}"
        )
        pairs = (line.partition("=") for line in path.read_text().splitlines())
        return {name: value for name, _, value in pairs if name.startswith("CONFIG_")}

    def why_not(self, *options: str) -> str | None:
        """Why a test that needs these options of the configuration cannot run; None if it can."""
        missing = [option for option in options if option not in self.config]
        if not missing:
            return None
        return (
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set in this kernel"
        )


def resolve(spec: str | None, progress: images.Progress = lambda _line: None) -> Kernel:
    """The kernel that ``spec`` names: an image, a version such as ``6.1``, or a built tree.

    None, and the empty string of ``KERNEL=``, are the default image. The image is built when the
    cache does not hold it. Raises SetupError for an unknown name and for a tree that is not built.
    """
    tree = _tree(spec)
    recipe = recipe_of(None if tree else spec)
    image = images.ensure(recipe, progress)
    return Kernel(_describe(tree), image, tree) if tree else Kernel(recipe.name, image)


def check(spec: str | None) -> None:
    """Raise SetupError where ``resolve`` would for ``spec``; builds nothing."""
    if _tree(spec) is None:
        recipe_of(spec)


def recipe_of(name: str | None) -> images.Recipe:
    """The recipe of the kernel called ``name``; the default one for None and the empty string."""
    found = [recipe for recipe in images.recipes() if recipe.boots]
    for recipe in found:
        if name in recipe.names if name else recipe.default:
            return recipe
    known = ", ".join(f"{r.name} ({r.names[1]})" for r in found)
    raise SetupError(
        f"no kernel is called {name!r}",
        hint=f"there are: {known}; or the path of a built tree, with a slash in it",
    )


def _tree(spec: str | None) -> Path | None:
    """The built tree that ``spec`` names; None if it is a name."""
    if not spec or "/" not in spec:
        return None
    tree = Path(spec).expanduser().resolve()
    if tree.is_file() and tree.name in ("bzImage", "vmlinux", "Image"):
        raise SetupError(f"{tree} is a kernel file", hint="name the built tree, modules need it")
    for needed in (".config", "include/config/kernel.release", "Module.symvers"):
        if not (tree / needed).exists():
            raise SetupError(
                f"{tree} is not a built kernel tree: {needed} is missing",
                hint=f"make -C {tree} -j$(nproc) all; needed are virtio-blk, virtio-net, ext4, "
                "overlayfs and 9p (as modules or built in): see `vng --kconfig`",
            )
    return tree


def _describe(tree: Path) -> str:
    result = subprocess.run(
        ["git", "-C", str(tree), "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return result.stdout.strip() or tree.name
