# SPDX-License-Identifier: MIT
"""The guest's part of the crash oracle: carries out orders on files, and says so after each.

The host knows what was ordered and has written it down before the order was sent, so there is
nothing that the guest could have done unknown to the host, whenever it dies.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from . import rawio
from .stamps import stamped


def work(root: str) -> None:
    """Obey the orders on standard input until it ends: ``[number, worker, verb, argument…]``.

    Each worker is a thread with a directory of its own, and does its orders in their order. Prints
    "done NUMBER" after each, or "failed NUMBER ERROR" and ends.
    """
    workers: dict[int, queue.Queue[list[object] | None]] = {}
    threads = []
    for line in sys.stdin:
        number, worker, *rest = json.loads(line)
        if worker not in workers:
            workers[worker] = queue.Queue()
            folder = Path(root) / f"w{worker}"
            thread = threading.Thread(target=_worker, args=(folder, workers[worker]))
            thread.start()
            threads.append(thread)
        workers[worker].put([number, *rest])
    for orders in workers.values():
        orders.put(None)
    for thread in threads:
        thread.join()
    print("the end", flush=True)


def _worker(folder: Path, orders: queue.Queue[list[object] | None]) -> None:
    while (order := orders.get()) is not None:
        number, verb, *arguments = order
        try:
            _VERBS[str(verb)](folder, *arguments)
        except OSError as error:
            sys.stdout.write(f"failed {number} {verb} {arguments}: {error}\n")
            sys.stdout.flush()
            os._exit(1)
        sys.stdout.write(f"done {number}\n")
        sys.stdout.flush()


def _create(folder: Path, name: str) -> None:
    os.close(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def _write(folder: Path, name: str, stamp: int, offset: int, length: int) -> None:
    with rawio.opened(str(folder / name), os.O_WRONLY) as fd:
        _write_all(fd, stamped(stamp, offset, length), offset)


def _write_through(folder: Path, name: str, stamp: int, offset: int, length: int) -> None:
    """Whole blocks, past the page cache, durable when it returns."""
    with rawio.opened(str(folder / name), os.O_WRONLY | os.O_DIRECT | os.O_DSYNC) as fd:
        rawio.write_at(fd, stamped(stamp, offset, length), offset)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    written = os.pwrite(fd, data, offset)
    assert written == len(data), f"a write of {len(data)} bytes wrote {written}"


def _truncate(folder: Path, name: str, length: int) -> None:
    os.truncate(folder / name, length)


def _rename(folder: Path, name: str, to: str) -> None:
    (folder / name).rename(folder / to)


def _unlink(folder: Path, name: str) -> None:
    (folder / name).unlink()


def _fsync(folder: Path, name: str) -> None:
    with rawio.opened(str(folder / name), os.O_RDONLY) as fd:
        os.fsync(fd)


def _fdatasync(folder: Path, name: str) -> None:
    with rawio.opened(str(folder / name), os.O_RDONLY) as fd:
        os.fdatasync(fd)


def _sync_directory(folder: Path) -> None:
    with rawio.opened(str(folder), os.O_RDONLY | os.O_DIRECTORY) as fd:
        os.fsync(fd)


def _sync_all(_folder: Path) -> None:
    os.sync()


_VERBS: dict[str, Callable[..., None]] = {
    "create": _create,
    "write": _write,
    "write-through": _write_through,
    "truncate": _truncate,
    "rename": _rename,
    "unlink": _unlink,
    "fsync": _fsync,
    "fdatasync": _fdatasync,
    "sync-directory": _sync_directory,
    "sync-all": _sync_all,
}


def make_directories(root: str, workers: int) -> None:
    """One for each worker; durable when it returns."""
    for worker in range(workers):
        (Path(root) / f"w{worker}").mkdir()
    os.sync()
