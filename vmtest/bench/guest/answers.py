# SPDX-License-Identifier: MIT
"""What the guest says: lines of JSON on its second serial line."""

from __future__ import annotations

import json
import os
import termios

_LINE = "/dev/ttyS1"


class Answers:
    """The line to the host."""

    def __init__(self) -> None:
        self._fd = os.open(_LINE, os.O_RDWR | os.O_NOCTTY)
        attributes = termios.tcgetattr(self._fd)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)

    def say(self, **values: object) -> None:
        """Say it, and wait until it is said: nothing of it is left to be done later."""
        line = json.dumps(values) + "\n"
        os.write(self._fd, line.encode())
        termios.tcdrain(self._fd)
