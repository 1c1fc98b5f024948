# SPDX-License-Identifier: MIT
"""What a static check is: commands that run in the image ``check``, on copies of sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmtest.images import Image

#: Where the kernel's scripts are, seen from inside.
SCRIPTS = Path("/usr/src/linux/scripts")


@dataclass(frozen=True)
class Step:
    """One command. It runs at the top of a copy of the check's sources, which it may change."""

    what: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Bench:
    """Where a check is done: the image, and the checkout whose sources are copied into it."""

    image: Image
    top: Path

    @property
    def headers(self) -> Path:
        """What ``make -C`` gets when a module is built, seen from inside."""
        return Path("/lib/modules") / self.image.release / "build"

    @property
    def kernel(self) -> Path:
        """The part of a kernel's tree that the headers are, seen from inside."""
        return Path("/lib/modules") / self.image.release / "source"

    def files(self, *patterns: str) -> tuple[str, ...]:
        """The files that match, below the checkout."""
        found = [path for pattern in patterns for path in sorted(self.top.glob(pattern))]
        return tuple(str(path.relative_to(self.top)) for path in found)

    def checkpatch(
        self,
        files: Sequence[str],
        own: Mapping[str, Sequence[str]],
        ignored: Sequence[str] = (),
    ) -> list[Step]:
        """The kernel's judge of style, on all the files, but without the ``ignored`` types.

        ``own`` has further types for some files, where it is wrong about them.
        """
        ordinary = [path for path in files if path not in own]
        lots = [(ordinary, ignored)] + [
            ([path], [*ignored, *own[path]]) for path in own if path in files
        ]
        command = (
            "perl", str(SCRIPTS / "checkpatch.pl"), "--no-tree", f"--root={self.kernel}",
            "--file", "--strict", "--terse", "--showfile", "--show-types", "--no-summary",
        )  # fmt: skip
        steps = []
        for lot, types in lots:
            what = lot[0] if len(lot) == 1 else f"{len(lot)} files"
            ignore = [f"--ignore={','.join(types)}"] if types else []
            steps.append(Step(f"checkpatch --strict, {what}", (*command, *ignore, *lot)))
        return steps

    def semantic_patches(self) -> list[tuple[Path, str]]:
        """coccinelle's scripts of the kernel: where each is inside, and its text."""
        folder = self.image.root / SCRIPTS.relative_to("/") / "coccinelle"
        return [
            (SCRIPTS / "coccinelle" / path.relative_to(folder), path.read_text())
            for path in sorted(folder.rglob("*.cocci"))
        ]


@dataclass(frozen=True)
class Check:
    """A tool, and what it is run on.

    It is clean when each step ends with status 0 and says nothing of a line of the sources.
    """

    name: str
    #: One line for `vmtest check --list`.
    what: str
    #: Files and folders of the checkout that the steps see.
    sources: tuple[str, ...]
    plan: Callable[[Bench], list[Step]]
