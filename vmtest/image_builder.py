# SPDX-License-Identifier: MIT
"""Builds one image; run as root: ``python -m vmtest.image_builder RECIPE OUT --mirror=URI``.

Everything happens in ``OUT``. mmdebstrap makes the tree, then the modules that no guest needs go
and the others are unpacked (the kernel would spend seconds on xz under emulation), and mke2fs
turns the tree into a disk without mounting anything. An image that no guest boots is done when its
tree is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vmtest.images import RECIPES, Recipe
from vmtest.kernel_builder import KernelBuild

# What virtme-ng loads before the root disk is there, see MODALIASES in virtme/virtmods.py.
_BOOT_MODULES = ("virtio_blk", "ext4", "overlay", "9p", "9pnet_virtio", "virtio_mmio", "virtio_pci",
                 "virtio_console", "crc32c", "crc32c-intel", "crc32c_generic")  # fmt: skip

_NO_INITRAMFS = (
    'mkdir -p "$1/etc/kernel/postinst.d"; cd "$1/etc/kernel/postinst.d";'
    " for name in dracut initramfs-tools; do"
    " echo '#!/bin/sh' >$name; chmod 755 $name; done"
)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mirror", default="", help="default: mmdebstrap's own")
    parser.add_argument("--owner", default="0:0", help="UID:GID of what is not the root tree")
    parser.add_argument("--aptopt", action="append", default=[])
    args = parser.parse_args()
    build(Recipe.load(args.recipe), args.out, args.mirror, args.aptopt)
    uid, gid = (int(number) for number in args.owner.split(":"))
    for path in args.out.rglob("*"):
        if not path.is_relative_to(args.out / "root"):
            os.chown(path, uid, gid, follow_symlinks=False)


def build(recipe: Recipe, out: Path, mirror: str, apt_options: Sequence[str]) -> None:
    """Fill ``out`` with the recipe's image."""
    root = out / "root"
    _bootstrap(recipe, root, mirror, apt_options)
    if recipe.scripts:
        _unpack_scripts(root, recipe.scripts)
    if not recipe.boots:
        _write_facts(recipe, root, out)
        return
    _install_init(recipe, root)
    compiled = None
    if recipe.source:
        compiled = KernelBuild(root, out / "linux", recipe.source, recipe.flavour)
        compiled.run([RECIPES / name for name in recipe.config])
    release = _release(recipe, root)
    _slim_modules(recipe, root, release)
    _export_boot_files(root, release, out)
    print("I: making the root disk", flush=True)
    disk = out / "rootfs.ext4"
    _run(["mke2fs", "-q", "-t", "ext4", "-d", str(root), "-O", "^has_journal",
          "-E", "lazy_itable_init=0", "-m", "0", str(disk), recipe.size])  # fmt: skip
    if compiled is not None:
        compiled.keep_tree()  # not before the disk is made: guests have no use for it
    _write_facts(recipe, root, out)


def _release(recipe: Recipe, root: Path) -> str:
    releases = sorted(path.name for path in (root / "lib/modules").iterdir())
    if len(releases) != 1:
        raise SystemExit(f"{recipe.name}: one kernel was wanted, the packages brought {releases}")
    return releases[0]


def _write_facts(recipe: Recipe, root: Path, out: Path) -> None:
    """Write image.json, which says that the image is complete."""
    listed = _run(["chroot", str(root), "dpkg-query", "-W", "-f", "${Package} ${Version}\n"])
    packages = dict(line.split(" ", 1) for line in listed.splitlines())
    facts = {"release": _release(recipe, root), "packages": packages}
    (out / "image.json").write_text(json.dumps(facts, indent=1) + "\n")


def _unpack_scripts(root: Path, package: str) -> None:
    """Unpack ``scripts/`` of the kernel's source; the rest of the archive goes."""
    archive = root / f"usr/src/{package}.tar.xz"
    print(f"I: unpacking the scripts of {archive.name}", flush=True)
    target = root / "usr/src/linux"
    target.mkdir()
    member = f"{package}/scripts"
    _run(["tar", "-xf", str(archive), "--strip-components=1", "-C", str(target), member])
    archive.unlink()


