# SPDX-License-Identifier: MIT
"""Static checks of module, userspace and scripts, done in an image so that no host matters."""

from collections.abc import Sequence

from vmtest.checks import module, userspace
from vmtest.checks.check import Bench, Check, Step
from vmtest.checks.runner import Outcome, forget, run
from vmtest.errors import SetupError

#: All, those that take longest first.
CHECKS = (*module.CHECKS, *userspace.CHECKS)

#: The recipe of the image they are done in.
IMAGE = "check"


def named(names: Sequence[str]) -> list[Check]:
    """The checks with these names; all of them for none. SetupError tells which there are."""
    known = {check.name: check for check in CHECKS}
    for name in names:
        if name not in known:
            raise SetupError(f"no check {name!r}", hint=f"there are: {', '.join(known)}")
    return [known[name] for name in names] or list(CHECKS)


__all__ = ["CHECKS", "IMAGE", "Bench", "Check", "Outcome", "Step", "forget", "named", "run"]
