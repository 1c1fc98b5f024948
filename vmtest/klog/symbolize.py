# SPDX-License-Identifier: MIT
"""Source lines for the addresses of a report: "f+0x12/0x34 [mod]" gets " (file.c:123)".

The report is taken apart into queries, a Symbolizer answers them where the symbols are (the host
with `ElfSymbolizer`, or anything that runs in the guest), and the answers are put back.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from vmtest.klog.lines import parse_line
from vmtest.klog.report import Report


@dataclass(frozen=True, slots=True)
class Query:
    """A place in the code."""

    #: None for the kernel itself.
    module: str | None
    #: With the suffixes of the compiler, as the symbol table has it.
    symbol: str
    #: Bytes from the symbol to the instruction. In a stack that is the call, not the address
    #: after it that the kernel prints.
    offset: int
    #: Bytes of the function; tells static functions of the same name apart.
    size: int


class Symbolizer(Protocol):
    """Answers where queries are in the source; leaves out what it does not know."""

    def locate(self, queries: Iterable[Query]) -> Mapping[Query, str]:
        """Query to "file.c:123"."""
        ...


_PLACE = re.compile(
    r"(?P<symbol>[A-Za-z_$][\w.$]*)\+0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)(?![0-9a-f])"
    r"(?: \[(?P<module>[A-Za-z_][\w-]*)[^\]]*\])?(?! ?\(\S+:\d+\))(?! \S+:\d+$)"
)
# The instruction itself, not the one after a call.
_EXACT = re.compile(r"(?:RIP|EIP|pc|epc|T?PC|\s*IAOQ|NIP)\b|WARNING: ")


def queries(report: Report) -> list[Query]:
    """What there is to ask about `report`, each place once."""
    found = {query: None for line in report.lines for query in _line_queries(line).values()}
    return list(found)


def annotate(report: Report, answers: Mapping[Query, str]) -> Report:
    """`report` with the answers behind the places they are about."""
    lines = []
    for line in report.lines:
        for end, query in reversed(_line_queries(line).items()):
            if answer := answers.get(query):
                line = f"{line[:end]} ({answer}){line[end:]}"
        lines.append(line)
    return dataclasses.replace(report, lines=tuple(lines))


def symbolize(report: Report, symbolizer: Symbolizer) -> Report:
    """`report` with source lines as far as `symbolizer` knows them."""
    return annotate(report, symbolizer.locate(queries(report)))


def _line_queries(line: str) -> dict[int, Query]:
    """The queries of one line by the column they end in."""
    exact = _EXACT.match(parse_line(line).text)
    found: dict[int, Query] = {}
    for place in _PLACE.finditer(line):
        offset = int(place["offset"], 16)
        if offset and not exact:
            offset -= 1
        size = int(place["size"], 16)
        found[place.end()] = Query(place["module"], place["symbol"], offset, size)
    return found
