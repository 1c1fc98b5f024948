# SPDX-License-Identifier: MIT
"""Names of addresses: functions of the kernel, its modules, and programs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection


@dataclass(frozen=True)
class Function:
    """``where`` is ``kernel``, a module of it, or a process and, after a colon, its library."""

    where: str
    name: str
    #: Its first instruction.
    start: int


class Symbols:
    """Finds the function that an address is in."""

    def __init__(self, kernel: str, programs: list[Program]) -> None:
        self._programs = programs
        self._names: list[tuple[str, str]] = []
        self._starts: list[int] = []
        for line in sorted(kernel.splitlines(), key=lambda line: line.partition(" ")[0]):
            address, name, *module = line.split()
            start = int(address, 16)
            if self._starts and self._starts[-1] == start:
                continue  # another name of the same function
            self._starts.append(start)
            self._names.append((module[0].strip("[]") if module else "kernel", name))

    def function(self, address: int) -> Function:
        """The function at ``address``; what has no name is called ``?``."""
        if address >> 63:
            index = bisect_right(self._starts, address) - 1
            if index < 0:
                return Function("kernel", "?", 0)
            return Function(*self._names[index], self._starts[index])
        for program in self._programs:
            if function := program.function(address):
                return function
        return Function("?", "?", 0)


class Program:
    """A process, by its memory map.

    ``source`` finds the host's copy of a file by its path in the guest.
    """

    def __init__(self, name: str, maps: str, source: Callable[[str], Path | None]) -> None:
        self.name = name
        self._mapped = list(_executable(maps, source))

    def function(self, address: int) -> Function | None:
        """The function at ``address``; None if it is nowhere in this process."""
        for mapped in self._mapped:
            if mapped.start <= address < mapped.end:
                library = PurePosixPath(mapped.path).name
                where = self.name if mapped is self._mapped[0] else f"{self.name}:{library}"
                base = mapped.start - mapped.offset
                name, start = mapped.symbols.name(address - base) if mapped.symbols else ("?", None)
                return Function(where, name, 0 if start is None else base + start)
        return None


@dataclass(frozen=True)
class _Mapped:
    """A part of a file in memory, with code."""

    start: int
    end: int
    offset: int
    path: str
    symbols: _FileSymbols | None


def _executable(maps: str, source: Callable[[str], Path | None]) -> Iterator[_Mapped]:
    for line in maps.splitlines():
        span, mode, offset, _, _, *path = line.split(maxsplit=5)
        if "x" not in mode:
            continue
        start, end = (int(bound, 16) for bound in span.split("-"))
        name = path[0].strip("[]") if path else "?"
        file = source(name) if name.startswith("/") else None
        yield _Mapped(start, end, int(offset, 16), name, _FileSymbols(file) if file else None)


class _FileSymbols:
    """The functions of an ELF file, by their offset in it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def name(self, offset: int) -> tuple[str, int | None]:
        """The function at ``offset`` and its start; ``?`` where the file names none."""
        functions = self._functions
        index = bisect_right(functions, (offset, 1 << 63, "")) - 1
        if index >= 0:
            start, size, name = functions[index]
            if offset < start + max(size, 1):
                return name, start
        return "?", None

    @cached_property
    def _functions(self) -> list[tuple[int, int, str]]:
        with self._path.open("rb") as file:
            elf = ELFFile(file)
            loaded = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
            found = set()
            for section in elf.iter_sections():
                if not isinstance(section, SymbolTableSection):
                    continue
                for symbol in section.iter_symbols():
                    if symbol["st_info"]["type"] not in ("STT_FUNC", "STT_GNU_IFUNC"):
                        continue
                    for segment in loaded:
                        inside = symbol["st_value"] - segment["p_vaddr"]
                        if symbol["st_shndx"] != "SHN_UNDEF" and 0 <= inside < segment["p_filesz"]:
                            start = segment["p_offset"] + inside
                            found.add((start, symbol["st_size"], symbol.name))
        return sorted(found)
