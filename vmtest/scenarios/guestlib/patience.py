# SPDX-License-Identifier: MIT
"""How long to wait for what comes at once: longer where guest or kernel are slow."""

from __future__ import annotations

import os

_SLOWNESS = float(os.environ.get("VMTEST_SLOWNESS", "1"))


def stretched(seconds: float) -> float:
    """A deadline that is written for KVM and a plain kernel."""
    return seconds * _SLOWNESS
