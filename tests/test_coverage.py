# SPDX-License-Identifier: MIT
"""Lines that no scenario executes have a reason, or are named."""

from __future__ import annotations

import tomllib

from vmtest.coverage import REASONS, Missed, split
from vmtest.images import TOP

KFREE = Missed("zosbd2_dev.c", 12, "kfree(dev);")


def test_a_line_with_a_reason_is_explained() -> None:
    explained, unexplained = split([KFREE], {"zosbd2_dev.c": {"kfree(dev);": "never happens"}})
    assert explained == ["zosbd2_dev.c:12: kfree(dev);  # never happens"]
    assert unexplained == []


def test_code_with_brackets_stands_for_itself() -> None:
    line = Missed("zosbd2_dev.c", 12, "slots[i].id = i;")
    assert split([line], {"zosbd2_dev.c": {line.code: "x"}})[1] == []


def test_a_pattern_explains_several_lines() -> None:
    reasons = {"zosbd2_dev.c": {"kfree(*);": "never happens"}}
    explained, _ = split([KFREE, Missed("zosbd2_dev.c", 13, "kfree(slots);")], reasons)
    assert len(explained) == 2


def test_a_reason_of_another_file_or_line_is_none() -> None:
    reasons = {"zosbd2_blk.c": {"kfree(dev);": "x"}, "zosbd2_dev.c": {"return ret;": "y"}}
    assert split([KFREE], reasons) == ([], ["zosbd2_dev.c:12: kfree(dev);"])


def test_all_reasons_are_about_code_that_is_there() -> None:
    for file, table in tomllib.loads(REASONS.read_text()).items():
        source = (TOP / "kmod" / file).read_text().splitlines()
        for code in table:
            assert split(
                [Missed(file, n, one.strip()) for n, one in enumerate(source)], {file: {code: "x"}}
            )[0], f"{file} has no line {code!r}"
