# SPDX-License-Identifier: MIT
"""Runs in the guest: calls Python functions that the host names, each in a forked child.

The interpreter starts once (most of a second under emulation); a fork costs milliseconds, and what
a function leaves open, threads and descriptors, ends with its child. Needs python3-minimal only.

Requests and answers are JSON, a line each:
``{"function": "module:name", "args": [...], "timeout": s}`` ->
``{"value": …}`` or ``{"error": "AssertionError: …", "traceback": "…"}``.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

#: What ps shows for the agent.
NAME = "vmtest-agent"


def main() -> None:
    """Serve requests from standard input until it ends."""
    _rename(NAME)
    for line in sys.stdin:
        request = json.loads(line)
        _preload(request["function"])
        answer = _in_child(request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _rename(name: str) -> None:
    """Change what ps shows: the agent may stay, a function that stays is a leak."""
    Path("/proc/self/comm").write_text(name)


def _preload(function: str) -> None:
    """Import in the parent, so that every child has it already."""
    with suppress(Exception):  # the child imports again, and reports
        importlib.import_module(function.partition(":")[0])


def _call(request: dict[str, Any]) -> dict[str, Any]:
    try:
        module, _, name = request["function"].partition(":")
        return {"value": getattr(importlib.import_module(module), name)(*request["args"])}
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
        return {"error": text, "traceback": traceback.format_exc()}


def _in_child(request: dict[str, Any]) -> dict[str, Any]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _rename("python3")
        os.setpgid(0, 0)
        os.close(reader)
        # What the function prints belongs to nobody: standard output carries the answers.
        os.dup2(2, 1)
        own = os.getpid()
        answer = json.dumps(_call(request)).encode()
        if os.getpid() != own:  # a process that the function forked has failed: it is not asked
            os.write(2, answer + b"\n")
            os._exit(1)
        while answer:
            answer = answer[os.write(writer, answer) :]
        os._exit(0)  # without waiting for threads that the function left in an ioctl
    os.close(writer)
    try:
        return _answer_of(child, reader, request["timeout"])
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def _answer_of(child: int, reader: int, timeout: float) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    data = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            stack = _where(child)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return {"error": f"TimeoutError: no answer within {timeout:.0f} s", "traceback": stack}
        chunk = os.read(reader, 1 << 16)
        if not chunk:
            break
        data += chunk
    _, status = os.waitpid(child, 0)
    if data:
        answer: dict[str, Any] = json.loads(data)
        return answer
    return {"error": f"ChildProcessError: the child ended with status {status:#x}", "traceback": ""}


def _where(child: int) -> str:
    """Where the child's threads are in the kernel, for the one who wonders why it hangs."""
    lines = []
    for task in Path(f"/proc/{child}/task").iterdir():
        try:
            lines.append(f"thread {task.name} in the kernel:\n{(task / 'stack').read_text()}")
        except OSError as error:
            lines.append(f"thread {task.name}: {error}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
