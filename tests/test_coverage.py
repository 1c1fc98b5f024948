# SPDX-License-Identifier: MIT
"""Lines that no scenario executes have a reason, or are named."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from fnmatch import fnmatchcase

from vmtest.coverage import REASONS, Missed, split
from vmtest.images import TOP

KFREE = Missed("zosbd2_dev.c", "zosbd2_dev_free", 12, "kfree(dev);")


def test_a_line_with_a_reason_is_explained() -> None:
    explained, unexplained = split([KFREE], {"zosbd2_dev_free": {"kfree(dev);": "never happens"}})
    assert explained == ["zosbd2_dev.c:12: kfree(dev);  # never happens"]
    assert unexplained == []


def test_code_with_brackets_stands_for_itself() -> None:
    line = Missed("zosbd2_dev.c", "zosbd2_dev_free", 12, "slots[i].id = i;")
    assert split([line], {"zosbd2_dev_free": {line.code: "x"}})[1] == []


def test_a_pattern_explains_several_lines() -> None:
    reasons = {"zosbd2_dev_*": {"kfree(*);": "never happens"}}
    explained, _ = split([KFREE, replace(KFREE, line=13, code="kfree(slots);")], reasons)
    assert len(explained) == 2


def test_a_reason_of_another_function_or_line_is_none() -> None:
    reasons = {"zosbd2_dev_alloc": {"kfree(dev);": "x"}, "zosbd2_dev_free": {"return ret;": "y"}}
    assert split([KFREE], reasons) == ([], ["zosbd2_dev.c:12: kfree(dev);"])


def test_all_reasons_are_about_code_that_is_there() -> None:
    sources = {path.name: path.read_text() for path in (TOP / "kmod").glob("*.[ch]")}
    for function, table in tomllib.loads(REASONS.read_text()).items():
        if "*" in function:
            continue  # the kernel's macros make them
        code = [
            body
            for text in sources.values()
            for body in re.findall(rf"^[^\n]*\b{function}\(.*?\n}}", text, re.M | re.S)
        ]
        assert code, f"there is no function {function}()"
        lines = [line.strip() for body in code for line in body.splitlines()]
        for wanted in table:
            assert any(fnmatchcase(line, wanted) for line in lines), f"{function}() has no {wanted}"
