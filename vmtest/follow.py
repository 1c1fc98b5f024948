# SPDX-License-Identifier: MIT
"""Long-running children that have VMs: each line they say is heard, and their end is orderly."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from vmtest import sweep

# For a pytest, which ends its VMs and writes what it knows, once it has been interrupted.
_END_TIMEOUT = 60.0


def follow(command: Sequence[str], cwd: Path, log: Path, heard: Callable[[str], None]) -> int:
    """Run ``command``, hand each line it says to ``heard``, append all to ``log``; its status.

    Interrupted, it interrupts the command and all that this has started, waits for its end, and
    raises KeyboardInterrupt. Whatever happens, nothing of it is left.
    """
    token = sweep.new_token()
    with (
        log.open("a", encoding="utf-8") as sink,
        subprocess.Popen(
            command, cwd=cwd, env={**os.environ, sweep.VARIABLE: token},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
            start_new_session=True,  # a terminal's Ctrl-C is for us, who hand it on
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                sink.write(line)
                sink.flush()
                heard(line.rstrip("\n"))
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                sink.write(process.communicate(timeout=_END_TIMEOUT)[0] or "")
            raise
        finally:
            process.kill()
            sweep.sweep(token)
