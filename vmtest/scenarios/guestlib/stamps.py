# SPDX-License-Identifier: MIT
"""Content that tells which write it is from: each 16 bytes hold that write's stamp and a place."""

from __future__ import annotations

from array import array

#: Bytes with one stamp and one place.
CELL = 16


def stamped(stamp: int, offset: int, length: int) -> bytes:
    """What the write ``stamp`` (above 0) puts into a file at ``offset``."""
    first, last = offset // CELL, -(-(offset + length) // CELL)
    cells = array("Q", bytes(CELL * (last - first)))
    cells[0::2] = array("Q", [stamp]) * (last - first)
    cells[1::2] = array("Q", range(first * CELL, last * CELL, CELL))
    return cells.tobytes()[offset - first * CELL :][:length]


def stamp_at(data: bytes, offset: int) -> int | None:
    """The stamp in the first whole cell of ``data``, which is from ``offset`` of a file; 0 where
    there are zeroes, None where there is something else."""
    skip = -offset % CELL
    cell = data[skip : skip + CELL]
    if not any(data):
        return 0
    if len(cell) < CELL:
        return None
    stamp = int.from_bytes(cell[:8], "little")
    return stamp if int.from_bytes(cell[8:], "little") == offset + skip else None
