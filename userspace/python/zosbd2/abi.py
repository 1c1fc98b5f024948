# SPDX-License-Identifier: LGPL-2.1-or-later
"""The classic protocol: numbers, limits and layouts, with nothing done to them.

Layouts are ``struct.Struct`` objects without alignment of their own; padding is
spelled out.  They cover the fields that the module reads and writes, not the
padding that C puts behind the last one.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

CONTROL_NODE: Final = "/dev/zosbd2ctl"
NAME_SIZE: Final = 32
"""Bytes of a device name with its NUL."""
MAX_DEVICES: Final = 50
BLOCK_SIZE: Final = 4096
MIN_BLOCKS: Final = 1024
MAX_BLOCKS: Final = 3_221_225_472
MIN_TIMEOUT_SECONDS: Final = 1
MAX_TIMEOUT_SECONDS: Final = 1200
MAX_SEGMENTS: Final = 256
MAX_BATCH_QUEUE_SIZE: Final = 256
MAX_DATA_BYTES: Final = 1 << 20
"""Data of one request."""


class ControlCall(IntEnum):
    """ioctl numbers on the control node."""

    PING = 12
    CREATE_DEVICE = 21
    DESTROY_DEVICE_BY_ID = 22
    DESTROY_DEVICE_BY_NAME = 23
    DESTROY_ALL_DEVICES = 25
    GET_HANDLE_ID_BY_NAME = 26
    STATUS_DEVICE_LIST = 60
    STATUS_DEVICE_STATUS = 61


class DeviceCall(IntEnum):
    """ioctl numbers on a block device."""

    PING = 53
    OPERATION = 58


class Operation(IntEnum):
    """What a message on a block device is."""

    NO_RESPONSE = 30
    READ_RESPONSE = 31
    WRITE_RESPONSE = 37
    DISCARD_RESPONSE = 38
    NO_REQUEST = 40
    READ_REQUEST = 41
    WRITE_REQUEST = 42
    DISCARD_REQUEST = 43
    SIGNAL = 6502
    DEVICE_GONE = 8086


SIGNAL_SHUTDOWN: Final = 86
"""The signal action that asks a server to shut down."""

RESPONSE_TO: Final = {
    Operation.READ_REQUEST: Operation.READ_RESPONSE,
    Operation.WRITE_REQUEST: Operation.WRITE_RESPONSE,
    Operation.DISCARD_REQUEST: Operation.DISCARD_RESPONSE,
}

CREATE: Final = struct.Struct("=32sI4xQIIIIi")
"""device_name, block_size, number_of_blocks, timeout_seconds, max_segments_per_request,
bio_segment_batch_queue_size, out handle_id, out error: 68 bytes."""
DESTROY_BY_ID: Final = struct.Struct("=IiI")
"""handle_id, out error, force."""
DESTROY_BY_NAME: Final = struct.Struct("=32siI")
"""device_name, out error, force."""
DESTROY_ALL: Final = struct.Struct("=I")
"""force."""
GET_HANDLE: Final = struct.Struct("=32sIi")
"""device_name, out handle_id, out error."""
DEVICE_LIST: Final = struct.Struct(f"=I{MAX_DEVICES}I")
"""out num_devices, out handle_id[50]."""
DEVICE_STATUS: Final = struct.Struct("=I4xQQIIII32s")
"""handle_id_request, out size_in_bytes, number_of_blocks, block_size,
max_segments_per_request, timeout_milliseconds, handle_id, device_name."""

OPERATION_HEADER: Final = struct.Struct("=I4xI4xQI4x")
"""At 0: handle_id, operation, size, signal_number."""
OPERATION_REQUEST: Final = struct.Struct("=QI4x")
"""At 32: total_length, number_of_segments."""
OPERATION_RESPONSE: Final = struct.Struct("=Q")
"""At 32: total_length."""
OPERATION_SIGNAL: Final = struct.Struct("=I")
"""At 32: signal_action."""
SEGMENT: Final = struct.Struct("=QQ")
"""start_byte, length_bytes; the first of 256 at 48."""
OPERATION_TAIL: Final = struct.Struct("=iI")
"""At 4144: error, operation_id."""

PACKET_OFFSET: Final = 32
SEGMENTS_OFFSET: Final = 48
TAIL_OFFSET: Final = 4144
DATA_OFFSET: Final = 4152
"""The size of an operation; its data follows."""
BUFFER_SIZE: Final = DATA_OFFSET + MAX_DATA_BYTES
"""Room that a server gives to the module with each call."""


def name_field(name: str | bytes) -> bytes:
    """A device name as it stands in a struct, unchecked but for its length."""
    encoded = name.encode() if isinstance(name, str) else name
    if len(encoded) > NAME_SIZE:
        raise ValueError(f"device name of {len(encoded)} bytes; the field has {NAME_SIZE}")
    return encoded.ljust(NAME_SIZE, b"\0")


def name_from_field(field: bytes) -> str:
    """The device name in a struct."""
    return field.partition(b"\0")[0].decode(errors="replace")
