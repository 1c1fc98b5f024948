# SPDX-License-Identifier: MIT
"""One disk that guests can be given: its content, how QEMU reaches it, and its power."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Self

from vmtest.disks.crash_image import CrashImage, crash_image
from vmtest.disks.nbd import NbdServer
from vmtest.disks.volatile import VolatileStore

_names = itertools.count(1)


class Disk:
    """Memory that a VM sees as a virtio disk with 4 KiB blocks and a volatile write cache.

    `VM.plug` gives it to a guest. It keeps all that was written when that guest dies. A context
    manager that ends it.
    """

    def __init__(self, store: VolatileStore) -> None:
        self.store = store
        #: Its name in QEMU, and its serial number in the guest.
        self.name = f"disk{next(_names)}"
        self._server = NbdServer(store, f"vmtest-{os.getpid()}-{self.name}")

    @classmethod
    def blank(cls, size: int) -> Self:
        """``size`` bytes of zeroes."""
        return cls(VolatileStore(size))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def blockdev(self) -> dict[str, object]:
        """Arguments of QEMU's ``blockdev-add``."""
        server = {"type": "unix", "path": self._server.address, "abstract": True}
        return {"node-name": self.name, "driver": "nbd", "server": server, "discard": "unmap"}

    def cut_power_after(self, writes: int, then: Callable[[], None]) -> None:
        """Stop from one instant to the next, amid so many writes from now on.

        The last of them, and what came with it, is never answered. ``then`` is called by another
        thread, and ends the VM. See `after_power_cut`.
        """
        self._server.cut_power_after(self.store.writes + writes, then)

    def after_power_cut(self, seed: int) -> CrashImage:
        """What may be found on it when the power is back: a disk of that store can be made."""
        return crash_image(self.store, seed)

    def close(self) -> None:
        """End; twice is fine."""
        self._server.close()
