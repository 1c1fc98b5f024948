# SPDX-License-Identifier: MIT
"""A symbolizer for modules and kernels whose ELF files with DWARF are on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationHandler, RelocationSection
from elftools.elf.sections import SymbolTableSection

from vmtest.klog.symbolize import Query

_DW_LNE_SET_ADDRESS = 2
# Relocation types of an 8-byte address: R_X86_64_64, R_AARCH64_ABS64.
_ADDRESS_RELOCATIONS = frozenset({1, 257})


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a line table. In a module, addresses count from the start of a section."""

    section: int
    address: int
    file: str
    line: int
    #: The row ends a sequence and belongs to nothing.
    end: bool


class ElfSymbolizer:
    """Source lines from symbol tables and DWARF line programs.

    `files` maps module names, None for the kernel, to .ko files or vmlinux. Files without symbols
    or without DWARF answer nothing.
    """

    def __init__(self, files: Mapping[str | None, Path]) -> None:
        self._files = dict(files)

    def locate(self, queries: Iterable[Query]) -> dict[Query, str]:
        by_module: dict[str | None, list[Query]] = {}
        for query in queries:
            by_module.setdefault(query.module, []).append(query)
        answers: dict[Query, str] = {}
        for module, wanted in by_module.items():
            path = self._files.get(module)
            if path is None or not path.is_file():
                continue
            with path.open("rb") as stream:
                try:
                    answers |= _locate(ELFFile(stream), path, wanted)
                except ELFError as error:
                    raise ValueError(f"{path}: not a usable ELF file: {error}") from error
        return answers


def _locate(elf: Any, path: Path, wanted: list[Query]) -> dict[Query, str]:
    if not elf.has_dwarf_info():
        return {}
    places: dict[Query, tuple[int, int]] = {}
    for query in wanted:
        if place := _address(elf, query):
            places[query] = place
    if not places:
        return {}
    addresses = [address for _section, address in places.values()]
    if elf["e_type"] == "ET_REL":
        rows = _rows_of_module(path, path.stat().st_mtime_ns)
    else:
        rows = list(_rows(elf, addresses))
    answers = {}
    for query, (section, address) in places.items():
        if found := _row_at(rows, section, address):
            answers[query] = f"{found.file}:{found.line}"
    return answers


@lru_cache(maxsize=4)
def _rows_of_module(path: Path, _changed: int) -> list[_Row]:
    """All line tables of a module; kept, as they take a third of a second to read."""
    with path.open("rb") as stream:
        return list(_rows(ELFFile(stream), []))


def _address(elf: Any, query: Query) -> tuple[int, int] | None:
    """Section and address of a query; the section is 0 where addresses are absolute."""
    table = elf.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return None
    symbols = [
        symbol
        for symbol in table.get_symbol_by_name(query.symbol) or []
        if isinstance(symbol["st_shndx"], int)
    ]
    # The kernel counts a function's padding as a part of it.
    symbols.sort(key=lambda symbol: abs(symbol["st_size"] - query.size))
    if not symbols:
        return None
    section = symbols[0]["st_shndx"] if elf["e_type"] == "ET_REL" else 0
    return section, symbols[0]["st_value"] + query.offset


def _rows(elf: Any, addresses: list[int]) -> Iterator[_Row]:
    """The line tables of a module, or those units of a kernel that hold one of `addresses`."""
    dwarf = elf.get_dwarf_info(relocate_dwarf_sections=False)
    relocatable = elf["e_type"] == "ET_REL"
    if relocatable:
        _relocate(elf, dwarf)
    sections = _address_sections(elf) if relocatable else {}
    ranges = None if relocatable else dwarf.get_aranges()
    if ranges is not None:
        offsets = {ranges.cu_offset_at_addr(address) for address in addresses} - {None}
        units = [dwarf.get_CU_at(offset) for offset in sorted(offsets)]
    else:
        units = dwarf.iter_CUs()
    for unit in units:
        if program := dwarf.line_program_for_CU(unit):
            yield from _program_rows(program, sections)


class _Relocations:
    """Those of a section that are about one of `symbols`, for a RelocationHandler."""

    def __init__(self, section: RelocationSection, symbols: frozenset[int]) -> None:
        self._section = section
        self._symbols = symbols

    def __getitem__(self, name: str) -> Any:
        return self._section[name]

    def iter_relocations(self) -> Iterator[Any]:
        for relocation in self._section.iter_relocations():
            if relocation["r_info_sym"] in self._symbols:
                yield relocation


def _relocate(elf: Any, dwarf: Any) -> None:
    """Do those relocations in the DWARF of a module that line tables need: all take seconds.

    Line programs need all of theirs; of a unit, only where its line program and abbreviations are.
    """
    needed = {elf.get_section_index(name) for name in (".debug_line", ".debug_abbrev")}
    symbols = elf.get_section_by_name(".symtab").iter_symbols()
    of_units = frozenset(at for at, symbol in enumerate(symbols) if symbol["st_shndx"] in needed)
    handler = RelocationHandler(elf)
    lines = elf.get_section_by_name(".rela.debug_line")
    if isinstance(lines, RelocationSection):
        handler.apply_section_relocations(dwarf.debug_line_sec.stream, lines)
    units = elf.get_section_by_name(".rela.debug_info")
    if isinstance(units, RelocationSection):
        some: Any = _Relocations(units, of_units)
        handler.apply_section_relocations(dwarf.debug_info_sec.stream, some)


def _address_sections(elf: Any) -> dict[int, int]:
    """Where a line program of a module sets an address, and which section that address is in."""
    relocations = elf.get_section_by_name(".rela.debug_line")
    if not isinstance(relocations, RelocationSection):
        return {}
    symbols = elf.get_section(relocations["sh_link"])
    return {
        relocation["r_offset"]: symbols.get_symbol(relocation["r_info_sym"])["st_shndx"]
        for relocation in relocations.iter_relocations()
        if relocation["r_info_type"] in _ADDRESS_RELOCATIONS
    }


def _program_rows(program: Any, sections: Mapping[int, int]) -> Iterator[_Row]:
    inside = range(program.program_start_offset, program.program_end_offset)
    # Entries do not tell their offset; they are in the order of their relocations.
    order = iter(section for at, section in sorted(sections.items()) if at in inside)
    section = 0
    for entry in program.get_entries():
        if entry.is_extended and entry.command == _DW_LNE_SET_ADDRESS:
            section = next(order, 0)
        state = entry.state
        if state is not None:
            yield _Row(
                section, state.address, _file(program, state.file), state.line, state.end_sequence
            )


def _file(program: Any, index: int) -> str:
    """The file's name: relative to the source tree, or bare when it was built elsewhere."""
    version = program["version"]
    files = program["file_entry"]
    position = index if version >= 5 else index - 1
    if not 0 <= position < len(files):
        return "?"
    entry = files[position]
    name = entry.name.decode(errors="replace")
    directories = program["include_directory"]
    directory = entry.dir_index if version >= 5 else entry.dir_index - 1
    if 0 <= directory < len(directories):
        path = PurePosixPath(directories[directory].decode(errors="replace")) / name
    else:
        path = PurePosixPath(name)
    return path.name if path.is_absolute() else str(path)


def _row_at(rows: list[_Row], section: int, address: int) -> _Row | None:
    """The row whose range holds the address."""
    for row, after in pairwise(rows):
        if (
            not row.end
            and row.section == section == after.section
            and row.address <= address < after.address
        ):
            return row
    return None
