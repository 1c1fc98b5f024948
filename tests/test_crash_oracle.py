# SPDX-License-Identifier: MIT
"""The crash oracle's checker against a file system that is a model: legal crashes and others."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmtest.scenarios.guestlib.stamps import stamp_at, stamped
from vmtest.scenarios.oracle import Journal, Order, Verb, Verdict, check, plan
from vmtest.scenarios.oracle.orders import BLOCK, PROMISES

SYNCS = PROMISES - {Verb.WRITE_THROUGH}


def apply(orders: Iterable[Order]) -> dict[str, bytes]:
    """The files when these were carried out in full."""
    files: dict[str, bytearray] = {}
    for order in orders:
        path = f"w{order.worker}/{order.name}"
        match order.verb:
            case Verb.CREATE:
                files[path] = bytearray()
            case Verb.WRITE | Verb.WRITE_THROUGH:
                data = files[path]
                data.extend(bytes(max(0, order.end - len(data))))
                data[order.offset : order.end] = stamped(order.number, order.offset, order.length)
            case Verb.TRUNCATE:
                data = files[path]
                data.extend(bytes(max(0, order.length - len(data))))
                del data[order.length :]
            case Verb.RENAME:
                files[f"w{order.worker}/{order.to}"] = files.pop(path)
            case Verb.UNLINK:
                del files[path]
    return {path: bytes(data) for path, data in files.items()}


def journal_of(orders: Iterable[Order], done: Iterable[int]) -> Journal:
    journal = Journal()
    journal.intend(orders)
    for number in done:
        journal.acknowledge(number)
    return journal


def order(number: int, verb: Verb, name: str = "", **more: object) -> Order:
    """An order to worker 0; files are called by the number of their creation."""
    file = 0 if not name else int(name.strip("abcdefghij") or 1)
    return Order(number, 0, verb, file, name, **more)  # type: ignore[arg-type]


#: File 1, called "a", of two blocks by write 2, all of it promised.
PROMISED = (
    order(1, Verb.CREATE, "a"),
    order(2, Verb.WRITE, "a", length=2 * BLOCK),
    order(3, Verb.FSYNC, "a"),
    order(4, Verb.SYNC_DIRECTORY),
)
OLD = stamped(2, 0, 2 * BLOCK)


def verdict_on(
    later: Iterable[Order], files: dict[str, bytes], acknowledged: Iterable[int] = ()
) -> Verdict:
    """The check of ``files`` in w0 after the promise and ``later`` orders."""
    journal = journal_of([*PROMISED, *later], [1, 2, 3, 4, *acknowledged])
    return check(journal, {f"w0/{name}": data for name, data in files.items()})


OVERWRITE = order(5, Verb.WRITE, "a", offset=1000, length=3000)
NEW = OLD[:1000] + stamped(5, 1000, 3000) + OLD[4000:]
TORN = OLD[:1000] + stamped(5, 1000, 536) + OLD[1536:]
APPEND = order(5, Verb.WRITE, "a", offset=2 * BLOCK, length=BLOCK)
LONG = OLD + stamped(5, 2 * BLOCK, BLOCK)
SHRINK = order(5, Verb.TRUNCATE, "a", length=100)
RENAME = order(5, Verb.RENAME, "a", to="b")
THROUGH = order(5, Verb.WRITE_THROUGH, "a", offset=0, length=BLOCK)
THROUGH_DONE = stamped(5, 0, BLOCK) + OLD[BLOCK:]
OTHER = order(5, Verb.CREATE, "e5")


@pytest.mark.parametrize(
    ("later", "files"),
    [
        ([], {"a": OLD}),
        ([OVERWRITE], {"a": OLD}),
        ([OVERWRITE], {"a": NEW}),
        ([OVERWRITE], {"a": TORN}),
        ([APPEND], {"a": OLD}),
        ([APPEND], {"a": LONG}),
        ([APPEND], {"a": LONG[: 2 * BLOCK + 700]}),
        ([APPEND], {"a": OLD + bytes(BLOCK)}),
        ([SHRINK], {"a": OLD}),
        ([SHRINK], {"a": OLD[:100]}),
        ([RENAME], {"a": OLD}),
        ([RENAME], {"b": OLD}),
        ([THROUGH], {"a": OLD}),
        ([THROUGH], {"a": THROUGH_DONE}),
        ([order(5, Verb.UNLINK, "a")], {"a": OLD}),
        ([order(5, Verb.UNLINK, "a")], {}),
        ([OTHER], {"a": OLD}),
        ([OTHER], {"a": OLD, "e5": b""}),
        ([OTHER, order(6, Verb.RENAME, "e5", to="a")], {"a": b""}),
    ],
)
def test_what_was_intended_may_be_there_or_not(later: list[Order], files: dict[str, bytes]) -> None:
    verdict = verdict_on(later, files)
    assert not verdict.problems, verdict


@pytest.mark.parametrize(
    ("later", "done", "files", "problem"),
    [
        ([], [], {}, "w0/a: is missing (file 1)"),
        ([], [], {"a": b""}, "its length is 0 instead of 8192"),
        ([], [], {"a": OLD[:-1]}, "its length is 8191 instead of 8192"),
        ([], [], {"a": OLD, "b": b""}, "w0/b: nobody was to make it"),
        ([], [], {"a": bytes(2 * BLOCK)}, "bytes 0 to 8191: zeroes in 16 places"),
        ([], [], {"a": OLD[:5000] + b"?" + OLD[5001:]}, "bytes 4608 to 5119: write 2 in 1 places"),
        ([], [], {"a": OLD[BLOCK:] + OLD[:BLOCK]}, "something that nobody wrote"),
        (
            [OVERWRITE],
            [],
            {"a": stamped(5, 0, 2 * BLOCK)},
            "write 5 in 2 places instead of write 2",
        ),
        ([OVERWRITE, order(6, Verb.FSYNC, "a")], [5, 6], {"a": OLD}, "instead of write 5"),
        ([OVERWRITE, order(6, Verb.FSYNC, "a")], [5, 6], {"a": TORN}, "instead of write 5"),
        ([OVERWRITE, order(6, Verb.SYNC_ALL)], [5, 6], {"a": OLD}, "instead of write 5"),
        ([APPEND, order(6, Verb.FDATASYNC, "a")], [5, 6], {"a": OLD}, "8192 instead of 12288"),
        ([APPEND], [], {"a": LONG + b"1"}, "its length is 12289 instead of 8192 to 12288"),
        ([SHRINK], [], {"a": OLD[:99]}, "its length is 99 instead of 100 to 8192"),
        ([RENAME], [], {}, "file 1: is under none of its names"),
        ([RENAME], [], {"a": OLD, "b": OLD}, "file 1: has several names: a, b"),
        ([RENAME, order(6, Verb.SYNC_DIRECTORY)], [5, 6], {"a": OLD}, "w0/b: is missing"),
        ([RENAME, order(6, Verb.SYNC_DIRECTORY)], [5, 6], {"a": OLD}, "w0/a: it was removed"),
        ([THROUGH], [5], {"a": OLD}, "bytes 0 to 4095: write 2 in 8 places instead of write 5"),
        ([OTHER, order(6, Verb.RENAME, "e5", to="a")], [], {}, "w0/a: is missing (file 1 or 5)"),
    ],
)
def test_what_breaks_a_promise_or_was_never_intended_is_found(
    later: list[Order], done: list[int], files: dict[str, bytes], problem: str
) -> None:
    verdict = verdict_on(later, files, done)
    assert any(problem in found for found in verdict.problems), verdict


def test_a_write_through_that_was_acknowledged_promises_the_length_it_reached() -> None:
    longer = order(5, Verb.WRITE_THROUGH, "a", offset=2 * BLOCK, length=BLOCK)
    assert not verdict_on([longer], {"a": LONG}, [5]).problems
    assert not verdict_on([longer], {"a": OLD}).problems
    assert verdict_on([longer], {"a": OLD}, [5]).problems


def test_without_a_crash_everything_that_was_acknowledged_must_be_there() -> None:
    journal = journal_of([*PROMISED, OVERWRITE], [1, 2, 3, 4, 5])
    assert not check(journal, {"w0/a": OLD}).problems
    assert check(journal, {"w0/a": OLD}, crashed=False).problems
    assert not check(journal, {"w0/a": NEW}, crashed=False).problems


def test_a_sector_that_changes_while_it_is_written_is_a_mix_of_two_versions() -> None:
    cut = 1700
    mixed = OLD[:1000] + stamped(5, 1000, cut - 1000) + OLD[cut:]
    assert not verdict_on([OVERWRITE], {"a": mixed}).problems
    patched = mixed[: cut + 100] + stamped(5, cut + 100, 60) + mixed[cut + 160 :]
    assert verdict_on([OVERWRITE], {"a": patched}).problems


@given(seed=st.integers(0, 1000), length=st.integers(0, 120), acked=st.integers(0, 120))
def test_any_later_moment_is_legal(seed: int, length: int, acked: int) -> None:
    """As if the crash had come some orders after the last acknowledgement."""
    orders = list(itertools.islice(plan(seed, 2), max(length, acked)))
    journal = journal_of(orders, range(1, acked + 1))
    verdict = check(journal, apply(orders[: max(length, acked)]))
    assert not verdict.problems, verdict
    assert verdict.promises == sum(one.verb in PROMISES for one in orders[:acked])


@given(seed=st.integers(0, 1000), acked=st.integers(1, 150))
def test_nothing_but_what_was_synced_is_legal(seed: int, acked: int) -> None:
    """As if nothing had been written back but by syncs, with each of them a sync of everything."""
    orders = list(itertools.islice(plan(seed, 1), acked))
    synced = [one.number for one in orders if one.verb in SYNCS]
    changed = [Verb.SYNC_ALL if one.verb in SYNCS else one.verb for one in orders]
    orders = [
        Order(one.number, 0, verb, one.file, one.name, one.to, one.offset, one.length)
        for one, verb in zip(orders, changed, strict=True)
        if verb is not Verb.WRITE_THROUGH
    ]
    journal = journal_of(orders, range(1, acked + 1))
    base = max(synced, default=0)
    verdict = check(journal, apply(one for one in orders if one.number <= base))
    assert not verdict.problems, verdict


@given(seed=st.integers(0, 1000), number=st.integers(1, 150))
def test_any_lost_write_is_found(seed: int, number: int) -> None:
    orders = list(itertools.islice(plan(seed, 1), 150))
    journal = journal_of(orders, range(1, 151))
    whole = apply(orders)
    assert not check(journal, whole, crashed=False).problems
    lost = orders[number - 1]
    if lost.verb in {Verb.WRITE, Verb.WRITE_THROUGH}:
        broken = apply(one for one in orders if one is not lost)
        assert bool(check(journal, broken, crashed=False).problems) == (broken != whole)


@given(seed=st.integers(0, 1000), place=st.integers(0, 1 << 20))
def test_any_wrong_byte_is_found(seed: int, place: int) -> None:
    orders = list(itertools.islice(plan(seed, 1), 100))
    journal = journal_of(orders, range(1, 101))
    files = apply(orders)
    path, data = max(files.items(), key=lambda item: len(item[1]))
    at = place % len(data)
    wrong = bytes([data[at] ^ 0x10])
    assert check(journal, {**files, path: data[:at] + wrong + data[at + 1 :]}).problems


def test_a_journal_can_be_read_again(tmp_path: Path) -> None:
    orders = list(itertools.islice(plan(3, 2), 60))
    with Journal(tmp_path / "journal") as journal:
        journal.intend(orders)
        journal.acknowledge(7)
    again = Journal.load(tmp_path / "journal")
    assert again.orders == orders
    assert again.done == {7}


def test_a_plan_has_all_verbs_and_is_the_same_again() -> None:
    orders = list(itertools.islice(plan(1, 3), 3000))
    assert {one.verb for one in orders} == set(Verb)
    assert [one.number for one in orders] == list(range(1, 3001))
    assert orders == list(itertools.islice(plan(1, 3), 3000))


def test_content_tells_its_stamp() -> None:
    data = stamped(7, 1001, 5000)
    assert data == stamped(7, 0, 8000)[1001:6001]
    assert stamp_at(data, 1001) == 7
    assert stamp_at(data, 1017) is None
    assert stamp_at(bytes(100), 1001) == 0
