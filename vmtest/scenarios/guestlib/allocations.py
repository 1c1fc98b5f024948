# SPDX-License-Identifier: MIT
"""Allocations and copies that the kernel is told to fail, one after the other.

``/proc/thread-self/fail-nth`` counts a thread's way to the failure: each allocation or copy from
and to userspace that could fail counts one down, and the one that gets to zero fails. It then reads
as 0. See Documentation/fault-injection/fault-injection.rst.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

_DEBUG = Path("/sys/kernel/debug")

# Nothing that is called here does so much.
_ENOUGH = 3000


_KINDS = ("failslab", "fail_page_alloc", "fail_usercopy")


@contextlib.contextmanager
def armed(within: str = "") -> Iterator[None]:
    """Each allocation may fail, also those that may sleep and those of high memory.

    With ``within``, only those count that a function of the kernel has asked for, or whom it calls.
    """
    settings = {
        "failslab/ignore-gfp-wait": "N",
        "fail_page_alloc/ignore-gfp-wait": "N",
        "fail_page_alloc/ignore-gfp-highmem": "N",
        "fail_page_alloc/min-order": "0",
        **{f"{kind}/verbose": "0" for kind in _KINDS},
    }
    if within:
        start, end = _range_of(within)
        for kind in _KINDS:
            settings[f"{kind}/require-start"] = f"{start:#x}"
            settings[f"{kind}/require-end"] = f"{end:#x}"
            settings[f"{kind}/stacktrace-depth"] = "32"
    before = {name: (_DEBUG / name).read_text() for name in settings}
    for name, value in settings.items():
        (_DEBUG / name).write_text(value)
    try:
        yield
    finally:
        for name, value in before.items():
            (_DEBUG / name).write_text(value)


class Injector:
    """Fails one of the calling thread's allocations."""

    def __init__(self) -> None:
        self._fd = os.open("/proc/thread-self/fail-nth", os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """Nothing fails any more."""
        os.pwrite(self._fd, b"0", 0)
        os.close(self._fd)

    def __enter__(self) -> Injector:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def attempt(self, nth: int, do: Callable[[], object]) -> tuple[bool, OSError | None]:
        """Call *do* with its *nth* allocation failing.

        Returns whether there was an *nth* one, and what *do* raised.
        """
        error: OSError | None = None
        gc.disable()  # memory of the interpreter's own would count
        os.pwrite(self._fd, b"%d" % nth, 0)
        try:
            do()
        except OSError as raised:
            error = raised
        finally:
            failed = self._spent()
            gc.enable()
        return failed, error

    def _spent(self) -> bool:
        """Whether it has failed; if not, it will not any more."""
        try:
            left = int(os.pread(self._fd, 16, 0))
        except OSError:
            return False  # it was this very read
        if left:
            with contextlib.suppress(OSError):  # or it is this very write
                os.pwrite(self._fd, b"0", 0)
        return left == 0


def _range_of(function: str) -> tuple[int, int]:
    """Where the kernel's code of a function begins and ends."""
    addresses = []
    start = 0
    for line in Path("/proc/kallsyms").read_text().splitlines():
        address, _, name = line.split()[:3]
        addresses.append(int(address, 16))
        if name == function:
            start = addresses[-1]
    return start, min(address for address in addresses if address > start)


#: What a call may say when it got no memory, or could not copy.
CLEAN = frozenset({errno.ENOMEM, errno.EFAULT})


def each(
    do: Callable[[], object],
    check: Callable[[OSError | None], None],
    *,
    clean: frozenset[int] = CLEAN,
    within: str = "",
) -> dict[str, int]:
    """Fail each of *do*'s allocations in turn, until it has no more.

    *check* looks at what is there now, and undoes what *do* has done: it gets the error, or None
    when *do* succeeded all the same. Returns how often *do* ended in which way; AssertionError
    tells of an error that is not in *clean*. *within* is that of `armed`.
    """
    ended: dict[str, int] = {}
    with armed(within), Injector() as injector:
        for nth in range(1, _ENOUGH):
            failed, error = injector.attempt(nth, do)
            if error is not None and error.errno not in clean:
                raise AssertionError(f"with its allocation number {nth} failing: {error!r}")
            if not failed and error is not None:
                raise AssertionError(f"nothing was made to fail, and yet: {error!r}")
            check(error)
            if not failed:
                return ended
            name = "OK" if error is None else errno.errorcode[error.errno or 0]
            ended[name] = ended.get(name, 0) + 1
    raise AssertionError(f"there is no end to the allocations: {ended}")
