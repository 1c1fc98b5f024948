# SPDX-License-Identifier: MIT
"""How a system call ended, as a word that a test can compare."""

from __future__ import annotations

import errno
from collections.abc import Callable


def outcome(call: Callable[[], object]) -> str:
    """``OK``, or the name of the errno with which *call* failed."""
    try:
        call()
    except OSError as error:
        return errno_name(error)
    return "OK"


def errno_name(error: OSError) -> str:
    """Such as ``EINVAL``."""
    return errno.errorcode.get(error.errno or 0, str(error.errno))
