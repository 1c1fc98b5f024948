# SPDX-License-Identifier: MIT
"""Devices of every shape: block sizes, limits, queues; and what there cannot be."""

from __future__ import annotations

import re

import pytest
from zosbd2 import DeviceOptions, Feature

from vmtest.pytest_plugin import Session
from vmtest.remote_python import RemotePython

from .guestlib import ring_shapes

pytestmark = pytest.mark.usefixtures("module")

MIB = 1 << 20
NOT_SUPPORTED = "ENOTSUP"
"""Python's name for EOPNOTSUPP."""


@pytest.fixture
def largest_block(vmtest_session: Session) -> int:
    """Of this kernel, in bytes."""
    major, minor = re.findall(r"\d+", vmtest_session.default.kernel.release)[:2]
    return 64 << 10 if (int(major), int(minor)) >= (6, 15) else 4096


@pytest.mark.parametrize("size", [512, 1024, 2048, 4096, 16384, 65536])
def test_blocks_of_a_size_are_read_and_written_singly(
    python: RemotePython, largest_block: int, size: int
) -> None:
    if size > largest_block:
        assert python.call(ring_shapes.created, [{"block_size": size}]) == ["EINVAL"]
        return
    names = ["logical_block_size", "physical_block_size", "minimum_io_size", "discard_granularity"]
    seen = python.call(ring_shapes.io_to, DeviceOptions(block_size=size), names)
    assert (seen["right"], seen["in_blocks"]) == (True, True)
    assert seen["queue"] == dict.fromkeys(names, str(size))


def test_the_block_layer_is_told_what_a_device_is_like(python: RemotePython) -> None:
    options = DeviceOptions(
        block_size=512,
        queues=2,
        queue_depth=17,
        physical_block_size=8192,
        max_io_bytes=256 << 10,
        io_opt=64 << 10,
        max_discard_bytes=2 * MIB,
        discard_granularity=16384,
        features=Feature.ROTATIONAL,
    )
    queue = {
        "logical_block_size": "512",
        "physical_block_size": "8192",
        "minimum_io_size": "8192",
        "optimal_io_size": "65536",
        "max_hw_sectors_kb": "256",
        "discard_max_hw_bytes": str(2 * MIB),
        "discard_granularity": "16384",
        "rotational": "1",
        "nr_requests": "17",
    }
    seen = python.call(ring_shapes.io_to, options, list(queue))
    assert seen == {"queue": queue, "depth": "17", "right": True, "in_blocks": True}


def test_a_device_rotates_only_when_told_to(python: RemotePython) -> None:
    seen = python.call(ring_shapes.io_to, DeviceOptions(queue_depth=1), ["rotational"])
    assert seen["queue"] == {"rotational": "0"}
    assert (seen["depth"], seen["right"]) == ("1", True)


@pytest.mark.parametrize("mib", [4, 16])
def test_large_io_is_one_request(python: RemotePython, mib: int) -> None:
    assert python.call(ring_shapes.large_requests, mib * MIB, mib * MIB) == {
        "max_hw_sectors_kb": str(mib << 10),
        "requests": [["write", mib * MIB], ["read", mib * MIB]],
        "right": [True, True],
    }


WRONG_SHAPES: list[dict[str, int]] = [
    {"block_size": 0},
    {"block_size": 256},
    {"block_size": 4097},
    {"block_size": 131072},
    {"max_segments": 257},
    {"queues": 65},
    {"queue_depth": 4097},
    {"physical_block_size": 2048},
    {"physical_block_size": 12288},
    {"physical_block_size": 2 * MIB},
    {"max_io_bytes": 2048},
    {"max_io_bytes": MIB + 512},
    {"max_io_bytes": 16 * MIB + 4096},
    {"max_io_bytes": 1 << 31},
    {"io_opt": 512},
    {"io_opt": 32 * MIB},
    {"max_discard_bytes": 12288, "discard_granularity": 8192},
    {"max_discard_bytes": 12288, "physical_block_size": 8192},
    {"poll_queues": 65},
    {"reserved": 1},
    {"io_opt": 12288, "physical_block_size": 8192},
    {"max_discard_bytes": 4095},
    {"max_discard_bytes": (1 << 30) + 4096},
    {"discard_granularity": 2048},
    {"discard_granularity": 12288},
    {"discard_granularity": 1 << 28},
]


def test_shapes_that_cannot_be_are_refused(python: RemotePython) -> None:
    seen = python.call(ring_shapes.created, WRONG_SHAPES)
    assert [
        wrong for wrong, ended in zip(WRONG_SHAPES, seen, strict=True) if ended != "EINVAL"
    ] == []


def test_the_largest_shapes_are_made(python: RemotePython) -> None:
    largest: list[dict[str, int]] = [
        {"queues": 64},
        {"queue_depth": 4096},
        {"physical_block_size": 16 * MIB, "max_io_bytes": 16 * MIB, "io_opt": 16 * MIB},
        {"max_discard_bytes": 1 << 30, "discard_granularity": 1 << 30},
        {"block_size": 512, "number_of_blocks": 8192},
        {"block_size": 512, "number_of_blocks": 3 << 33},
    ]
    assert python.call(ring_shapes.created, largest) == ["OK"] * len(largest)


def test_the_limits_of_the_size_are_bytes(python: RemotePython) -> None:
    wrong: list[dict[str, int]] = [
        {"block_size": 512, "number_of_blocks": 8191},
        {"block_size": 512, "number_of_blocks": (3 << 33) + 1},
        {"number_of_blocks": 1023},
        {"timeout_seconds": 0},
        {"timeout_seconds": 1201},
    ]
    assert python.call(ring_shapes.created, wrong) == ["ERANGE"] * len(wrong)


def test_channels_that_cannot_be_are_refused(python: RemotePython) -> None:
    wrong: dict[str, list[dict[str, int]]] = {
        "EINVAL": [
            {"queue": 1},
            {"queue": 2**32 - 1},
            {"entries": 3},
            {"entries": 8192},
            {"entries": 1 << 31},
            {"flags": 2},
            {"features": 1 << 3},
            {"features": 1 << 63},
            {"reserved": 1},
            {"generation": 1, "flags": 1},
            {"reserved": 1 << 127},
        ],
        "ENOENT": [{"handle": 1}],
        "ESTALE": [{"generation": 2}],
        NOT_SUPPORTED: [{"features": 0}, {"features": 1 << 2}],
        "OK": [{}, {"generation": 1}, {"entries": 1}, {"entries": 4096}, {"timeout_ms": 5}],
    }
    for ended, fields in wrong.items():
        assert python.call(ring_shapes.attached, fields) == [ended] * len(fields)


def test_rings_have_as_many_entries_as_wanted(python: RemotePython) -> None:
    seen = python.call(ring_shapes.entries_of_rings, [0, 1, 256], 100)
    page = 4096
    assert seen == [
        [128, page, 2 * page, 3 * page],
        [1, page, 2 * page, 3 * page],
        [256, page, 3 * page, 5 * page],
    ]
