# SPDX-License-Identifier: MIT
"""Every fixture gives exactly the reports its head names, however its lines are printed.

A fixture in fixtures/klog starts with lines of the form "#: key value":
  #: source real|written      from a guest, or made up in the format of that kernel
  #: <kind> <title>           one line for each expected report, in order; none if all is harmless
  #: fatal                    the guest died of the last one
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmtest.klog import Kind, LogParser, Report, distinct, parse

DIRECTORY = Path(__file__).parent / "fixtures" / "klog"


@dataclass(frozen=True)
class Fixture:
    name: str
    log: str
    expected: tuple[tuple[str, str], ...]
    fatal: bool


def load(path: Path) -> Fixture:
    head: list[str] = []
    body: list[str] = []
    with path.open(encoding="utf-8", newline="") as lines:
        for line in lines:
            if line.startswith("#: ") and not body:
                head.append(line[3:].rstrip("\r\n"))
            else:
                body.append(line)
    kinds = {kind.value for kind in Kind}
    expected = []
    for entry in head:
        kind, _, title = entry.partition(" ")
        if kind in kinds and title:
            expected.append((kind, title))
        elif kind not in ("source", "fatal"):
            raise ValueError(f"{path.name}: unknown header line: {entry}")
    return Fixture(path.stem, "".join(body), tuple(expected), "fatal" in head)


FIXTURES = [load(path) for path in sorted(DIRECTORY.glob("*.log"))]

every_fixture = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)

_PREFIX = re.compile(
    r"(?m)^(?:<\d+>|kern +:\w+ *: )*\[ *\d+\.\d{6}\](?:\[ *(?P<caller>[TC]\d+)\])? ?"
)


def titles(reports: list[Report]) -> list[tuple[str, str]]:
    return [(report.kind.value, report.title) for report in reports]


@every_fixture
def test_gives_the_expected_reports(fixture: Fixture) -> None:
    reports = parse(fixture.log)
    assert titles(reports) == list(fixture.expected)
    assert any(report.fatal for report in reports) == fixture.fatal


@every_fixture
def test_report_lines_are_where_the_report_says(fixture: Fixture) -> None:
    lines = fixture.log.split("\n")
    for report in parse(fixture.log):
        assert 1 <= report.start <= report.end <= len(lines)
        assert report.lines[0].strip() in lines[report.start - 1]
        assert report.lines[-1].strip() in lines[report.end - 1]


@every_fixture
def test_line_ends_of_a_serial_console_change_nothing(fixture: Fixture) -> None:
    assert titles(parse(fixture.log.replace("\n", "\r\r\n"))) == list(fixture.expected)


@every_fixture
def test_colours_change_nothing(fixture: Fixture) -> None:
    coloured = re.sub(
        r"(?m)^(?P<stamp>\[[^\]]+\])(?P<text>.*)$",
        "\x1b[32m\\g<stamp>\x1b[0m\x1b[1m\\g<text>\x1b[0m",
        fixture.log,
    )
    assert titles(parse(coloured)) == list(fixture.expected)


@every_fixture
@pytest.mark.parametrize(
    "prefix",
    ["<4>", "kern  :warn  : ", "Nov 23 22:28:06 guest kernel: ", "2026-11-23T22:28:06.1234567Z "],
)
def test_outer_prefixes_change_nothing(fixture: Fixture, prefix: str) -> None:
    if "kernel:" in prefix and "reboot" in fixture.name:
        pytest.skip("a file of syslogd goes on with the next boot")
    prefixed = re.sub(r"(?m)^(?=.)", lambda _: prefix, fixture.log)
    assert titles(parse(prefixed)) == list(fixture.expected)


@every_fixture
def test_works_without_time_stamps_and_caller_ids(fixture: Fixture) -> None:
    if len({match["caller"] for match in _PREFIX.finditer(fixture.log)}) > 1:
        pytest.skip("several contexts print at once: only their ids tell them apart")
    assert titles(parse(_PREFIX.sub("", fixture.log))) == list(fixture.expected)


@every_fixture
@pytest.mark.parametrize("before", ["> ", ">> > ", "    ", "\t"])
def test_quoting_in_a_mail_changes_nothing(fixture: Fixture, before: str) -> None:
    log = _PREFIX.sub("", fixture.log)
    if "boot" in fixture.name or "glued" in fixture.name:
        pytest.skip("seen where a console prints it only")
    assert titles(parse(re.sub(r"(?m)^", before, log))) == titles(parse(log))


@every_fixture
def test_other_console_text_between_the_lines_changes_nothing(fixture: Fixture) -> None:
    if not _PREFIX.search(fixture.log):
        pytest.skip("without time stamps nothing tells console text from the kernel's")
    noise = "WARNING: running as root\nroot@guest:~# ls\n[  OK  ] Started a service.\nBUG reports\n"
    noisy = noise + fixture.log.replace("\n", "\n" + noise)
    assert titles(parse(noisy)) == list(fixture.expected)


@every_fixture
def test_two_consoles_on_one_terminal_change_nothing(fixture: Fixture) -> None:
    twice = "".join(f"{line}\n{line}\n" for line in fixture.log.splitlines())
    assert titles(distinct(parse(twice))) == titles(distinct(parse(fixture.log)))


@every_fixture
def test_is_fed_in_single_characters(fixture: Fixture) -> None:
    parser = LogParser()
    reports = [report for char in fixture.log for report in parser.feed(char)] + parser.finish()
    assert sorted(reports, key=lambda report: report.start) == parse(fixture.log)


@every_fixture
def test_fatal_report_is_preceded_by_a_death(fixture: Fixture) -> None:
    parser = LogParser()
    parser.feed(fixture.log)
    if fixture.fatal:
        assert parser.death is not None


def test_a_report_cut_off_anywhere_keeps_its_kind_once_its_header_is_there() -> None:
    for fixture in FIXTURES:
        if len(fixture.expected) != 1 or fixture.expected[0][0] in ("refcount", "debug-objects"):
            continue
        [whole] = parse(fixture.log)
        lines = fixture.log.split("\n")
        half = parse("\n".join(lines[: whole.start + ((whole.end - whole.start) * 3 + 3) // 4]))
        assert len(half) == 1, fixture.name
