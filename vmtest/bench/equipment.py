# SPDX-License-Identifier: MIT
"""What a target's guest is made of: kernel, modules, programs, and the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmtest import build, images
from vmtest.bench.guest import init
from vmtest.bench.guest.places import MARK
from vmtest.bench.initramfs import Initramfs
from vmtest.bench.plan import Amount, Contest, Disk, Plan, Row
from vmtest.bench.targets import PYTHON_RAMDISK, Target
from vmtest.cache import Say, nobody_listens
from vmtest.images import TOP, Image
from vmtest.kernels import Kernel

#: The recipe of the image.
IMAGE = "bench"

_UBLK = TOP / "vmtest/bench/ublk"

# What runs in the guest is a part of this package, and lies where its imports look for it.
_LIBRARY = "usr/lib/bench"
_IN_GUEST = ("vmtest/__init__.py", "vmtest/bench/__init__.py", "vmtest/bench/plan.py")
_INIT = f"""#!/usr/bin/python3
import sys
sys.path.insert(0, "/{_LIBRARY}")
from {init.__name__} import main
main()
"""

# Every target has these, also one that does not need them all.
_PROGRAMS = ("usr/bin/busybox", "usr/bin/sh", "usr/bin/fio", "usr/sbin/mke2fs", "etc/mke2fs.conf")
_MODULES = ("crc32c-intel", "ext4")

_OURS = "zosbd2"


@dataclass(frozen=True)
class Equipment:
    """The image, and what was built in it of one revision of this repository."""

    image: Image
    #: Of that revision.
    top: Path
    module: Path
    userspace: Path
    ublk: Path

    @property
    def kernel(self) -> Path:
        """What is booted."""
        return self.image.root / "boot" / f"vmlinuz-{self.image.release}"

    def initramfs(
        self,
        target: Target,
        rows: Sequence[Row],
        workloads: Sequence[str] = (),
        effort: int = 1,
        mark: Path | None = None,
    ) -> Initramfs:
        """All that a guest gets that counts, and the plan in it.

        ``effort`` times as many I/Os are done as usual. With ``mark``, a program that marks what is
        counted, the one row is profiled: in one pair of jobs.
        """
        amount = (
            Amount(target.slowness, effort, pairs=1) if mark else Amount(target.slowness, effort)
        )
        made = self._base()
        plan = Plan(
            disk=self._add_disk(made, target),
            rows=list(rows),
            workloads=list(workloads) if target.keeps_data else [],
            amount=amount,
            profiled=mark is not None,
        )
        made.add_bytes(init.PLAN, plan.to_json().encode())
        if mark is not None:
            made.add_file(MARK, mark)
        return made

    def contest(
        self, targets: Sequence[Target], rows: Sequence[Row], rounds: int, jobs: int, seconds: int
    ) -> Initramfs:
        """All that a guest gets in which targets take turns, see Contest."""
        made = self._base()
        disks = {target.name: self._add_disk(made, target) for target in targets}
        todo = Contest(disks, list(rows), rounds, jobs, seconds)
        made.add_bytes(init.CONTEST, todo.to_json().encode())
        return made

    def _base(self) -> Initramfs:
        made = Initramfs(self.image.root, self.image.release)
        made.add_python()
        made.add(*_PROGRAMS)
        for name in _IN_GUEST:
            made.add_bytes(f"{_LIBRARY}/{name}", (TOP / name).read_bytes())
        made.add_folder(f"{_LIBRARY}/vmtest/bench/guest", Path(init.__file__).parent, ".py")
        made.add_bytes("init", _INIT.encode(), 0o755)
        return made

    def _add_disk(self, made: Initramfs, target: Target) -> Disk:
        made.add(*target.needs)
        modules = [[path] for name in _MODULES for path in made.add_module(name)]
        if target.ours:
            made.add_file(f"lib/modules/{_OURS}.ko", self.module / f"{_OURS}.ko")
            modules.append([f"/lib/modules/{_OURS}.ko"])
            for program in sorted((self.userspace / "root/usr/bin").iterdir()):
                made.add_file(f"usr/bin/{program.name}", program)
            examples = self.userspace / "root/usr/share/zosbd2/examples"
            if examples.exists():  # older revisions have none
                made.add_folder("usr/share/zosbd2/examples", examples, "")
            python = self.top / "userspace/python"
            made.add_folder(f"usr/lib/python3/dist-packages/{_OURS}", python / _OURS, ".py")
            made.add_bytes(PYTHON_RAMDISK, (python / "examples/ramdisk.py").read_bytes(), 0o755)
        else:
            modules += [[path] for path in made.add_module(target.module)]
            made.add_file("usr/bin/ublk_server", self.ublk / "root/usr/bin/ublk_server")
        modules[-1] += target.parameters
        return Disk(
            modules=modules,
            preparations=[list(command) for command in target.preparations],
            server=list(target.server) or None,
            ready=target.ready,
            node=target.node,
        )


def prepare(say: Say = nobody_listens, top: Path = TOP) -> Equipment:
    """Build what is not in the cache: the image, and the revision whose checkout is ``top``."""
    image = images.ensure(images.recipe_named(IMAGE), say)
    say("building module and userspace")
    module = build.zosbd2_module(Kernel(IMAGE, image), say, top / "kmod")
    sources = [top / "userspace", top / "kmod/uapi"]
    userspace = build.userspace(image, sources, "userspace", "/usr", say, top=top)
    folder = str(_UBLK.relative_to(TOP))
    ublk = build.userspace(image, [_UBLK], folder, "/usr", say)
    return Equipment(image, top, module.path, userspace.path, ublk.path)
