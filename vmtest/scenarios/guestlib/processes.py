# SPDX-License-Identifier: MIT
"""Processes: how to find one, and those whose first thread exits while others go on.

A program in Go may become one.
"""

from __future__ import annotations

import ctypes
import json
import os
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TypeVar

import zosbd2

from .patience import wait_until

R = TypeVar("R")

# From asm/unistd_64.h of x86 and asm-generic/unistd.h.
_EXIT = {"x86_64": 60, "aarch64": 93}[os.uname().machine]


def state(process: int) -> str:
    """Of its first thread, as ps shows it."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def oldest(name: str) -> int:
    """The process called so, the oldest if there are some."""
    processes = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    for process in sorted(processes):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just gone
            if Path(f"/proc/{process}/comm").read_text() == f"{name}\n":
                return process
    raise ProcessLookupError(f"no process is called {name}")


def exit_thread() -> NoReturn:
    """End the calling thread alone."""
    ctypes.CDLL(None).syscall(ctypes.c_long(_EXIT), ctypes.c_long(0))
    raise AssertionError("exit(2) returned")


def without_first_thread(function: Callable[[], R]) -> R:
    """Call ``function`` in a process whose first thread has exited; JSON must know the result."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        zosbd2.install_wake_handler()  # only the first thread can
        threading.Thread(target=_tell, args=(function, writer)).start()
        exit_thread()
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    assert text, f"{function} has failed, see above"
    result: R = json.loads(text)
    return result


def _tell(function: Callable[[], object], writer: int) -> NoReturn:
    """Write what it returns, and end the process."""
    try:
        wait_until("the first thread has exited", lambda: state(os.getpid()) == "Z")
        os.write(writer, json.dumps(function()).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)
