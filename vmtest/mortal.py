# SPDX-License-Identifier: MIT
"""A test's machine that dies as the test wants it, and comes back as another VM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vmtest.errors import GuestError, GuestTimeout
from vmtest.guest import Guest
from vmtest.pool import VmPool
from vmtest.vm import VM
from vmtest.watch import LogWatch


class Mortal:
    """The VM of the test that ``watch`` watches; its deaths do not fail that test.

    Anything else that the kernel reports does, in every VM of the test.
    """

    def __init__(self, pool: VmPool, watch: LogWatch) -> None:
        self._pool = pool
        self._watch = watch

    @property
    def vm(self) -> VM:
        """The one that runs now, or died last."""
        return self._watch.pooled.vm

    @property
    def guest(self) -> Guest:
        """Commands and files in it."""
        return self.vm.guest

    @contextmanager
    def dying(self, title: str) -> Iterator[None]:
        """The guest's kernel panics in the context, with a report whose title matches ``title``.

        What the context had under way in the guest may fail with a GuestError because of that.
        """
        known = len(self._watch.deaths)
        self._watch.expect_death(title)
        try:
            yield
        except GuestError:
            if not self.vm.wait_until_dead(2):
                raise
        if not self.vm.wait_until_dead():
            raise self.vm.explain(f"the guest did not die of {title!r}", GuestTimeout)
        self._watch.check()
        assert len(self._watch.deaths) == known + 1, f"the guest died, but not of {title!r}"

    def boot_again(self) -> VM:
        """Another VM of the same shape in place of the dead one."""
        config = self.vm.config
        self._watch.pooled.spoiled = self._watch.pooled.spoiled or "it died as the test wanted it"
        self._watch.follow(self._pool.get(config))
        return self.vm
