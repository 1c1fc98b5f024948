# SPDX-License-Identifier: MIT
"""The minimiser of the fuzzer: it finds the calls that matter, and no fewer."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmtest.fuzz.minimise import GivenUp, Script, length, minimise, parse, reduce, render


def calls_of(script: Script) -> list[str]:
    return [call for program in script for call in program]


def test_a_script_survives_being_written_and_read() -> None:
    script: Script = (("setup create fd=0", "3 io fd=2"), ("0 die how=1",))
    assert parse(render(script, "title\n\nmore")) == script


@given(st.integers(20, 90), st.sets(st.integers(0, 19), min_size=1, max_size=5))
def test_what_is_left_is_what_is_needed(count: int, needed: set[int]) -> None:
    items = list(range(count))
    assert set(reduce(items, lambda some: needed <= set(some))) == needed


@pytest.mark.parametrize("seed", range(5))
def test_the_last_programs_and_the_right_calls_are_found(seed: int) -> None:
    chance = random.Random(seed)
    script = tuple(tuple(f"{n} call{p}" for n in range(9)) for p in range(30))
    needed = {chance.choice(script[27]), chance.choice(script[29])}

    short = minimise(script, lambda some: needed <= set(calls_of(some)))

    assert short is not None
    assert set(calls_of(short)) == needed
    assert len(short) == 2, "what was in two programs stays in two"


def test_it_stops_when_the_script_is_short_enough() -> None:
    script: Script = (tuple(f"0 call{n}" for n in range(64)),)

    short = minimise(script, lambda some: "0 call7" in calls_of(some), enough=20)

    assert short is not None
    assert 2 <= length(short) <= 20


def test_what_does_not_fail_again_is_not_minimised() -> None:
    assert minimise((("0 ping fd=0",),), lambda _script: False) is None


def test_counts_get_smaller() -> None:
    script: Script = (("0 storm fd=2 role=0 count=100 seed=7",),)

    def fails(some: Script) -> bool:
        return int(calls_of(some)[0].partition("count=")[2].partition(" ")[0]) >= 20

    short = minimise(script, fails)
    assert short == (("0 storm fd=2 role=0 count=25 seed=7",),)


def test_a_storm_is_written_out_and_made_smaller_in_turn() -> None:
    storm: Script = (("0 storm fd=2 role=0 count=1 seed=7",),)
    written: Script = (tuple(f"0 call{n}" for n in range(20)),)

    short = minimise(storm, lambda some: some == storm or "0 call7" in calls_of(some),
                     lambda _script: written)  # fmt: skip

    assert short == (("0 call7",),)


def test_the_best_so_far_is_kept_when_time_is_up() -> None:
    script: Script = (tuple(f"0 call{n}" for n in range(64)),)
    trials = 0

    def fails(some: Script) -> bool:
        nonlocal trials
        trials += 1
        if trials > 4:
            raise GivenUp
        return "0 call1" in calls_of(some)

    short = minimise(script, fails)
    assert short is not None
    assert 1 < len(calls_of(short)) < 64
