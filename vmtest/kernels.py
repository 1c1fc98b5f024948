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


def resolve(spec: str | None, progress: images.Progress = lambda _line: None) -> Kernel:
    """The kernel that ``spec`` names: an image, a version such as ``6.1``, or a built tree.

    None is the default image. The image is built when the cache does not hold it. Raises
    SetupError for an unknown name and for a tree that is not built.
    """
    if spec is None or "/" not in spec:
        recipe = images.recipe_named(spec)
        if not recipe.boots:
            raise SetupError(f"no guest boots image {spec}", hint="vmtest kernels lists those")
        return Kernel(recipe.name, images.ensure(recipe, progress))
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
    image = images.ensure(images.recipe_named(None), progress)
    return Kernel(_describe(tree), image, tree)


def _describe(tree: Path) -> str:
    result = subprocess.run(
        ["git", "-C", str(tree), "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return result.stdout.strip() or tree.name
