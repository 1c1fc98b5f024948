# SPDX-License-Identifier: MIT
"""A server of the NBD protocol for one `VolatileStore`: QEMU is its client.

https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, the fixed newstyle handshake and
simple replies. It listens on an abstract socket of this process, which leaves no file behind.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import IntEnum, IntFlag

from vmtest.disks.volatile import PAGE, VolatileStore

_HELLO = b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3)  # fixed newstyle, no zeroes
_OPTION = struct.Struct(">8sII")
_OPTION_REPLY = struct.Struct(">QIII")
_OPTION_REPLY_MAGIC = 0x3E889045565A9
_REQUEST = struct.Struct(">IHHQQI")
_REQUEST_MAGIC = 0x25609513
_REPLY = struct.Struct(">IIQ")
_REPLY_MAGIC = 0x67446698
_OPT_GO = 7
_OPT_ABORT = 2
_REP_ACK = 1
_REP_INFO = 3
_REP_ERR_UNSUP = 1 << 31 | 1
_EINVAL = 22
_LARGEST = 32 << 20


class _Flag(IntFlag):
    HAS_FLAGS = 1
    FLUSH = 4
    FUA = 8
    TRIM = 32
    WRITE_ZEROES = 64


class _Command(IntEnum):
    READ = 0
    WRITE = 1
    DISCONNECT = 2
    FLUSH = 3
    TRIM = 4
    WRITE_ZEROES = 6


class NbdServer:
    """Serves ``store`` at the abstract socket ``address`` to one client after the other."""

    def __init__(self, store: VolatileStore, address: str) -> None:
        self.address = address
        self._store = store
        self._lock = threading.Lock()
        self._power = True
        self._last_write: int | None = None
        self._on_power_lost: Callable[[], None] = lambda: None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(f"\0{address}")
        self._listener.listen(1)
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name=f"nbd {address}", daemon=True)
        self._thread.start()

    def cut_power(self) -> None:
        """From now on nothing is taken in or answered. What was answered was answered before."""
        with self._lock:
            self._power = False

    def cut_power_after(self, write: int, then: Callable[[], None]) -> None:
        """Cut it with the write of that number, before that is answered; then call ``then``."""
        with self._lock:
            self._last_write, self._on_power_lost = write, then

    def close(self) -> None:
        """End; twice is fine."""
        self.cut_power()
        for sock in (self._listener, self._client):
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                self._client, _ = self._listener.accept()
            except OSError:
                return
            with self._client, suppress(OSError, EOFError):
                if _handshake(self._client, self._store.size):
                    self._transmit(self._client)

    def _transmit(self, client: socket.socket) -> None:
        while True:
            # A flush is about what was answered before it was asked for, and not about the writes
            # that came with it. So all that has come is taken in before anything is answered.
            with self._lock:
                if not self._power:
                    return
                answered = self._store.writes
            replies = []
            for request in _requests(client):
                if request is None:
                    return
                with self._lock:
                    if not self._power:
                        return
                    replies.append(self._carry_out(request, answered))
                    lost = self._last_write is not None and self._store.writes >= self._last_write
                    self._power = not lost
                if lost:
                    self._on_power_lost()
                    return
            with self._lock:
                if self._power:
                    client.sendall(b"".join(replies))

    def _carry_out(self, request: _Request, answered: int) -> bytes:
        store, data, error = self._store, b"", 0
        offset, length = request.offset, request.length
        if offset % PAGE or length % PAGE or offset + length > store.size:
            error = _EINVAL
        elif request.command == _Command.READ:
            data = store.read(offset, length)
        elif request.command == _Command.WRITE:
            store.write(offset, request.data, request.fua)
        elif request.command == _Command.FLUSH:
            store.flush(answered)
        elif request.command in (_Command.TRIM, _Command.WRITE_ZEROES):
            store.zero(offset, length, request.fua)
        else:
            error = _EINVAL
        return _REPLY.pack(_REPLY_MAGIC, error, request.handle) + data


class _Request:
    def __init__(self, client: socket.socket) -> None:
        magic, flags, self.command, self.handle, self.offset, self.length = _REQUEST.unpack(
            _receive(client, _REQUEST.size)
        )
        if magic != _REQUEST_MAGIC or (self.command == _Command.WRITE and self.length > _LARGEST):
            raise EOFError
        self.fua = bool(flags & 1)
        self.data = b""
        if self.command == _Command.WRITE:
            self.data = _receive(client, self.length)


def _requests(client: socket.socket) -> Iterator[_Request | None]:
    """The next request, awaited, and all others that have come already; None to end."""
    while True:
        request = _Request(client)
        yield None if request.command == _Command.DISCONNECT else request
        if not select.select([client], [], [], 0)[0]:
            return


def _handshake(client: socket.socket, size: int) -> bool:
    """Whether the client wants to go on."""
    client.sendall(_HELLO)
    _receive(client, 4)
    while True:
        _, option, length = _OPTION.unpack(_receive(client, _OPTION.size))
        _receive(client, length)
        if option == _OPT_GO:
            flags = _Flag.HAS_FLAGS | _Flag.FLUSH | _Flag.FUA | _Flag.TRIM | _Flag.WRITE_ZEROES
            export = struct.pack(">HQH", 0, size, flags)
            blocks = struct.pack(">HIII", 3, PAGE, PAGE, _LARGEST)
            for info in (export, blocks):
                client.sendall(_option_reply(option, _REP_INFO, info))
            client.sendall(_option_reply(option, _REP_ACK))
            return True
        client.sendall(_option_reply(option, _REP_ACK if option == _OPT_ABORT else _REP_ERR_UNSUP))
        if option == _OPT_ABORT:
            return False


def _option_reply(option: int, kind: int, data: bytes = b"") -> bytes:
    return _OPTION_REPLY.pack(_OPTION_REPLY_MAGIC, option, kind, len(data)) + data


def _receive(client: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        data = client.recv(min(length - len(parts), 1 << 20))
        if not data:
            raise EOFError
        parts += data
    return bytes(parts)
