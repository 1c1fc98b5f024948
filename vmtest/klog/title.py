# SPDX-License-Identifier: MIT
"""Titles: a family's template filled in, and freed of what changes from run to run."""

from __future__ import annotations

import re
from collections.abc import Mapping

_FIELD = re.compile(r"\{(\w+)\}")
_VOLATILE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(?:0x)[0-9a-f]{4,}\b|\b(?=[0-9a-f]*\d)[0-9a-f]{8,16}\b"), "ADDR"),
    (re.compile(r"(?<=[:/ ])\d+(?:\.\d+){3}\b"), "IP"),
    (re.compile(r"(\.[chS]):\d+"), r"\1:LINE"),
    (re.compile(r"\b(pid|cpu|CPU|PID)([:=# ]*)\d+"), r"\1\2NUM"),
    (re.compile(r"(?<![\w.])-?\d{3,}\b"), "NUM"),
)


def fill(template: str, groups: Mapping[str, str | None], function: str | None) -> str:
    """The title for `template`; parts that nothing is known about are left out."""
    if function is None:
        template = re.sub(r" (?:code )?in \{(?:func|pair)\}", "", template)
        template = template.replace("{func}", "").replace("{pair}", "")
    else:
        template = template.replace("{func}", function).replace("{pair}", function)
    title = _FIELD.sub(lambda field: stable(groups.get(field[1]) or ""), template)
    return re.sub(r" {2,}", " ", title).strip(" :")


def stable(text: str) -> str:
    """`text` with addresses, numbers and line numbers replaced by words."""
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return re.sub(r"\s+", " ", text).strip(" .")
