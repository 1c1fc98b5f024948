# SPDX-License-Identifier: MIT
"""What is measured, what comes of it, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from vmtest.bench import compare, equipment, measure, table
from vmtest.bench.equipment import Equipment
from vmtest.bench.guest import clock, fio
from vmtest.bench.measure import MeasuringFailed
from vmtest.bench.plan import Amount, Contest, Disk, Plan, Row
from vmtest.bench.result import Figure, Result, Workload
from vmtest.bench.targets import TARGETS, named
from vmtest.cli import _app
from vmtest.errors import SetupError
from vmtest.images import TOP

ROW = Row("randread", 4096, 1)
DEEP = Row("randread", 4096, 16)


def result(cost: float = 18_000.0, work: int = 40_000_000) -> Result:
    """Figures of four targets, ``cost`` and ``work`` being ours."""
    figures = [
        Figure(name, row, figure)
        for name, figure in (("null_blk", 8000.0), ("ublk-ram", 20000.0), ("zosbd2-classic", cost))
        for row in (ROW, DEEP)
    ]
    return Result("6.12", "Nehalem", figures, [Workload("zosbd2-classic", "files", work)])


def printed(*what: object) -> str:
    """As on a wide terminal."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(*what)
    return capture.get()


def test_a_plan_survives_the_way_to_the_guest() -> None:
    disk = Disk(
        modules=[["/x.ko", "a=1"]], preparations=[["true"]], server=["server"], ready="ready",
        node="/dev/x",
    )  # fmt: skip
    plan = Plan(disk, [ROW, DEEP], ["files"], Amount(2, 3), profiled=True)
    assert Plan.from_json(plan.to_json()) == plan
    contest = Contest({"a": disk, "b": disk}, [ROW], rounds=3, jobs=4, seconds=2)
    assert Contest.from_json(contest.to_json()) == contest


def test_slow_targets_do_less_and_more_effort_does_more() -> None:
    few, many = Amount().counts(ROW)
    assert few < many
    assert Amount(slowness=10).counts(ROW) == (few // 10, few // 10 + (many - few) // 10)
    assert Amount(effort=3).counts(ROW) == (few, few + (many - few) * 3)


def test_the_shortest_job_fills_the_queue() -> None:
    assert Amount(slowness=100).counts(Row("read", 4096, 64))[0] >= 64


def test_what_is_out_of_the_way_does_not_count() -> None:
    assert fio.middle_mean([10, 12, 90, 11, 1]) == 11
    assert fio.middle_mean([7]) == 7


def test_large_blocks_are_fewer() -> None:
    assert Amount().counts(Row("read", 128 << 10, 1))[1] < Amount().counts(ROW)[1]


def test_targets_have_names_of_their_own() -> None:
    names = [target.name for target in TARGETS]
    assert len(set(names)) == len(names)


def test_a_target_is_found_by_its_name_or_a_part_of_it() -> None:
    assert [target.name for target in named(["zosbd2-classic"])] == ["zosbd2-classic"]
    assert {target.name for target in named(["ublk"])} == {"ublk-null", "ublk-ram"}
    assert named([]) == list(TARGETS)


def test_an_unknown_target_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SetupError, match=r"zosbd3.*\n.*null_blk, brd"):
        named(["zosbd3"])


def test_the_time_of_the_cpu_is_the_seventh_number_of_its_line() -> None:
    text = "version 16\ntimestamp 1\ncpu0 0 0 0 0 0 0 4724973944 1849172293 3490\ndomain0 1\n"
    assert clock.parse(text) == 4724973944


def test_time_that_is_not_told_is_an_error() -> None:
    with pytest.raises(ValueError, match="no cpu0"):
        clock.parse("version 16\n")


def test_rows_that_differ_in_depth_are_measured_by_one_fio() -> None:
    rows = [ROW, DEEP, Row("randwrite", 4096, 1), Row("randwrite", 131072, 1)]
    assert [len(group) for group in fio.groups(rows)] == [2, 1, 1]


def test_notes_of_fio_are_passed_over_and_failed_jobs_do_not_count() -> None:
    job: dict[str, Any] = {"read": {"total_ios": 7}, "write": {"total_ios": 0}}
    jobs = [{"jobname": "a", "error": 0, **job}, {"jobname": "b", "error": 5, **job}]
    assert fio.done("a : saving output\n" + json.dumps({"jobs": jobs})) == {"a": 7}


def test_the_file_has_the_shape_that_is_documented() -> None:
    values = json.loads(result().to_json())
    assert values["kernel"] == "6.12"
    assert values["rows"][0] == {
        "target": "null_blk",
        "pattern": "randread",
        "block_size": 4096,
        "queue_depth": 1,
        "instructions_per_io": 8000.0,
    }
    assert Result.from_json(result().to_json()) == result()


def test_the_table_has_ratios_to_the_least_and_to_ublk() -> None:
    text = printed(*table.tables(result()))
    ours = next(line for line in text.splitlines() if line.startswith("zosbd2-classic"))
    assert ours.split()[1:4] == ["18,000", "2.25", "0.90"]


def test_a_ratio_to_what_was_not_measured_is_left_out() -> None:
    alone = Result("6.12", "Nehalem", [Figure("zosbd2-classic", ROW, 18000.0)], [])
    ours = printed(*table.tables(alone)).splitlines()[-1]
    assert ours.split() == ["zosbd2-classic", "18,000"]


