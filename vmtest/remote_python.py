# SPDX-License-Identifier: MIT
"""Python functions that run in the guest, called from the host with arguments and results."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from vmtest import guest_agent
from vmtest.errors import VmtestError
from vmtest.guest import Guest, Process

R = TypeVar("R")

_HOME = "/opt/vmtest/python"


class RemoteError(VmtestError):
    """A function raised in the guest; the message holds its traceback there."""


class RemotePython:
    """Calls functions of plain modules in the guest.

    ``packages`` are folders of Python packages to copy there; their functions may be called. All
    arguments and results must be JSON: numbers, strings, lists, dicts, None.
    """

    def __init__(self, guest: Guest, packages: Sequence[Path]) -> None:
        self._guest = guest
        self._environment = {"PYTHONPATH": _HOME, "VMTEST_SLOWNESS": str(guest.slowness)}
        self._lock = threading.Lock()
        self._agent: Process | None = None
        self._answered = 0
        files: dict[str, Path | bytes | str] = {package.name: package for package in packages}
        files["guest_agent.py"] = Path(guest_agent.__file__)
        guest.put(files, _HOME, once=True)

    def call(self, function: Callable[..., R], *args: object, timeout: float = 60.0) -> R:
        """Call ``function`` in the guest, in a process of its own; returns what it returned.

        Raises RemoteError when it raised, or took longer than ``timeout`` (stretched for
        emulation); then the message tells where its threads hang in the kernel.
        """
        timeout *= self._guest.slowness
        request = {"function": _name(function), "args": list(args), "timeout": timeout}
        with self._lock:
            agent = self._running_agent()
            try:
                agent.send(json.dumps(request) + "\n")
                answer = json.loads(agent.next_line(self._answered, timeout + 30))
            except BaseException:
                self.close()  # its answer may still come, to a question of somebody else
                raise
            self._answered += 1
        if "error" in answer:
            what = f"{_name(function)}{tuple(args)!r} in the guest: {answer['error']}"
            raise RemoteError(f"{what}\n{answer['traceback']}")
        value: R = answer["value"]
        return value

    def start(self, function: Callable[..., object], *args: object) -> Process:
        """Run ``function`` in the background, in an interpreter of its own.

        It prints what the test waits for (with flush) and may read its standard input.
        """
        return self._guest.start(*self.command(function, *args))

    def command(self, function: Callable[..., object], *args: object) -> list[str]:
        """The command line with which the guest runs ``function`` in an interpreter of its own."""
        module, _, name = _name(function).partition(":")
        code = f"import json, sys, {module}; {module}.{name}(*json.loads(sys.argv[1]))"
        env = [f"{name}={value}" for name, value in self._environment.items()]
        return ["env", *env, "python3", "-u", "-c", code, json.dumps(args)]

    def close(self) -> None:
        """End the agent; the next call starts another."""
        if self._agent is not None:
            self._agent.__exit__()
            self._agent = None

    def _running_agent(self) -> Process:
        if self._agent is None or self._agent.ended:
            self._answered = 0
            self._agent = self._guest.start(
                "python3", "-u", f"{_HOME}/guest_agent.py", env=self._environment
            )
        return self._agent


_of_guest: weakref.WeakKeyDictionary[Guest, RemotePython] = weakref.WeakKeyDictionary()


def remote_python(guest: Guest, packages: Sequence[Path]) -> RemotePython:
    """The one `RemotePython` of a guest: starting the interpreter anew costs a second and more."""
    found = _of_guest.get(guest)
    if found is None:
        found = _of_guest[guest] = RemotePython(guest, packages)
    return found


def _name(function: Callable[..., object]) -> str:
    """The name under which the guest finds the function: its packages are at the top there."""
    module = function.__module__.removeprefix("vmtest.scenarios.")
    return f"{module}:{function.__qualname__}"
