# SPDX-License-Identifier: MIT
"""Properties of the log parser on any input."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vmtest.klog import LogParser, Report, parse

_LOGS = [
    re.sub(r"(?m)^#: .*\n", "", path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "fixtures" / "klog").glob("*.log"))
]
_logs = st.sampled_from(_LOGS)
_lines = st.sampled_from(sorted({line for one in _LOGS for line in one.split("\n")}))
_text = st.text(max_size=400)
_HARMLESS = [
    "virtio_blk virtio0: [vda] 6291456 512-byte logical blocks (3.22 GB/3.00 GiB)",
    "EXT4-fs (vda): mounted filesystem ro with ordered data mode. Quota mode: none.",
    "zosbd2: loading out-of-tree module taints kernel.",
    "ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], AE_NOT_FOUND",
]


def in_chunks(text: str, cuts: list[int]) -> list[Report]:
    parser = LogParser()
    reports = []
    begin = 0
    for cut in sorted({cut % (len(text) + 1) for cut in cuts}):
        reports += parser.feed(text[begin:cut])
        begin = cut
    reports += parser.feed(text[begin:]) + parser.finish()
    return sorted(reports, key=lambda report: report.start)


@given(_text)
def test_never_raises(text: str) -> None:
    parse(text)


@given(st.lists(st.one_of(_lines, _text), max_size=60).map("\n".join))
@settings(deadline=None)
def test_never_raises_on_shuffled_reports(text: str) -> None:
    for report in parse(text):
        assert report.title
        assert 1 <= report.start <= report.end
        assert report.lines


@given(st.lists(_lines, max_size=60).map("\n".join), st.lists(st.integers(0, 10**6), max_size=12))
@settings(deadline=None)
def test_chunks_do_not_matter(text: str, cuts: list[int]) -> None:
    assert in_chunks(text, cuts) == parse(text)


@given(_logs, st.lists(st.integers(0, 10**6), max_size=12))
@settings(deadline=None)
def test_chunks_do_not_matter_for_fixtures(log: str, cuts: list[int]) -> None:
    assert in_chunks(log, cuts) == parse(log)


@given(
    st.sampled_from([one for one in _LOGS if one.startswith("[")]),
    st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(_HARMLESS)), max_size=8),
)
@settings(deadline=None)
def test_harmless_messages_of_another_context_change_no_title(
    log: str, insertions: list[tuple[int, str]]
) -> None:
    lines = log.split("\n")
    assume("Linux version" not in log)  # a later time before it would be a reboot
    has_caller = "][" in lines[0]
    for where, message in insertions:
        stamp = "[   99.000000]" + ("[T99999] " if has_caller else " ")
        lines.insert(where % len(lines), stamp + message)
    expected = [report.title for report in parse(log)]
    assert [report.title for report in parse("\n".join(lines))] == expected


@given(_logs, _logs)
@settings(deadline=None)
def test_two_logs_in_a_row_give_the_reports_of_both(one: str, two: str) -> None:
    if "Linux version" in two or (parse(one) and parse(one)[-1].fatal):
        return
    separator = "".join(f"[  500.{n:06}] usb 1-1: new device number {n}\n" for n in range(40))
    both = [report.title for report in parse(one) + parse(two)]
    assert [report.title for report in parse(one + separator + two)] == both