def _bootstrap(recipe: Recipe, root: Path, mirror: str, apt_options: Sequence[str]) -> None:
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        f"--include={','.join(recipe.packages)}",
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=APT::Install-Recommends "false"',
        "--dpkgopt=force-unsafe-io",
        # No initramfs: virtme-ng makes its own. The generators' hooks are there before their
        # packages come, so dpkg takes them for the administrator's and keeps them.
        "--dpkgopt=force-confold",
        f"--essential-hook={_NO_INITRAMFS}",
        *(f"--aptopt={option}" for option in apt_options),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.exclude_paths),
    ]
    # The extra suites come from where the first one does, also when mmdebstrap chose the mirror.
    for suite in recipe.extra_suites:
        edit = f"s|^deb \\(.*\\) {recipe.suite} |deb \\1 {suite} |p"
        sources = '"$1/etc/apt/sources.list"'
        line = f"sed -n '{edit}' {sources} | head -n 1"
        command.append(f'--setup-hook=extra=$({line}); echo "$extra" >>{sources}')
    if recipe.pin:
        who, suite = recipe.pin["packages"], recipe.pin["suite"]
        text = f"Package: {who}\\nPin: release n={suite}\\nPin-Priority: 900\\n"
        command.append(
            f"--setup-hook=mkdir -p \"$1/etc/apt/preferences.d\"; printf '{text}'"
            ' >"$1/etc/apt/preferences.d/vmtest"'
        )
    command += [recipe.suite, str(root)]
    if mirror:
        command.append(mirror)
    subprocess.run(command, check=True)


def _install_init(recipe: Recipe, root: Path) -> None:
    init = root / "usr/sbin/init"
    init.unlink(missing_ok=True)
    shutil.copyfile(Path(__file__).parent.parent / "images" / "guest-init", init)
    init.chmod(0o755)
    (root / "etc/hostname").write_text(f"{recipe.name}\n")
    # An empty password lets a developer in on the serial console, and nowhere else.
    _run(["chroot", str(root), "passwd", "--quiet", "--delete", "root"])


def _slim_modules(recipe: Recipe, root: Path, release: str) -> None:
    """Remove the modules that the recipe prunes and unpack the others."""
    kernel = root / "lib/modules" / release / "kernel"
    for folder in recipe.prune_modules:
        shutil.rmtree(kernel / folder, ignore_errors=True)
    packed = [str(path) for path in kernel.rglob("*.ko.xz")]
    print(f"I: unpacking {len(packed)} modules", flush=True)
    lots = [packed[start : start + 50] for start in range(0, len(packed), 50)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda lot: _run(["xz", "-d", *lot]), lots))
    _run(["depmod", "-b", str(root), release])


def _export_boot_files(root: Path, release: str, out: Path) -> None:
    """Copy the kernel and its boot modules to where virtme-ng looks for them: out/boot, out/lib."""
    (out / "boot").mkdir()
    for name in ("vmlinuz", "config"):
        shutil.copyfile(root / "boot" / f"{name}-{release}", out / "boot" / f"{name}-{release}")
    source, target = root / "lib/modules" / release, out / "lib/modules" / release
    target.mkdir(parents=True)
    for path in source.glob("modules.*"):
        shutil.copyfile(path, target / path.name)
    for module in _BOOT_MODULES:
        listed = subprocess.run(
            ["modprobe", "-d", str(root), "-S", release, "--show-depends", module],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        for line in listed.stdout.splitlines():
            kind, _, name = line.partition(" ")
            if kind == "insmod":
                path = Path(name.split()[0]).relative_to(root)
                relative = Path(*path.parts[path.parts.index(release) + 1 :])
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / relative, target / relative)
    _run(["depmod", "-b", str(out), release])


def _run(argv: Sequence[str]) -> str:
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(argv[:4])} … failed ({result.returncode}): {result.stderr}")
    return result.stdout


if __name__ == "__main__":
    main()
