# SPDX-License-Identifier: MIT
"""Live progress of long work: a status line on a terminal, sparse lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

_LOG_INTERVAL = 15.0


@contextmanager
def status(console: Console, what: str) -> Iterator[Callable[[str], None]]:
    """Show ``what`` with the elapsed time and the latest line given to the yielded function."""
    began = time.monotonic()
    if console.is_terminal:
        with console.status(escape(what)) as spinner:

            def update(line: str) -> None:
                elapsed = time.monotonic() - began
                text = line.strip()[: max(20, console.width - len(what) - 20)]
                spinner.update(f"{escape(what)} [dim]{elapsed:.0f} s {escape(text)}[/]")

            yield update
        return
    last = 0.0

    def log(line: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LOG_INTERVAL:
            last = now
            console.print(
                f"{what}: {now - began:.0f} s: {line.strip()}", markup=False, soft_wrap=True
            )

    yield log
