# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a device, and the module, can be like."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

from .abi import Feature, Recovery


class DeviceOptions(TypedDict, total=False):
    """What a new device shall be like; what is left out, or 0, is the default.

    All but the time-out and max_segments needs a module with EXTENSION_RINGS, which
    features and recovery do not.  What is larger than by default, and several queues, are
    served by the ring protocol only.
    """

    block_size: int
    """Bytes, a power of two from 512 to the page size, or to 64 KiB since Linux 6.15;
    default 4096."""
    timeout_seconds: int
    """A request that takes longer fails; 1 to 1200, default 60."""
    max_segments: int
    """Per request, at most 256, the default."""
    features: Feature
    recovery: Recovery
    queues: int
    """Hardware queues, at most 64, default 1; the module makes no more than there are CPUs."""
    queue_depth: int
    """Requests at once in each queue, at most 4096; the default is the module's."""
    physical_block_size: int
    """Bytes, a power of two; default block_size."""
    max_io_bytes: int
    """Data of a request, at most 16 MiB, default 1 MiB; a multiple of the page size."""
    io_opt: int
    """Optimal size of a request in bytes, a multiple of physical_block_size."""
    max_discard_bytes: int
    """What one discard covers, at most 1 GiB, default 128 MiB."""
    discard_granularity: int
    """Bytes, a power of two; default block_size."""
    poll_queues: int
    """Queues for polled I/O besides, at most 64; default none."""


class DeviceStatus(NamedTuple):
    """What a device is like."""

    handle: int
    name: str
    size: int
    """Bytes."""
    number_of_blocks: int
    block_size: int
    """Bytes."""
    max_segments: int
    """Per request."""
    timeout_ms: int


class DeviceDescription(NamedTuple):
    """What a device is like, the extension included.

    What follows ``servers`` is 0 with a module that has no rings.
    """

    handle: int
    name: str
    size: int
    """Bytes."""
    block_size: int
    """Bytes."""
    features: Feature
    timeout_seconds: int
    max_segments: int
    """Per request."""
    recovery: Recovery
    servers: int
    """Processes that serve it, and sessions that have not made a call yet."""
    queues: int
    queue_depth: int
    """Of each."""
    physical_block_size: int
    """Bytes."""
    max_io_bytes: int
    io_opt: int
    """Bytes; 0 if there is none."""
    max_discard_bytes: int
    discard_granularity: int
    """Bytes."""
    poll_queues: int
    """Besides the queues; numbered behind them."""


class ModuleInfo(NamedTuple):
    """What the module can do."""

    version: int
    """Of the extension: abi.EXTENSION_*."""
    max_devices: int
    features: Feature
    """That devices can be created with."""
