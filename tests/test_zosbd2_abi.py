# SPDX-License-Identifier: MIT
"""The layouts of the Python package and of the UAPI header are those of the protocol."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from zosbd2 import abi, ring_abi
from zosbd2.control import pack_create

ROOT = Path(__file__).resolve().parent.parent

SHAPE = ["queues", "queue_depth", "physical_block_size", "max_io_bytes", "io_opt",
         "max_discard_bytes", "discard_granularity", "poll_queues"]  # fmt: skip
"""Of a device: fields of 4 bytes, one behind the other."""


def field_offset(layout: struct.Struct, values: tuple[object, ...], index: int) -> int:
    """Where the field at *index* starts: the first byte that a change of it changes."""
    before = layout.pack(*values)
    changed = list(values)
    value = values[index]
    changed[index] = (
        b"\xff" * 32 if isinstance(value, bytes) else -1 if signed(layout, index) else 1
    )
    after = layout.pack(*changed)
    return next(at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)


def signed(layout: struct.Struct, index: int) -> bool:
    codes = [code for code in layout.format if code in "sIiHQ"]
    return codes[index] == "i"


def zeroes(layout: struct.Struct) -> tuple[object, ...]:
    return layout.unpack(bytes(layout.size))


@pytest.mark.parametrize(
    ("layout", "size", "offsets"),
    [
        pytest.param(abi.CREATE, 68, [0, 32, 40, 48, 52, 56, 60, 64], id="create"),
        pytest.param(abi.DESTROY_BY_ID, 12, [0, 4, 8], id="destroy_by_id"),
        pytest.param(abi.DESTROY_BY_NAME, 40, [0, 32, 36], id="destroy_by_name"),
        pytest.param(abi.DESTROY_ALL, 4, [0], id="destroy_all"),
        pytest.param(abi.GET_HANDLE, 40, [0, 32, 36], id="get_handle"),
        pytest.param(abi.DEVICE_STATUS, 72, [0, 8, 16, 24, 28, 32, 36, 40], id="device_status"),
        pytest.param(abi.OPERATION_HEADER, 32, [0, 8, 16, 24], id="operation header"),
        pytest.param(abi.OPERATION_REQUEST, 16, [0, 8, 12], id="request packet"),
        pytest.param(abi.INFO, 16, [0, 4, 8], id="info"),
        pytest.param(
            abi.EXTENDED_CREATE, 104, [0, 32, 40, *range(48, 104, 4)], id="extended create"
        ),
        pytest.param(
            abi.EXTENDED_STATUS,
            104,
            [0, 4, 8, 16, 24, 28, 32, 36, 40, *range(72, 104, 4)],
            id="extended status",
        ),
        pytest.param(
            ring_abi.RING_ATTACH, 64, [0, 4, 8, 16, 20, 24, 28, 32, 36, 40, 48], id="ring attach"
        ),
        pytest.param(ring_abi.RING, 128, [0, 4, 8, 12, 16, 64, 68], id="ring"),
        pytest.param(ring_abi.RING_REQUEST, 32, [0, 8, 16, 20, 22], id="ring request"),
        pytest.param(ring_abi.RING_ANSWER, 32, [0, 8, 16, 20, 24, 28, 30], id="ring answer"),
        pytest.param(abi.ATTACH, 32, [0, 4, 8, 16, 20], id="attach"),
        pytest.param(abi.RESIZE, 16, [0, 4, 8], id="resize"),
        pytest.param(abi.OPERATION_RESPONSE, 8, [0], id="response packet"),
        pytest.param(abi.SEGMENT, 16, [0, 8], id="segment"),
        pytest.param(abi.OPERATION_TAIL, 8, [0, 4], id="operation tail"),
    ],
)
def test_fields_lie_where_the_protocol_has_them(
    layout: struct.Struct, size: int, offsets: list[int]
) -> None:
    values = zeroes(layout)
    assert layout.size == size
    assert [field_offset(layout, values, index) for index in range(len(values))] == offsets


def test_device_list_has_a_count_and_fifty_handles() -> None:
    assert abi.DEVICE_LIST.size == 204


def test_parts_of_an_operation_join_without_gap_or_overlap() -> None:
    assert abi.OPERATION_HEADER.size == abi.PACKET_OFFSET
    assert abi.PACKET_OFFSET + abi.OPERATION_REQUEST.size == abi.SEGMENTS_OFFSET
    segments_end = abi.SEGMENTS_OFFSET + abi.MAX_SEGMENTS * abi.SEGMENT.size
    assert segments_end == abi.TAIL_OFFSET
    assert abi.TAIL_OFFSET + abi.OPERATION_TAIL.size == abi.DATA_OFFSET == 4152


def test_numbers_are_the_protocols() -> None:
    assert [call.value for call in abi.ControlCall] == [12, 21, 22, 23, 25, 26, 60, 61]
    assert [call.value for call in abi.DeviceCall] == [53, 58]
    assert [op.value for op in abi.Operation] == [
        *(30, 31, 36, 37, 38, 39),
        *(40, 41, 42, 43, 44, 45, 6502, 8086),
    ]


def test_create_packs_only_its_fields() -> None:
    packed = pack_create("disk", 4096, 1 << 20, 60, 256, 7)
    assert len(packed) == 68
    assert packed[:5] == b"disk\0"
    assert struct.unpack_from("<I", packed, 32) == (4096,)
    assert struct.unpack_from("<Q", packed, 40) == (1 << 20,)
    assert struct.unpack_from("<3I", packed, 48) == (60, 256, 7)


def test_a_name_that_fills_its_field_can_be_sent_unterminated() -> None:
    assert abi.name_field(b"x" * 32) == b"x" * 32


def test_a_name_longer_than_its_field_is_refused() -> None:
    with pytest.raises(ValueError, match="33 bytes"):
        abi.name_field("x" * 33)


def test_a_name_ends_at_its_nul() -> None:
    assert abi.name_from_field(b"disk\0rest".ljust(32, b"\xff")) == "disk"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_uapi_header_has_the_same_layouts(tmp_path: Path) -> None:
    checks = {
        "sizeof(struct zosbd2_destroy_by_id)": abi.DESTROY_BY_ID.size,
        "sizeof(struct zosbd2_destroy_by_name)": abi.DESTROY_BY_NAME.size,
        "sizeof(struct zosbd2_destroy_all)": abi.DESTROY_ALL.size,
        "sizeof(struct zosbd2_get_handle)": abi.GET_HANDLE.size,
        "sizeof(struct zosbd2_device_list)": abi.DEVICE_LIST.size,
        "sizeof(struct zosbd2_device_status)": abi.DEVICE_STATUS.size,
        "sizeof(struct zosbd2_operation)": abi.DATA_OFFSET,
        "offsetof(struct zosbd2_create, number_of_blocks)": 40,
        "offsetof(struct zosbd2_create, error) + 4": abi.CREATE.size,
        "offsetof(struct zosbd2_operation, header.signal_number)": 24,
        "offsetof(struct zosbd2_operation, request)": abi.PACKET_OFFSET,
        "offsetof(struct zosbd2_operation, segments)": abi.SEGMENTS_OFFSET,
        "offsetof(struct zosbd2_operation, error)": abi.TAIL_OFFSET,
        "ZOSBD2_OP_DEVICE_GONE": abi.Operation.DEVICE_GONE.value,
        "ZOSBD2_IOCTL_DEVICE_OPERATION": abi.DeviceCall.OPERATION.value,
        "ZOSBD2_MAX_BLOCKS": abi.MAX_BLOCKS,
        "sizeof(struct zosbd2_ext_info)": abi.INFO.size,
        "sizeof(struct zosbd2_ext_create)": abi.EXTENDED_CREATE.size,
        "sizeof(struct zosbd2_ext_status)": abi.EXTENDED_STATUS.size,
        "sizeof(struct zosbd2_ext_attach)": abi.ATTACH.size,
        "sizeof(struct zosbd2_ext_resize)": abi.RESIZE.size,
        "offsetof(struct zosbd2_ext_create, handle_id)": 64,
        "offsetof(struct zosbd2_ext_status, servers)": 36,
        "offsetof(struct zosbd2_ext_attach, timeout_ms)": 16,
        "offsetof(struct zosbd2_ext_resize, number_of_blocks)": 8,
        "offsetof(struct zosbd2_operation, request.flags)": 44,
        "ZOSBD2_IOC_GET_INFO": abi.ExtensionCall.GET_INFO.value,
        "ZOSBD2_IOC_CREATE": abi.ExtensionCall.CREATE.value,
        "ZOSBD2_IOC_GET_STATUS": abi.ExtensionCall.GET_STATUS.value,
        "ZOSBD2_IOC_ATTACH": abi.ExtensionCall.ATTACH.value,
        "ZOSBD2_IOC_RESIZE": abi.ExtensionCall.RESIZE.value,
        "ZOSBD2_OP_FLUSH_REQUEST": abi.Operation.FLUSH_REQUEST.value,
        "ZOSBD2_OP_FLUSH_RESPONSE": abi.Operation.FLUSH_RESPONSE.value,
        "ZOSBD2_OP_WRITE_ZEROES_REQUEST": abi.Operation.WRITE_ZEROES_REQUEST.value,
        "ZOSBD2_OP_WRITE_ZEROES_RESPONSE": abi.Operation.WRITE_ZEROES_RESPONSE.value,
        "ZOSBD2_REQUEST_FUA": abi.REQUEST_FUA,
        "ZOSBD2_REQUEST_NO_UNMAP": abi.REQUEST_NO_UNMAP,
        "ZOSBD2_FEATURE_FLUSH": abi.Feature.FLUSH.value,
        "ZOSBD2_FEATURE_FUA": abi.Feature.FUA.value,
        "ZOSBD2_FEATURE_WRITE_ZEROES": abi.Feature.WRITE_ZEROES.value,
        "ZOSBD2_FEATURE_READ_ONLY": abi.Feature.READ_ONLY.value,
        "ZOSBD2_FEATURE_PARTITIONS": abi.Feature.PARTITIONS.value,
        "ZOSBD2_FEATURES_OF_SERVER": abi.SERVER_FEATURES.value,
        "ZOSBD2_RECOVERY_FAIL": abi.Recovery.FAIL.value,
        "ZOSBD2_ATTACH_TAKE_OVER": abi.ATTACH_TAKE_OVER,
        "ZOSBD2_EXT_VERSION_SESSIONS": abi.EXTENSION_SESSIONS,
        "ZOSBD2_EXT_VERSION_RINGS": abi.EXTENSION_RINGS,
        "ZOSBD2_FEATURE_ROTATIONAL": abi.Feature.ROTATIONAL.value,
        "ZOSBD2_MAX_QUEUES": abi.MAX_QUEUES,
        "ZOSBD2_MAX_QUEUE_DEPTH": abi.MAX_QUEUE_DEPTH,
        "ZOSBD2_MAX_IO_BYTES": abi.MAX_IO_BYTES,
        "ZOSBD2_MAX_DISCARD_BYTES": abi.MAX_DISCARD_BYTES,
        **_offsets("zosbd2_ext_create", SHAPE, first=68),
        **_offsets("zosbd2_ext_status", SHAPE, first=72),
    }
    assert_of_headers(checks, tmp_path)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_ring_header_has_the_same_layouts(tmp_path: Path) -> None:
    checks = {
        "sizeof(struct zosbd2_ring)": ring_abi.RING.size,
        "sizeof(struct zosbd2_ring_request)": ring_abi.RING_REQUEST.size,
        "sizeof(struct zosbd2_ring_answer)": ring_abi.RING_ANSWER.size,
        "sizeof(struct zosbd2_ring_attach)": ring_abi.RING_ATTACH.size,
        **_offsets("zosbd2_ring", ["request_tail", "answer_head", "state", "reserved0"]),
        **_offsets("zosbd2_ring", ["request_head", "answer_tail"], first=ring_abi.SERVER_OFFSET),
        "offsetof(struct zosbd2_ring, generation)": 16,
        "offsetof(struct zosbd2_ring_request, start_byte)": 8,
        "offsetof(struct zosbd2_ring_request, length_bytes)": 16,
        "offsetof(struct zosbd2_ring_request, operation)": 20,
        "offsetof(struct zosbd2_ring_request, flags)": 22,
        "offsetof(struct zosbd2_ring_answer, address)": 8,
        **_offsets("zosbd2_ring_answer", ["length_bytes", "offset", "error"], first=16),
        "offsetof(struct zosbd2_ring_answer, flags)": 28,
        "offsetof(struct zosbd2_ring_answer, reserved)": 30,
        "offsetof(struct zosbd2_ring_attach, generation)": 40,
        "offsetof(struct zosbd2_ring_attach, features)": 8,
        **_offsets(
            "zosbd2_ring_attach",
            ["timeout_ms", "queue", "entries", "requests_offset", "answers_offset", "map_bytes"],
            first=16,
        ),
        "ZOSBD2_IOC_ATTACH_QUEUE": abi.ExtensionCall.ATTACH_QUEUE.value,
        "ZOSBD2_IOC_ENTER": ring_abi.ENTER,
        "ZOSBD2_IOC_WAKE": ring_abi.WAKE,
        "ZOSBD2_ENTER_MAX_REQUESTS": ring_abi.ENTER_MAX_REQUESTS,
        "ZOSBD2_ENTER_WAIT": ring_abi.ENTER_WAIT,
        "ZOSBD2_RING_MAX_ENTRIES": ring_abi.MAX_ENTRIES,
        **{f"ZOSBD2_RING_{each.name}": each.value for each in ring_abi.RingState},
        **{f"ZOSBD2_RING_{each.name}": each.value for each in ring_abi.RingOperation},
        "ZOSBD2_ANSWER_COPY": ring_abi.ANSWER_COPY,
        "ZOSBD2_ANSWER_END": ring_abi.ANSWER_END,
    }
    assert_of_headers(checks, tmp_path)


def _offsets(of: str, fields: list[str], first: int = 0) -> dict[str, int]:
    """Where fields of 4 bytes lie that follow one another."""
    return {
        f"offsetof(struct {of}, {field})": first + 4 * index for index, field in enumerate(fields)
    }


def assert_of_headers(checks: dict[str, int], tmp_path: Path) -> None:
    """Have the compiler compare expressions about the UAPI headers with numbers."""
    lines = ["#include <stddef.h>", "#include <linux/zosbd2_ring.h>"]
    lines += [f'_Static_assert({left} == {right}, "{left}");' for left, right in checks.items()]
    source = tmp_path / "layouts.c"
    source.write_text("\n".join(lines) + "\n")
    command = ["cc", "-fsyntax-only", f"-I{ROOT / 'kmod/uapi'}", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
