# SPDX-License-Identifier: MIT
"""A function that forks, and whose child fails."""

from __future__ import annotations

import os


def status_of_a_failing_child() -> int:
    """The exit status of a child in which an exception goes all the way up."""
    child = os.fork()
    if child == 0:
        raise RuntimeError("only the child's")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