def test_a_target_without_data_is_compared_with_ublk_without_data() -> None:
    assert table.rival("null_blk") == "ublk-null"
    assert table.rival("zosbd2-classic") == "ublk-ram"


def test_only_what_has_grown_by_more_than_the_threshold_is_worse() -> None:
    found = compare.Comparison(compare.changes(result(18_000, 100), result(18_300, 103)), [])
    assert [change.what for change in found.worse(0.02)] == ["files"]
    assert found.worse(0.035) == []


def test_figures_that_are_measured_again_take_the_place_of_the_first() -> None:
    again = Result("6.12", "Nehalem", [Figure("zosbd2-classic", DEEP, 1.0)], [])
    updated = result().updated(again)
    assert updated.cost("zosbd2-classic", DEEP) == 1.0
    assert updated.cost("zosbd2-classic", ROW) == 18_000.0
    assert updated.workloads == result().workloads


@pytest.fixture
def revisions(tmp_path: Path) -> tuple[Equipment, Equipment]:
    """Builds of two revisions that nobody looks into."""
    image: Any = None
    first, second = (
        Equipment(image, tmp_path, tmp_path / name, tmp_path / "user", tmp_path / "ublk")
        for name in ("before", "after")
    )
    return first, second


def measured(
    monkeypatch: pytest.MonkeyPatch, costs: dict[tuple[str, int], float]
) -> list[tuple[str, int]]:
    """Let measuring be looking up: revision and effort to cost. Returns what was asked for."""
    asked = []

    def look_up(
        made: Equipment, _targets: object, rows: list[Row], *_: object, effort: int = 1
    ) -> Result:
        asked.append((made.module.name, effort))
        cost = costs.get((made.module.name, effort))
        if cost is None:
            raise MeasuringFailed("no such option")
        return Result("6.12", "Nehalem", [Figure("zosbd2-classic", row, cost) for row in rows], [])

    monkeypatch.setattr(compare, "measure", look_up)
    return asked


def compared(revisions: tuple[Equipment, Equipment]) -> compare.Comparison:
    return compare.compare(*revisions, named(["zosbd2-classic"]), [ROW], [], 0.02)


def test_a_figure_that_looks_worse_is_measured_again_of_more(
    revisions: tuple[Equipment, Equipment], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = measured(monkeypatch, {("before", 1): 100, ("after", 1): 103,
                                   ("before", 4): 100, ("after", 4): 101})  # fmt: skip
    assert compared(revisions).worse(0.02) == []
    assert asked == [("before", 1), ("after", 1), ("before", 4), ("after", 4)]


def test_a_figure_that_is_worse_twice_is_worse(
    revisions: tuple[Equipment, Equipment], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(monkeypatch, {("before", 1): 100, ("after", 1): 103,
                           ("before", 4): 100, ("after", 4): 103})  # fmt: skip
    assert len(compared(revisions).worse(0.02)) == 1


def test_a_figure_that_is_no_worse_is_measured_once(
    revisions: tuple[Equipment, Equipment], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = measured(monkeypatch, {("before", 1): 100, ("after", 1): 90})
    assert compared(revisions).worse(0.02) == []
    assert len(asked) == 2


def test_the_same_builds_are_not_measured(
    revisions: tuple[Equipment, Equipment], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = measured(monkeypatch, {})
    found = compare.compare(revisions[0], revisions[0], named(["zosbd2"]), [ROW], [], 0.02)
    assert (found.changes, asked) == ([], [])


def test_a_target_that_the_other_revision_lacks_is_new(
    revisions: tuple[Equipment, Equipment], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(monkeypatch, {("after", 1): 100})
    assert compared(revisions).new == ["zosbd2-classic"]


def test_a_revision_is_checked_out_as_far_as_it_is_measured() -> None:
    with compare.checked_out("HEAD") as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["kmod", "userspace"]
        assert (folder / "kmod/Kbuild").read_text() == (TOP / "kmod/Kbuild").read_text()


def test_a_revision_that_is_none_is_named() -> None:
    with pytest.raises(SetupError, match="no-such-branch"), compare.checked_out("no-such-branch"):
        pass


class FakeMachine:
    """Says what it was given."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self._events = events

    def lines(self, _timeout: float) -> Iterator[str]:
        yield from map(json.dumps, self._events)

    def failed(self, message: str) -> Exception:
        return MeasuringFailed(message)


def test_a_failure_in_the_guest_is_told_with_its_text() -> None:
    machine: Any = FakeMachine({"event": "failure", "text": "insmod: no such file"})
    with pytest.raises(MeasuringFailed, match="brd could not be measured:\ninsmod"):
        list(measure.events(machine, "brd"))


def test_a_guest_that_ends_early_is_a_failure() -> None:
    machine: Any = FakeMachine({"event": "begin", "what": "setting up"})
    with pytest.raises(MeasuringFailed, match="ended before brd was measured"):
        list(measure.events(machine, "brd"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pattern", "trim"], "no pattern trim"),
        (["--block-size", "8k"], "no block size 8k"),
        (["--profile"], "a profile is of one row of one target"),
        (["nothing-like-this"], "no target has"),
    ],
)
def test_a_wrong_choice_is_named_before_anything_is_built(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equipment, "prepare", lambda *_: pytest.fail("it was built"))
    outcome = CliRunner().invoke(_app, ["bench", *arguments])
    assert isinstance(outcome.exception, SetupError)
    assert message in str(outcome.exception)
