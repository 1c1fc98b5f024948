# SPDX-License-Identifier: LGPL-2.1-or-later
"""One thread's share of serving, in whichever protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from .handler import Calls

Ending = Literal["destroyed", "stopped", "taken over", "failed"]
"""Why a server has ended: the device was destroyed, stop() was called, another server took
the device over, or its last thread failed."""


class Service(NamedTuple):
    """What the threads of a server share."""

    calls: Calls
    is_stopping: Callable[[], bool]
    note_failure: Callable[[Exception], None]
    """Gets what *calls* raise but OSError."""


class Worker(Protocol):
    """What a thread serves with."""

    def serve(self, service: Service) -> Ending:
        """Serve until that ends, and tell why; plain OSError if the module refuses a call."""

    def close(self) -> None:
        """Release what belongs to the thread alone; twice is fine."""
