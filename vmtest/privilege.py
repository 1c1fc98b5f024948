# SPDX-License-Identifier: MIT
"""Commands that need root: building an image, and compiling inside of one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from vmtest.errors import SetupError


def as_root(argv: Sequence[str]) -> list[str]:
    """``argv``, through sudo unless this process is root already.

    Raises SetupError when there is no sudo.
    """
    if os.geteuid() == 0:
        return list(argv)
    if shutil.which("sudo") is None:
        raise SetupError(f"{argv[0]} needs root", hint="run as root, or install sudo")
    return ["sudo", "--preserve-env=PYTHONPATH", *argv]


def run_in_terminal(argv: Sequence[str] | str) -> int:
    """Run an interactive command on the user's terminal; returns its status."""
    return subprocess.run(argv, shell=isinstance(argv, str), check=False).returncode
