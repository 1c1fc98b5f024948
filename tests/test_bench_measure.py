# SPDX-License-Identifier: MIT
"""Which guests measure what, and that one that fails ends the others."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from vmtest.bench import measure
from vmtest.bench.plan import Row
from vmtest.bench.result import Figure, Workload
from vmtest.bench.targets import named

ROWS = [Row(pattern, 4096, depth) for pattern in ("randread", "randwrite") for depth in (1, 16)]


class _Machine:
    """Says what it is told to; or nothing, until it is ended."""

    def __init__(self, part: tuple[list[Row], list[str]], fails: bool, hangs: bool) -> None:
        self._part = part
        self._fails = fails
        self._hangs = hangs
        self._ended = threading.Event()
        self.was_ended = True

    def end(self) -> None:
        self._ended.set()

    def failed(self, message: str) -> Exception:
        return RuntimeError(message)

    def lines(self, _timeout: float) -> Iterator[str]:
        rows, workloads = self._part
        if self._hangs:
            self.was_ended = self._ended.wait(5)
            return
        yield json.dumps({"event": "begin", "what": "setting up"})
        if self._fails:
            yield json.dumps({"event": "failure", "text": "broken"})
        for row in rows:
            count = row.queue_depth + 0.06
            yield json.dumps({"event": "row", "row": vars(row), "instructions": count})
        for name in workloads:
            yield json.dumps({"event": "workload", "name": name, "instructions": 7})
        yield json.dumps({"event": "end"})


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What was asked of guests that are none; which pattern ``fails`` and which ``hangs``."""
    seen: dict[str, Any] = {"asked": [], "machines": [], "fails": None, "hangs": None}
    lock = threading.Lock()

    def initramfs(_target: object, rows: list[Row], workloads: list[str], _effort: int) -> Any:
        return SimpleNamespace(archive=lambda: (rows, workloads))

    @contextmanager
    def running(_hardware: object, _kernel: object, part: Any) -> Iterator[_Machine]:
        rows, workloads = part
        name = rows[0].pattern if rows else workloads[0]
        with lock:
            seen["asked"].append((rows, workloads))
        machine = _Machine(part, name == seen["fails"], name == seen["hangs"])
        seen["machines"].append(machine)
        yield machine

    monkeypatch.setattr(measure, "running", running)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    seen["equipment"] = SimpleNamespace(
        image=SimpleNamespace(release="6.12"), kernel=None, initramfs=initramfs
    )
    return seen


def test_a_guest_measures_what_one_fio_does_or_a_workload(guests: dict[str, Any]) -> None:
    found = measure.measure(guests["equipment"], named(["brd"]), ROWS, ["mkfs.ext4", "files"])
    asked = sorted(guests["asked"], key=str)
    assert asked == sorted(
        [(ROWS[:2], []), (ROWS[2:], []), ([], ["mkfs.ext4"]), ([], ["files"])], key=str
    )
    # In the order of what was asked for, whichever guest was the first.
    assert found.figures == [Figure("brd", row, row.queue_depth + 0.1) for row in ROWS]
    assert found.workloads == [Workload("brd", name, 7) for name in ("mkfs.ext4", "files")]


def test_what_keeps_no_data_has_no_workloads(guests: dict[str, Any]) -> None:
    found = measure.measure(guests["equipment"], named(["null_blk"]), ROWS[:1], ["files"])
    assert (guests["asked"], found.workloads) == ([(ROWS[:1], [])], [])


def test_a_guest_that_fails_ends_the_others(guests: dict[str, Any]) -> None:
    guests.update(fails="randwrite", hangs="randread")
    with pytest.raises(measure.MeasuringFailed, match="brd could not be measured:\nbroken"):
        measure.measure(guests["equipment"], named(["brd"]), ROWS, ["mkfs.ext4", "files"])
    assert all(machine.was_ended for machine in guests["machines"])
    assert len(guests["asked"]) <= 3, "guests were started after one had failed"


def test_a_guest_that_starts_after_the_end_is_ended(guests: dict[str, Any]) -> None:
    late = measure._Guests(guests["equipment"], "cpu", 1)
    late.end()
    guests.update(hangs="randread")
    part = next(measure._parts(named(["brd"])[0], ROWS, []))
    with pytest.raises(RuntimeError, match="the guest ended before brd was measured"):
        late.ask(part, lambda _text: None, "late")
    assert guests["machines"][0].was_ended
