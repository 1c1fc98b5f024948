# SPDX-License-Identifier: MIT
"""The initramfs of a measured guest: what is in it, and that it depends on nothing else."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from vmtest.bench.initramfs import Initramfs
from vmtest.errors import SetupError

_RELEASE = "6.12-test"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An image's tree: merged folders, a command behind two links, modules."""
    modules = tmp_path / "usr/lib/modules" / _RELEASE
    modules.mkdir(parents=True)
    (modules / "modules.dep").write_text(
        "kernel/fs/ext4.ko: kernel/fs/jbd2.ko kernel/lib/crc16.ko\n"
        "kernel/lib/crc16.ko:\nkernel/fs/jbd2.ko: kernel/lib/crc16.ko\n"
    )
    (modules / "modules.builtin").write_text("kernel/drivers/block/loop.ko\n")
    for name in ("fs/ext4", "fs/jbd2", "lib/crc16"):
        path = modules / f"kernel/{name}.ko"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/dash").write_text("#!program")
    (tmp_path / "usr/bin/dash").chmod(0o755)
    (tmp_path / "usr/bin/sh").symlink_to("dash")
    for name in ("bin", "lib"):
        (tmp_path / name).symlink_to(f"usr/{name}")
    return tmp_path


def _members(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Name to mode and content, of an archive in newc format."""
    found: dict[str, tuple[int, bytes]] = {}
    position = 0
    while True:
        assert archive[position : position + 6] == b"070701"
        numbers = archive[position + 6 : position + 110]
        fields = [int(numbers[at : at + 8], 16) for at in range(0, 104, 8)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[position + 110 : position + 110 + name_size - 1].decode()
        start = (position + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, archive[start : start + size])
        position = (start + size + 3) & ~3


def test_a_program_is_found_through_links_and_brings_their_targets(root: Path) -> None:
    made = Initramfs(root, _RELEASE)
    made.add("/bin/sh")
    members = _members(made.archive())
    assert members["bin"] == (stat.S_IFLNK | 0o777, b"usr/bin")
    assert members["usr/bin/sh"] == (stat.S_IFLNK | 0o777, b"dash")
    assert members["usr/bin/dash"] == (stat.S_IFREG | 0o755, b"#!program")
    assert members["usr"][0] == stat.S_IFDIR | 0o755


def test_folders_come_before_what_is_in_them(root: Path) -> None:
    made = Initramfs(root, _RELEASE)
    made.add("/bin/sh")
    names = list(_members(made.archive()))
    for name in names:
        parent = str(Path(name).parent)
        assert parent == "." or names.index(parent) < names.index(name)


def test_files_of_the_host_go_where_links_of_the_image_lead(root: Path) -> None:
    made = Initramfs(root, _RELEASE)
    made.add_bytes("lib/modules/own.ko", b"own")
    assert _members(made.archive())["usr/lib/modules/own.ko"][1] == b"own"


def test_a_module_comes_after_those_that_it_needs(root: Path) -> None:
    made = Initramfs(root, _RELEASE)
    names = [Path(path).stem for path in made.add_module("ext4")]
    assert names == ["crc16", "jbd2", "ext4"]
    assert f"usr/lib/modules/{_RELEASE}/kernel/fs/jbd2.ko" in _members(made.archive())


def test_a_module_that_is_built_in_needs_no_file(root: Path) -> None:
    assert Initramfs(root, _RELEASE).add_module("loop") == []


def test_a_module_that_the_kernel_lacks_is_named(root: Path) -> None:
    with pytest.raises(SetupError, match="no module nbd"):
        Initramfs(root, _RELEASE).add_module("nbd")


def test_the_archive_depends_on_neither_order_nor_ownership_nor_time(root: Path) -> None:
    def archive(names: list[str]) -> bytes:
        made = Initramfs(root, _RELEASE)
        for name in names:
            made.add_bytes(name, name.encode())
        made.add_file("usr/bin/own", root / "own")
        return made.archive()

    (root / "own").write_text("own")
    first = archive(["a", "b/c", "d"])
    os.utime(root / "own", (1, 1))
    assert archive(["d", "b/c", "a"]) == first


def test_a_program_brings_its_libraries_and_their_loader(root: Path) -> None:
    libraries = root / "usr/lib/x86_64-linux-gnu"
    libraries.mkdir()
    (root / "usr/lib64").mkdir()
    (root / "lib64").symlink_to("usr/lib64")
    shutil.copy("/lib/x86_64-linux-gnu/libc.so.6", libraries)
    shutil.copy("/lib64/ld-linux-x86-64.so.2", libraries)
    (root / "usr/lib64/ld-linux-x86-64.so.2").symlink_to(
        "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    )
    made = Initramfs(root, _RELEASE)
    made.add_file("usr/bin/true", Path("/bin/true"))
    members = _members(made.archive())
    assert members["usr/lib/x86_64-linux-gnu/libc.so.6"][1].startswith(b"\x7fELF")
    assert "usr/lib64/ld-linux-x86-64.so.2" in members
    assert members["lib64"] == (stat.S_IFLNK | 0o777, b"usr/lib64")


def test_a_library_that_the_image_lacks_is_named(root: Path) -> None:
    (root / "usr/lib64").mkdir()
    shutil.copy("/lib64/ld-linux-x86-64.so.2", root / "usr/lib64")
    made = Initramfs(root, _RELEASE)
    (root / "lib64").symlink_to("usr/lib64")
    with pytest.raises(SetupError, match=r"needs libc\.so\.6"):
        made.add_file("usr/bin/true", Path("/bin/true"))


def test_where_a_file_came_from_is_known(root: Path) -> None:
    made = Initramfs(root, _RELEASE)
    made.add("/bin/sh")
    made.add_bytes("text", b"")
    assert made.source("/usr/bin/dash") == root / "usr/bin/dash"
    assert made.source("/text") is None
    assert made.source("/nothing") is None
