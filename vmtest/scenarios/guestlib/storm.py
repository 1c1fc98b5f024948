# SPDX-License-Identifier: MIT
"""Kills or replaces a server again and again, at random moments."""

from __future__ import annotations

import random
import select
import signal
import subprocess
import sys
import time

from .disks import counter
from .patience import stretched, wait_until

#: Seconds that a server may take until it is ready.
_PATIENCE = stretched(60)

# A successor is killed before it is ready in so many of all cases.
_EARLY = 0.25

# A server is stopped first in so many of all cases, and killed as it is in half of them.
_STOPPED = 0.2


def kill_repeatedly(name: str, first: list[str], next_: list[str], kills: int, seed: int) -> None:
    """Run ``first``; kill it and run ``next_``, ``kills`` times; leave the last one alone.

    They serve the device ``name``. The kills begin when something has been written to it: where all
    is slow, they would be over before. A server says "ready" in its first line. Prints "ready" when
    the first one is, "killed" when all kills are done, and "ended STATUS" when the last server has
    ended.
    """
    rng = random.Random(seed)
    server = _first(first)
    wait_until("something is written", lambda: counter(name, "write_bytes"))
    for left in reversed(range(kills)):
        time.sleep(rng.uniform(0, 0.15))  # the moment is what is random here
        if rng.random() < _STOPPED:
            _stop(server, rng)
        server.kill()
        server.wait()
        server = _started(next_)
        if rng.random() >= _EARLY or not left:
            _await_ready(server)
    print("killed", flush=True)
    print(f"ended {server.wait()}", flush=True)


def replace_repeatedly(first: list[str], next_: list[str], times: int, seed: int) -> None:
    """Run ``first``; ``times`` times run ``next_``, which takes over from the one before.

    Each predecessor must end well by itself. Prints as `kill_repeatedly` does.
    """
    rng = random.Random(seed)
    server = _first(first)
    for _ in range(times):
        time.sleep(rng.uniform(0, 0.3))  # the moment is what is random here
        successor = _started(next_)
        _await_ready(successor)
        status = server.wait(_PATIENCE)
        if status != 0:
            raise RuntimeError(f"{server.args!r} ended with status {status} when it was replaced")
        server = successor
    print("replaced", flush=True)
    print(f"ended {server.wait()}", flush=True)


def _first(command: list[str]) -> subprocess.Popen[str]:
    server = _started(command)
    _await_ready(server)
    print("ready", flush=True)
    return server


def _stop(server: subprocess.Popen[str], rng: random.Random) -> None:
    server.send_signal(signal.SIGSTOP)
    time.sleep(rng.uniform(0, 0.2))
    if rng.random() < 0.5:
        server.send_signal(signal.SIGCONT)
        time.sleep(rng.uniform(0, 0.1))


def _started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)


def _await_ready(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    began = time.monotonic()
    if not select.select([server.stdout], [], [], _PATIENCE)[0]:
        raise TimeoutError(f"{server.args!r} is not ready after {_PATIENCE:.0f} s")
    line = server.stdout.readline()
    if not line.startswith("ready"):
        waited = time.monotonic() - began
        raise RuntimeError(f"{server.args!r} said {line!r} after {waited:.1f} s")
