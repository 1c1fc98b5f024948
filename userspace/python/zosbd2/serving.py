# SPDX-License-Identifier: LGPL-2.1-or-later
"""The high level: an object with read, write and discard becomes a block device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .abi import NO_FEATURES, SERVER_FEATURES, Feature, Recovery
from .control import Control
from .errors import NoSuchDevice
from .handler import Handler, features_of
from .server import Server


@contextlib.contextmanager
def served(
    name: str,
    size: int,
    handler: Handler,
    *,
    threads: int = 1,
    timeout_seconds: int = 60,
    features: Feature = NO_FEATURES,
    recovery: Recovery = Recovery.WAIT,
) -> Iterator[Server]:
    """Create a device, serve it, and destroy it by force at the end if it is still there.

    With features of a server, or a recovery of its own, it is served through a session,
    otherwise through its block device.  At the end a device that somebody took over is his.
    """
    with Control() as control:
        handle = control.create(
            name, size, timeout_seconds=timeout_seconds, features=features, recovery=recovery
        )
        with contextlib.ExitStack() as undo:
            # Undone in reverse order.  The device goes before its server: closing the
            # device would otherwise wait for write-back that nobody serves any more.
            unserved = undo.enter_context(contextlib.ExitStack())
            unserved.callback(_destroy_if_there, control, handle)  # no server came about
            session = None
            if features & SERVER_FEATURES or recovery is not Recovery.WAIT:
                session = control.attach(handle, features=features_of(handler))
                unserved.enter_context(session)
            server = Server(control, handle, handler, threads=threads, session=session)
            unserved.pop_all()
            undo.enter_context(server)
            undo.callback(_destroy_unless_taken_over, control, handle, server)
            yield server


@contextlib.contextmanager
def reattached(
    name: str,
    handler: Handler,
    *,
    threads: int = 1,
    take_over: bool = False,
    timeout_ms: int = 5000,
) -> Iterator[Server]:
    """Serve a device that exists, through a session; at the end stop, and leave it alone.

    *take_over* and *timeout_ms* are as in Control.attach(), and so are the errors.
    """
    with Control() as control:
        handle = control.lookup(name)
        session = control.attach(
            handle, features=features_of(handler), take_over=take_over, timeout_ms=timeout_ms
        )
        with session, Server(control, handle, handler, threads=threads, session=session) as server:
            yield server


def _destroy_if_there(control: Control, handle: int) -> None:
    with contextlib.suppress(NoSuchDevice):
        control.destroy(handle, force=True)


def _destroy_unless_taken_over(control: Control, handle: int, server: Server) -> None:
    if not server.retired.is_set():
        _destroy_if_there(control, handle)
