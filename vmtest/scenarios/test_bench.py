# SPDX-License-Identifier: MIT
"""The benchmarks measure, and the one that counts measures the same again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vmtest import accel
from vmtest.bench import equipment, parallel
from vmtest.bench.measure import measure
from vmtest.bench.plan import Row
from vmtest.bench.result import Result
from vmtest.bench.targets import named
from vmtest.pytest_plugin import Session

ROW = Row("randread", 4096, 1)


@pytest.fixture
def made(vmtest_session: Session) -> equipment.Equipment:
    """What is measured, built."""
    if not vmtest_session.default.kernel.image.recipe.default:
        pytest.skip("the benchmark has a kernel of its own: the default one")
    return equipment.prepare(vmtest_session.say)


def test_an_io_costs_the_same_in_two_guests(made: equipment.Equipment) -> None:
    target = replace(named(["zosbd2-classic"])[0], slowness=20)

    def once() -> Result:
        return measure(made, [target], [ROW], [])

    first, second = once(), once()
    cost = first.cost(target.name, ROW)
    assert first == second
    # Less than nothing but fio and io_uring, or as much as a server in Python, is no measurement.
    assert cost is not None
    assert 5_000 < cost < 60_000


def test_two_targets_take_turns(made: equipment.Equipment) -> None:
    base, other = named(["ublk-ram", "zosbd2-ram"])
    found = parallel.measure(
        made, accel.probe(made.kernel), (base, other), [Row("randwrite", 4096, 16)],
        rounds=1, jobs=2, queues=2, seconds=1,
    )  # fmt: skip
    assert [turn.target for turn in found.turns] == ["ublk-ram", "zosbd2-ram"]
    for turn in found.turns:
        assert turn.iops > 100
        assert 0 < turn.percentiles["50"] <= turn.percentiles["99.9"]
