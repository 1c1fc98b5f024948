# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ring protocol: numbers and layouts, with nothing done to them.

A channel's mapping begins with a struct zosbd2_ring; two rings follow, of requests and of
answers.  Positions count up and wrap at 2^32; entry *n* is at index ``n & (entries - 1)``.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

ENTER: Final = 0xBD20
"""ioctl number on a channel; its argument is a number, not a pointer."""
WAKE: Final = 0xBD21
"""Another one, without an argument: whoever sleeps in ENTER, or next would, returns."""
ENTER_MAX_REQUESTS: Final = 0xFFFF
"""The bits of the argument that say how many requests to bring at most."""
ENTER_WAIT: Final = 1 << 16
"""Sleep until there is one, if there is none."""

MAX_ENTRIES: Final = 4096

POSITION_MASK: Final = 0xFFFF_FFFF
"""Positions are numbers of 32 bits."""


class RingState(IntEnum):
    """What the device is to a channel, as of its last call."""

    SERVING = 0
    QUIESCING = 1
    """Somebody takes over: nothing comes any more."""
    TAKEN_OVER = 2
    """Somebody has."""
    GONE = 3
    """It was destroyed."""


class RingOperation(IntEnum):
    """What a request is."""

    READ = 1
    WRITE = 2
    FLUSH = 3
    DISCARD = 4
    WRITE_ZEROES = 5


ANSWER_COPY: Final = 1 << 0
"""Copy data: of a read from the server's memory, of a write to it."""
ANSWER_END: Final = 1 << 1
"""The request has ended."""

RING_ATTACH: Final = struct.Struct("=IIQIIIIIIQ16s")
"""handle_id, flags, features, timeout_ms, queue, entries (also out), out requests_offset,
answers_offset, map_bytes, in generation, reserved."""
RING: Final = struct.Struct("=IIIIQ40xII56x")
"""What the kernel writes: request_tail, answer_head, state, reserved, generation; what the
server writes: request_head, answer_tail."""
RING_REQUEST: Final = struct.Struct("=QQIHH8x")
"""id, start_byte, length_bytes, operation, flags."""
RING_ANSWER: Final = struct.Struct("=QQIIiHH")
"""id, address, length_bytes, offset, error (also out), flags, reserved."""

SERVER_OFFSET: Final = 64
"""Where what the server writes begins."""
SERVER_PART: Final = struct.Struct("=II")
"""At 64: request_head, answer_tail."""
