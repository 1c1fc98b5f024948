# SPDX-License-Identifier: MIT
"""Short reports of all kernels and architectures get the titles that the field gives them.

The blocks in fixtures/klog/titles-*.txt are written by hand, and say as little as a report can. A
line "== title | title" says what the lines below it must give.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmtest.klog import parse

_BLOCKS = [
    (block.partition("\n")[0].split(" | "), block.partition("\n")[2].rstrip("\n"))
    for path in sorted((Path(__file__).parent / "fixtures" / "klog").glob("titles-*.txt"))
    for block in re.split(r"(?m)^== ", path.read_text(encoding="utf-8"))[1:]
]

every_block = pytest.mark.parametrize(
    ("titles", "log"), _BLOCKS, ids=[titles[0] for titles, _ in _BLOCKS]
)


@every_block
@pytest.mark.parametrize("prefix", ["", "[   20.000000] ", "<4>[   20.000000][ T1234] "])
def test_titles_are_those_of_the_field(titles: list[str], log: str, prefix: str) -> None:
    printed = "".join(f"{prefix}{line}\n" for line in log.split("\n"))
    assert [report.title for report in parse(printed)] == titles
