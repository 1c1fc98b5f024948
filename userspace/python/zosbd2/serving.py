# SPDX-License-Identifier: LGPL-2.1-or-later
"""The high level: an object with read, write and discard becomes a block device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Unpack

from .control import Control
from .device import DeviceOptions
from .errors import NoSuchDevice
from .handler import Handler, features_of
from .server import Server, WireProtocol, chosen_protocol


@contextlib.contextmanager
def served(
    name: str,
    size: int,
    handler: Handler,
    *,
    threads: int = 1,
    protocol: WireProtocol | None = None,
    **options: Unpack[DeviceOptions],
) -> Iterator[Server]:
    """Create a device, serve it, and destroy it by force at the end if it is still there.

    *threads* and *protocol* are as in Server, *options* as in Control.create().  At the end
    a device that somebody took over is his.
    """
    with Control() as control:
        handle = control.create(name, size, **options)
        with contextlib.ExitStack() as undo:
            # Undone in reverse order.  The device goes before its server: closing the
            # device would otherwise wait for write-back that nobody serves any more.
            unserved = undo.enter_context(contextlib.ExitStack())
            unserved.callback(_destroy_if_there, control, handle)  # no server came about
            server = Server(control, handle, handler, threads=threads, protocol=protocol)
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
    protocol: WireProtocol | None = None,
    take_over: bool = False,
    timeout_ms: int = 5000,
) -> Iterator[Server]:
    """Serve a device that exists; at the end stop, and leave it alone.

    The arguments are as in Server, and so are the errors.
    """
    with Control() as control, contextlib.ExitStack() as undo:
        handle = control.lookup(name)
        session = None
        if chosen_protocol(control, protocol) == "classic":
            # Not the block device: closing it would wait for write-back that nobody serves.
            session = undo.enter_context(
                control.attach(
                    handle,
                    features=features_of(handler),
                    take_over=take_over,
                    timeout_ms=timeout_ms,
                )
            )
        server = Server(
            control,
            handle,
            handler,
            threads=threads,
            protocol=protocol,
            session=session,
            take_over=take_over,
            timeout_ms=timeout_ms,
        )
        yield undo.enter_context(server)


def _destroy_if_there(control: Control, handle: int) -> None:
    with contextlib.suppress(NoSuchDevice):
        control.destroy(handle, force=True)


def _destroy_unless_taken_over(control: Control, handle: int, server: Server) -> None:
    if not server.retired.is_set():
        _destroy_if_there(control, handle)
