# SPDX-License-Identifier: LGPL-2.1-or-later
"""The protocol and its extension: numbers, limits and layouts, with nothing done to them.

Layouts are ``struct.Struct`` objects without alignment of their own; padding is
spelled out.  They cover the fields that the module reads and writes, not the
padding that C puts behind the last one.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
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


class ExtensionCall(IntEnum):
    """ioctl numbers of the extension, on the control node."""

    GET_INFO = 0x8010BD00
    CREATE = 0xC068BD01
    GET_STATUS = 0xC068BD02
    ATTACH = 0x4020BD03
    RESIZE = 0x4010BD04
    ATTACH_QUEUE = 0xC040BD05


EXTENSION_SESSIONS: Final = 1
"""Version of the extension: features, recovery, sessions."""
EXTENSION_RINGS: Final = 2
"""And with queues, shapes of devices, and the ring protocol: see ring_abi."""

MAX_QUEUES: Final = 64
MAX_QUEUE_DEPTH: Final = 4096
"""Requests under way at once in each queue."""
MAX_IO_BYTES: Final = 16 << 20
"""Data of one request of a device that was created for that."""
MAX_DISCARD_BYTES: Final = 1 << 30
"""That one discard, or one write of zeroes, covers."""


class DeviceCall(IntEnum):
    """ioctl numbers on a block device and on a session."""

    PING = 53
    OPERATION = 58


class Operation(IntEnum):
    """What a message on a block device or a session is."""

    NO_RESPONSE = 30
    READ_RESPONSE = 31
    WRITE_ZEROES_RESPONSE = 36
    WRITE_RESPONSE = 37
    DISCARD_RESPONSE = 38
    FLUSH_RESPONSE = 39
    NO_REQUEST = 40
    READ_REQUEST = 41
    WRITE_REQUEST = 42
    DISCARD_REQUEST = 43
    FLUSH_REQUEST = 44
    WRITE_ZEROES_REQUEST = 45
    SIGNAL = 6502
    DEVICE_GONE = 8086


SIGNAL_SHUTDOWN: Final = 86
"""The signal action that asks a server to shut down."""

RESPONSE_TO: Final = {
    Operation.READ_REQUEST: Operation.READ_RESPONSE,
    Operation.WRITE_REQUEST: Operation.WRITE_RESPONSE,
    Operation.DISCARD_REQUEST: Operation.DISCARD_RESPONSE,
    Operation.FLUSH_REQUEST: Operation.FLUSH_RESPONSE,
    Operation.WRITE_ZEROES_REQUEST: Operation.WRITE_ZEROES_RESPONSE,
}

REQUEST_FUA: Final = 1 << 0
"""Of a write: it must be durable when it is acknowledged."""
REQUEST_NO_UNMAP: Final = 1 << 1
"""Of write zeroes: the space must stay allocated."""


class Feature(IntFlag):
    """What a device can do, or must not, beyond the classic protocol."""

    FLUSH = 1 << 0
    """It has a volatile cache: writes need not be durable before a flush."""
    FUA = 1 << 1
    """Single writes can be asked to be durable.  Needs FLUSH."""
    WRITE_ZEROES = 1 << 2
    """Its server zeroes a range without being sent the zeroes."""
    READ_ONLY = 1 << 3
    """There are neither writes nor discards."""
    PARTITIONS = 1 << 4
    """It may have partitions; the table is read on BLKRRPART."""
    ROTATIONAL = 1 << 5
    """Seeks take time."""


NO_FEATURES: Final = Feature(0)
"""A classic device."""
SERVER_FEATURES: Final = Feature.FLUSH | Feature.FUA | Feature.WRITE_ZEROES
"""Those that a server must understand to serve a device that has them."""


class Recovery(IntEnum):
    """What becomes of requests while nobody serves a device, or after its server died."""

    WAIT = 0
    """They wait for the next server, up to the device's time-out."""
    FAIL = 1
    """They fail at once."""


ATTACH_TAKE_OVER: Final = 1 << 0
"""Attach: have the servers that are there hand in what they have, and none get more."""

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

INFO: Final = struct.Struct("=IIQ")
"""out version, out max_devices, out features."""
EXTENDED_CREATE: Final = struct.Struct("=32sQQIIIIIIIIIIIIII")
"""device_name, number_of_blocks, features, block_size, timeout_seconds, max_segments,
recovery, out handle_id, queues, queue_depth, physical_block_size, max_io_bytes, io_opt,
max_discard_bytes, discard_granularity, poll_queues, reserved."""
EXTENDED_STATUS: Final = struct.Struct("=IIQQIIII32sIIIIIIII")
"""handle_id, out block_size, number_of_blocks, features, timeout_seconds, max_segments,
recovery, servers, device_name, queues, queue_depth, physical_block_size, max_io_bytes,
io_opt, max_discard_bytes, discard_granularity, poll_queues."""
ATTACH: Final = struct.Struct("=IIQI12s")
"""handle_id, flags, features, timeout_ms, reserved."""
RESIZE: Final = struct.Struct("=IIQ")
"""handle_id, reserved, number_of_blocks."""

OPERATION_HEADER: Final = struct.Struct("=I4xI4xQI4x")
"""At 0: handle_id, operation, size, signal_number."""
OPERATION_REQUEST: Final = struct.Struct("=QII")
"""At 32: total_length, number_of_segments, flags."""
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
