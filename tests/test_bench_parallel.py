# SPDX-License-Identifier: MIT
"""What two targets do in turn, and how that is summed up and shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from vmtest import cli_bench_parallel
from vmtest.accel import Accelerator
from vmtest.bench import equipment, machine
from vmtest.bench.guest import system, turns
from vmtest.bench.parallel import Parallel, Spread, Turn, with_queues
from vmtest.bench.plan import Row
from vmtest.bench.targets import named
from vmtest.cli import _app
from vmtest.errors import SetupError

ROW = Row("randread", 4096, 16)
TIMES = {"50": 100_000, "99": 900_000, "99.9": 2_000_000}


def found(*rounds: tuple[float, float]) -> Parallel:
    """Rounds of I/Os per second: of the base, of the other."""
    turns = [
        Turn(target, ROW, iops, TIMES, 0.5)
        for pair in rounds
        for target, iops in zip(("a", "b"), pair, strict=True)
    ]
    return Parallel("6.12", "tcg", 2, jobs=4, queues=2, base="a", other="b", turns=turns)


def test_the_ratio_is_of_turns_of_the_same_round() -> None:
    # Over all of them it would be 200 / 100.
    assert found((100, 110), (200, 240), (50, 65)).ratio(ROW) == Spread(1.2, 1.1, 1.3)


def test_figures_are_medians_of_the_rounds() -> None:
    seen = found((1, 10), (2, 30), (3, 20))
    assert seen.iops("b", ROW) == Spread(20, 10, 30)
    assert seen.percentile("b", ROW, "99") == 900_000
    assert seen.switches("b", ROW) == 0.5


def test_the_table_has_a_ratio_for_each_row() -> None:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(cli_bench_parallel.table(found((100, 110))))
    last = capture.get().splitlines()[-1].split()
    assert last == ["b", "110", "100", "900", "2,000", "0.50", "1.10", "1.10", "…", "1.10"]


def test_the_file_holds_all_turns() -> None:
    values = json.loads(found((100, 110)).to_json())
    assert [turn["iops"] for turn in values["turns"]] == [100, 110]


@pytest.mark.parametrize("name", ["ublk-ram", "zosbd2-ram"])
def test_servers_of_several_queues_are_told_how_many(name: str) -> None:
    assert "--queues=3" in with_queues(named([name])[0], 3).server


def test_a_module_of_several_queues_is_told_how_many() -> None:
    assert with_queues(named(["null_blk"])[0], 3).parameters[-1] == "submit_queues=3"


def test_a_target_with_one_queue_is_refused() -> None:
    with pytest.raises(SetupError, match="brd has one queue"):
        with_queues(named(["brd"])[0], 2)


def fio_output(error: int = 0) -> str:
    """As fio prints of reads, with a note in front."""
    times: dict[str, Any] = {"percentile": {"50.000000": 7, "99.900000": 9}}
    none: dict[str, Any] = {"total_ios": 0, "iops": 0.0, "clat_ns": {}}
    read = {"total_ios": 5, "iops": 2.5, "clat_ns": times}
    return "note: x\n" + json.dumps({"jobs": [{"error": error, "read": read, "write": none}]})


def test_what_fio_printed_is_of_the_direction_that_was_used() -> None:
    assert turns.outcome(fio_output()) == {"iops": 2.5, "percentiles": {"50": 7, "99.9": 9}}


def test_a_job_that_failed_is_no_figure() -> None:
    with pytest.raises(system.Failed, match="fio failed"):
        turns.outcome(fio_output(error=5))


def test_kvm_is_used_where_it_works() -> None:
    assert machine.parallel(Accelerator("kvm", "it runs"), 2).cpu == "host"
    assert "tcg,thread=multi" in machine.parallel(Accelerator("tcg", "no"), 2).arguments


@pytest.mark.parametrize("words", [["ublk-ram"], ["zosbd2"], ["brd", "loop", "nbd"]])
def test_it_takes_two(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equipment, "prepare", lambda *_: pytest.fail("it was built"))
    outcome = CliRunner().invoke(_app, ["bench-parallel", *words])
    assert "two targets take turns" in str(outcome.exception)
