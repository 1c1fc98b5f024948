# SPDX-License-Identifier: MIT
"""How long to wait for what comes at once: longer where guest or kernel are slow."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

_SLOWNESS = float(os.environ.get("VMTEST_SLOWNESS", "1"))


def stretched(seconds: float) -> float:
    """A deadline that is written for KVM and a plain kernel."""
    return seconds * _SLOWNESS


def wait_until(what: str, condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Wait until *condition* holds; *what* names the event in the error."""
    deadline = time.monotonic() + stretched(timeout)
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {stretched(timeout)} s")
        time.sleep(0.005)
