# SPDX-License-Identifier: MIT
"""The benchmark measures, and measures the same again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vmtest.bench import equipment
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
