# SPDX-License-Identifier: MIT
"""Where in memory programs and functions are: what a profile of addresses is read with."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from pathlib import Path

#: The program whose execution says that counting begins or ends.
MARK = "/mark"

_RANDOMIZE = Path("/proc/sys/kernel/randomize_va_space")
_SYMBOLS = Path("/proc/kallsyms")
_CODE = "tTwW"


def keep_apart() -> None:
    """Let programs that are started from now on have addresses that no other has."""
    _RANDOMIZE.write_text("2")


def keep_together() -> None:
    """Let programs that are started from now on have the addresses that they have in each run."""
    _RANDOMIZE.write_text("0")


def functions() -> Iterator[str]:
    """The kernel's functions: parts of lines ``ADDRESS NAME MODULE``, as `unpack` puts together."""
    lines = []
    with _SYMBOLS.open() as listed:
        for line in listed:
            address, kind, *names = line.split()
            if kind in _CODE:
                lines.append(f"{address} {' '.join(names)}")
    packed = base64.b64encode(zlib.compress("\n".join(lines).encode())).decode()
    for start in range(0, len(packed), 4096):
        yield packed[start : start + 4096]


def unpack(parts: list[str]) -> str:
    """What ``functions`` packed."""
    return zlib.decompress(base64.b64decode("".join(parts))).decode()


def programs() -> Iterator[tuple[str, str]]:
    """Of each process but init and the kernel's own: its name, its memory map."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            maps = (folder / "maps").read_text()
            name = (folder / "comm").read_text().strip()
        except FileNotFoundError:
            continue
        if maps and folder.name != "1":
            yield name, maps
