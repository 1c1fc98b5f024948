# SPDX-License-Identifier: MIT
"""What all host tests have in common."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("vmtest", deadline=None)
settings.load_profile("vmtest")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises here, whoever started these tests; and then signals do what they did before.

    A worker of pytest-xdist heeds the first one only, and all later tests inherit that.
    """
    before = [(one, signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGTERM)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before:
        signal.signal(number, handler)
