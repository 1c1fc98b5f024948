# SPDX-License-Identifier: MIT
"""Properties of the log parser on any input."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from vmtest.klog import LogParser, Report, parse
from vmtest.klog.families import match_family
from vmtest.klog.frames import parse_frame
from vmtest.klog.lines import Line, split_line

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
def test_never_raises_on_shuffled_reports(text: str) -> None:
    for report in parse(text):
        assert report.title
        assert 1 <= report.start <= report.end
        assert report.lines


@given(st.lists(_lines, max_size=60).map("\n".join), st.lists(st.integers(0, 10**6), max_size=12))
def test_chunks_do_not_matter(text: str, cuts: list[int]) -> None:
    assert in_chunks(text, cuts) == parse(text)


@given(_logs, st.lists(st.integers(0, 10**6), max_size=12))
def test_chunks_do_not_matter_for_fixtures(log: str, cuts: list[int]) -> None:
    assert in_chunks(log, cuts) == parse(log)


@given(
    st.sampled_from([one for one in _LOGS if one.startswith("[")]),
    st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(_HARMLESS)), max_size=8),
)
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
def test_two_logs_in_a_row_give_the_reports_of_both(one: str, two: str) -> None:
    if "Linux version" in two or (parse(one) and parse(one)[-1].fatal):
        return
    separator = "".join(f"[  500.{n:06}] usb 1-1: new device number {n}\n" for n in range(40))
    both = [report.title for report in parse(one) + parse(two)]
    assert [report.title for report in parse(one + separator + two)] == both


def _messages(log: str) -> list[Line]:
    return [message for line in log.split("\n") for message in split_line(line, 0)]


_TEXTS = sorted({message.text for log in _LOGS for message in _messages(log)})
_HEADLINES = [text for text in _TEXTS if match_family(text, stamped=True, ruled=True)]
_BODIES = [text for text in _TEXTS if parse_frame(text)]


@given(
    st.sampled_from(_HEADLINES),
    st.sampled_from(
        [
            "echo ",
            'comm="',
            "grep -q '",
            "/usr/share/",
            "Command line: ",
            "usb 1-1: ",
            "executor: 'x' ",
        ]
    ),
    st.sampled_from(
        ["", "[   99.000000] ", "[   99.000000][    T1] ", "<6>", "Nov 25 01:02:03 h kernel: "]
    ),
)
def test_headline_inside_a_line_never_fires(headline: str, before: str, prefix: str) -> None:
    assume("qemu" not in headline)  # may stand behind a path
    assert parse(f"{prefix}{before}{headline}\n") == []


@given(st.lists(st.sampled_from(_BODIES), max_size=40))
def test_stack_without_a_headline_never_fires(bodies: list[str]) -> None:
    assert parse("".join(f"[   99.000000] {body}\n" for body in bodies)) == []


def _of(log: str, caller: str) -> list[str]:
    """The messages of `log` as the context `caller` prints them."""
    return [f"[   99.{n:06}][{caller:>6}] {m.text}" for n, m in enumerate(_messages(log))]


def _is_one_contexts(log: str) -> bool:
    """Whether one context printed all of `log`, and it says nothing about others."""
    callers = {message.caller for message in _messages(log) if message.text.strip()}
    words = (
        "NMI backtrace",
        "Kernel panic",
        "printk messages dropped",
        "Linux version",
        "Task dump",
    )
    return len(callers) == 1 and bool(parse(log)) and not any(word in log for word in words)


_ONE_CONTEXT = st.sampled_from([log for log in _LOGS if _is_one_contexts(log)])


@given(_ONE_CONTEXT, _ONE_CONTEXT, st.randoms(use_true_random=False))
def test_reports_of_two_contexts_survive_interleaving(one: str, two: str, random: Random) -> None:
    queues = [_of(one, "T1001"), _of(two, "C1")]
    alone = [report.title for queue in queues for report in parse("\n".join(queue))]
    merged = []
    while any(queues):
        queue = random.choice([queue for queue in queues if queue])
        merged.append(queue.pop(0))
    assert sorted(report.title for report in parse("\n".join(merged))) == sorted(alone)


@given(_logs, st.integers(0, 10**6))
def test_cut_end_makes_no_other_reports(log: str, cut: int) -> None:
    lines = log.split("\n")
    whole = parse(log)
    some = parse("\n".join(lines[: cut % (len(lines) + 1)]))
    assert len(some) <= len(whole)
    assert [report.start for report in some] == [report.start for report in whole[: len(some)]]


@given(_logs, st.integers(1, 10**6))
def test_cut_line_makes_no_other_reports(log: str, cut: int) -> None:
    rest = log[: cut % (len(log) + 1)]
    assume("Kernel panic" not in rest.rpartition("\n")[2])  # the reason tells whose panic it is
    assert len(parse(rest)) <= len(parse(log))
