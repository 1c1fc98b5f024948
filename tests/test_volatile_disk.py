# SPDX-License-Identifier: MIT
"""The disk with a volatile cache, and what may be found on it after a power cut."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from vmtest.disks import PAGE, Disk, VolatileStore, crash_image

SIZE = 64 * PAGE
SEEDS = range(300)


def page(byte: int, count: int = 1) -> bytes:
    return bytes([byte]) * PAGE * count


@pytest.fixture
def store() -> VolatileStore:
    return VolatileStore(SIZE)


def found(store: VolatileStore, number: int, seeds: range = SEEDS) -> set[int]:
    """First bytes of a page over all crash images."""
    return {crash_image(store, seed).store.read(number * PAGE, PAGE)[0] for seed in seeds}


def test_reads_give_what_was_written_last(store: VolatileStore) -> None:
    store.write(0, page(1, 3))
    store.flush()
    store.write(PAGE, page(2))
    store.zero(2 * PAGE, PAGE)
    assert store.read(0, 4 * PAGE) == page(1) + page(2) + page(0, 2)


def test_a_write_that_was_flushed_is_in_every_image(store: VolatileStore) -> None:
    store.write(0, page(1))
    store.flush()
    assert found(store, 0) == {1}


def test_a_write_that_was_not_flushed_is_in_some_images(store: VolatileStore) -> None:
    store.write(0, page(1))
    assert found(store, 0) == {0, 1}


def test_a_flush_is_about_the_writes_that_were_answered_before_it(store: VolatileStore) -> None:
    store.write(0, page(1))
    store.write(PAGE, page(1))
    store.flush(last=1)
    assert found(store, 0) == {1}
    assert found(store, PAGE // PAGE) == {0, 1}


def test_any_version_since_the_flush_may_survive(store: VolatileStore) -> None:
    for byte in (1, 2, 3, 4):
        store.write(0, page(byte))
        if byte == 2:
            store.flush()
    assert found(store, 0) == {2, 3, 4}


def test_a_fua_write_is_durable_and_nothing_older_comes_back(store: VolatileStore) -> None:
    store.write(0, page(1))
    store.write(0, page(2), fua=True)
    assert found(store, 0) == {2}


def test_a_discard_is_volatile_too(store: VolatileStore) -> None:
    store.write(0, page(1))
    store.flush()
    store.zero(0, PAGE)
    assert found(store, 0) == {0, 1}
    store.flush()
    assert found(store, 0) == {0}


def test_a_write_of_several_pages_can_be_torn_anywhere(store: VolatileStore) -> None:
    store.write(0, page(1, 4))
    states = {
        tuple(crash_image(store, seed).store.read(at * PAGE, 1 * PAGE)[0] for at in range(4))
        for seed in range(1000)
    }
    assert {(0, 0, 0, 0), (1, 1, 1, 1), (1, 0, 0, 0), (1, 1, 1, 0), (0, 1, 0, 1)} <= states


def test_the_same_seed_gives_the_same_image(store: VolatileStore) -> None:
    for at in range(40):
        store.write(at % 8 * PAGE, page(at + 1, 4))
    one, other = (crash_image(store, 7) for _ in range(2))
    assert one.store.read(0, SIZE) == other.store.read(0, SIZE)
    assert (one.whole, one.torn, one.lost) == (other.whole, other.torn, other.lost)
    assert len({crash_image(store, seed).store.read(0, SIZE) for seed in range(50)}) > 20


def test_an_image_counts_what_became_of_the_writes(store: VolatileStore) -> None:
    for at in range(20):
        store.write(at * PAGE, page(1, 2))
    image = crash_image(store, 3)
    assert image.whole + image.torn + image.lost == 20


def test_a_disk_is_saved_as_a_sparse_file(store: VolatileStore, tmp_path: Path) -> None:
    store.write(5 * PAGE, page(7))
    store.save(tmp_path / "image")
    assert (tmp_path / "image").read_bytes() == page(0, 5) + page(7) + page(0, 58)


class Client:
    """As much of an NBD client as the tests need."""

    def __init__(self, disk: Disk) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        server = disk.blockdev["server"]
        assert isinstance(server, dict)
        self.sock.connect(f"\0{server['path']}")
        self.take(18)
        self.sock.sendall(struct.pack(">I8sIIIH", 3, b"IHAVEOPT", 7, 6, 0, 0))
        kind = 0
        while kind != 1:
            _, _, kind, length = struct.unpack(">QIII", self.take(20))
            self.take(length)

    def take(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self.sock.recv(length - len(data))
            assert part, "the server hung up"
            data += part
        return data

    def request(self, command: int, offset: int, data: bytes | int = b"", flags: int = 0) -> bytes:
        length = data if isinstance(data, int) else len(data)
        head = struct.pack(">IHHQQI", 0x25609513, flags, command, 9, offset, length)
        return head + (b"" if isinstance(data, int) else data)

    def ask(self, request: bytes, length: int = 0) -> bytes:
        self.sock.sendall(request)
        magic, error, handle = struct.unpack(">IIQ", self.take(16))
        assert (magic, error, handle) == (0x67446698, 0, 9)
        return self.take(length)


@pytest.fixture
def disk() -> Iterator[Disk]:
    with Disk.blank(SIZE) as disk:
        yield disk


@pytest.fixture
def client(disk: Disk) -> Client:
    return Client(disk)


READ, WRITE, FLUSH, ZERO = 0, 1, 3, 6


def test_a_client_reads_what_it_wrote(client: Client) -> None:
    client.ask(client.request(WRITE, PAGE, page(4, 2)))
    client.ask(client.request(ZERO, 2 * PAGE, PAGE))
    assert client.ask(client.request(READ, 0, 3 * PAGE), 3 * PAGE) == page(0) + page(4) + page(0)


def test_a_disk_serves_one_client_after_the_other(disk: Disk, client: Client) -> None:
    client.ask(client.request(WRITE, 0, page(4)))
    client.sock.close()
    other = Client(disk)
    assert other.ask(other.request(READ, 0, PAGE), PAGE) == page(4)


def test_a_flush_that_comes_with_a_write_is_not_about_it(disk: Disk, client: Client) -> None:
    client.ask(client.request(WRITE, 0, page(1)))
    client.sock.sendall(client.request(WRITE, PAGE, page(2)) + client.request(FLUSH, 0))
    client.take(32)
    assert found(disk.store, 0) == {1}
    assert found(disk.store, 1) == {0, 2}


def test_a_fua_write_of_a_client_is_durable(disk: Disk, client: Client) -> None:
    client.ask(client.request(WRITE, 0, page(1), flags=1))
    assert found(disk.store, 0) == {1}


def test_power_goes_with_a_write_that_is_never_answered(disk: Disk, client: Client) -> None:
    told: list[str] = []
    disk.cut_power_after(2, lambda: told.append("power lost"))
    client.ask(client.request(WRITE, 0, page(1)))
    assert not told
    client.sock.sendall(client.request(WRITE, PAGE, page(2)) + client.request(FLUSH, 0))
    with suppress(ConnectionResetError):
        assert client.sock.recv(1) == b""
    assert told == ["power lost"]
    assert disk.store.flushes == 0
    assert found(disk.store, 1) == {0, 2}
