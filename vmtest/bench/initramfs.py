# SPDX-License-Identifier: MIT
"""An initramfs made of files of an image: programs with their libraries, modules, Python.

The archive depends on the contents alone: files are sorted, numbered from 1, belong to root, and
have the time that their package gave them, or none.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from vmtest.errors import SetupError

# Where the dynamic loader looks; /lib and /lib64 are links to these.
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib")

# What is always there: mount points, and where Debian's folders have moved from.
_FOLDERS = ("dev", "etc", "mnt", "proc", "root", "run", "sys", "tmp")
_LINKS = ("bin", "lib", "lib64", "sbin")

# Of Python's standard library: large, and of no use to what runs in the guest.
_NOT_NEEDED = {"test", "idlelib", "pydoc_data", "ensurepip", "unittest", "lib-dynload"}
# Of those in lib-dynload; the others need more libraries.
_EXTENSIONS = ("_ctypes", "_queue", "mmap", "termios")


@dataclass(frozen=True)
class _Entry:
    """One member of the archive. Links hold their target in ``data``."""

    mode: int
    data: bytes | Path = b""
    mtime: int = 0

    def read(self) -> bytes:
        return self.data.read_bytes() if isinstance(self.data, Path) else self.data


class Initramfs:
    """Collects files of ``root``, the tree of an image, and others."""

    def __init__(self, root: Path, release: str) -> None:
        self._root = root
        self._release = release
        self._entries: dict[str, _Entry] = {}
        self._dependencies = _read_dependencies(root / "usr/lib/modules" / release)
        for folder in (*_FOLDERS, *_LINKS):
            self._folders(PurePosixPath(folder) / "x")

    def add_bytes(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """A file with this content."""
        self._put(self._real_folder(path), _Entry(stat.S_IFREG | mode, data))

    def add_file(self, path: str, source: Path) -> None:
        """A file of the host, with its mode; if it is a program, its libraries come along."""
        mode = stat.S_IFREG | (source.stat().st_mode & 0o777)
        self._put(self._real_folder(path), _Entry(mode, source))
        self._add_libraries(source)

    def add_folder(self, path: str, source: Path, *suffixes: str) -> None:
        """A folder of the host, without its folders; ``suffixes`` say which files are wanted."""
        for file in sorted(source.iterdir()):
            if file.is_file() and file.suffix in suffixes:
                self.add_file(f"{path}/{file.name}", file)

    def add(self, *paths: str) -> None:
        """Files of the image, with what they are links to and the libraries they need."""
        for path in paths:
            self._add_own(path)

    def add_python(self) -> None:
        """The interpreter as ``/usr/bin/python3``, and what its library has of use."""
        self.add("usr/bin/python3")
        library = max(self._root.glob("usr/lib/python3.*"))
        for folder, folders, files in os.walk(library):
            folders[:] = sorted(set(folders) - _NOT_NEEDED)
            for name in sorted(files):
                self._add_own(Path(folder, name).relative_to(self._root).as_posix())
        for name in _EXTENSIONS:
            for extension in (library / "lib-dynload").glob(f"{name}.*.so"):
                self._add_own(extension.relative_to(self._root).as_posix())

    def add_module(self, name: str) -> list[str]:
        """A module of the kernel with those it needs; returns their paths in order of loading.

        One that is built in needs none, and is loaded by nobody.
        """
        base = f"usr/lib/modules/{self._release}"
        if name not in self._dependencies:
            built_in = (self._root / base / "modules.builtin").read_text()
            if f"/{name}.ko\n" in built_in:
                return []
            raise SetupError(f"the kernel {self._release} has no module {name}")
        paths = [f"{base}/{path}" for path in self._dependencies[name]]
        self.add(*paths)
        return [f"/{path}" for path in paths]

    def source(self, path: str) -> Path | None:
        """The file that ``path`` is a copy of, if it is one."""
        entry = self._entries.get(str(self._real_folder(path)))
        return entry.data if entry is not None and isinstance(entry.data, Path) else None

    def archive(self) -> bytes:
        """The archive, in cpio's newc format."""
        members = [*sorted(self._entries.items()), ("TRAILER!!!", _Entry(0))]
        return b"".join(
            part for number, member in enumerate(members, 1) for part in _newc(number, *member)
        )

    def _put(self, path: PurePosixPath, entry: _Entry) -> None:
        self._folders(path)
        self._entries[str(path)] = entry

    def _folders(self, path: PurePosixPath) -> None:
        """Add the folders above ``path``, as links where the image has links."""
        for folder in reversed(path.parents):
            name = str(folder)
            if name == "." or name in self._entries:
                continue
            link = self._root / name
            if link.is_symlink():
                target = str(link.readlink())
                self._entries[name] = _Entry(stat.S_IFLNK | 0o777, target.encode())
            else:
                self._entries[name] = _Entry(stat.S_IFDIR | 0o755)

    def _add_own(self, name: str | PurePosixPath) -> None:
        """Add a file of the image; through links, also of folders, as far as they go."""
        path = self._real_folder(name)
        if str(path) in self._entries:
            return
        source = self._root / path
        if source.is_symlink():
            target = str(source.readlink())
            self._put(path, _Entry(stat.S_IFLNK | 0o777, target.encode()))
            self._add_own(os.path.normpath(path.parent / target))
            return
        if not source.is_file():
            raise SetupError(f"the image has no file /{path}")
        status = source.stat()
        mode = stat.S_IFREG | (status.st_mode & 0o777)
        self._put(path, _Entry(mode, source, int(status.st_mtime)))
        self._add_libraries(source)

    def _real_folder(self, name: str | PurePosixPath) -> PurePosixPath:
        """The path without links among its folders, from the root: of ``/lib/x``, ``usr/lib/x``."""
        path = PurePosixPath(str(name).lstrip("/"))
        folder = (self._root / path.parent).resolve()
        return PurePosixPath(folder.relative_to(self._root.resolve())) / path.name

    def _add_libraries(self, source: Path) -> None:
        with source.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                return
            elf = ELFFile(file)
            for segment in elf.iter_segments():
                if isinstance(segment, InterpSegment):
                    self._add_own(segment.get_interp_name())
            dynamic = elf.get_section_by_name(".dynamic")
            if not isinstance(dynamic, DynamicSection):
                return
            folders = [*_LIBRARIES]
            needed = []
            for tag in dynamic.iter_tags():
                # The strings are attributes that pyelftools adds to each tag of such a kind.
                strings = vars(tag)
                if path := strings.get("runpath") or strings.get("rpath"):
                    folders[:0] = [folder.lstrip("/") for folder in path.split(":")]
                elif name := strings.get("needed"):
                    needed.append(name)
        for name in needed:
            for folder in folders:
                if (self._root / folder / name).exists():
                    self._add_own(PurePosixPath(folder) / name)
                    break
            else:
                raise SetupError(f"{source} needs {name}, and the image does not have it")


def _read_dependencies(folder: Path) -> dict[str, list[str]]:
    """For each module, its file and those it needs, in the order of loading."""
    found = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, needed = line.partition(":")
        name = PurePosixPath(path).name.partition(".")[0]
        found[name] = [*reversed(needed.split()), path]
    return found


def _newc(number: int, name: str, entry: _Entry) -> Iterator[bytes]:
    """One member of a cpio archive: header, name, content, each filled up to a multiple of 4."""
    data = entry.read()
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    encoded = name.encode() + b"\0"
    fields: Iterable[int] = (
        number, entry.mode, 0, 0, links, entry.mtime, len(data), 0, 0, 0, 0, len(encoded), 0,
    )  # fmt: skip
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    yield header + encoded
    yield bytes(-(len(header) + len(encoded)) % 4)
    yield data
    yield bytes(-len(data) % 4)
