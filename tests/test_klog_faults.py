# SPDX-License-Identifier: MIT
"""The table of faults agrees with the module's source and with logs of real guests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmtest.faulty import FAULTS, SOURCE, Fault, enabled_options
from vmtest.klog import parse

LOGS = Path(__file__).parent / "fixtures" / "klog"
MODULE = (SOURCE / "main.c").read_text(encoding="utf-8")
# One log for each fault and kernel it was triggered on: "real-6.12-soft-lockup.log".
REAL = sorted(LOGS.glob("real-*.log"))
BY_NAME = {fault.name: fault for fault in FAULTS}


def test_the_module_knows_exactly_these_words() -> None:
    words = set(re.findall(r'^\t\{ "([\w-]+)", faulty_\w+ \},$', MODULE, re.MULTILINE))
    assert words == {*BY_NAME, "release"}


def test_the_module_documents_every_word() -> None:
    documented = set(re.findall(r"^ \* ([\w-]+) {2,}\S", MODULE, re.MULTILINE))
    assert documented == {*BY_NAME, "release", "word"} | {"-" * 16}


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_real_log_of_the_fault_gets_the_expected_title(path: Path) -> None:
    name = re.sub(r"^real-[\d.]+-", "", path.stem)
    fault = BY_NAME[name.partition("+")[0]]
    reports = parse(path.read_text(encoding="utf-8"))
    assert reports
    assert fault.matches(reports[0].title), reports[0].title


def test_no_title_matches_two_faults_of_the_same_kind() -> None:
    for path in REAL:
        [first, *_] = parse(path.read_text(encoding="utf-8"))
        assert sum(fault.matches(first.title) for fault in FAULTS) <= 2, first.title


def test_missing_options_are_named() -> None:
    fault = Fault("x", "y", ("CONFIG_A", "CONFIG_B"))
    assert fault.why_not({"CONFIG_C"}, (6, 12)) == "the kernel has none of CONFIG_A, CONFIG_B"
    assert fault.why_not({"CONFIG_B"}, (6, 12)) is None
    assert Fault("x", "y").why_not(set(), (6, 12)) is None


def test_options_count_only_in_their_releases() -> None:
    fault = Fault("x", "y", ("CONFIG_A", "CONFIG_B"), {"CONFIG_A": ((6, 3), (6, 17))})
    assert fault.why_not({"CONFIG_A"}, (6, 3)) is None
    assert fault.why_not({"CONFIG_A"}, (6, 17)) is None
    assert fault.why_not({"CONFIG_A"}, (6, 1)) == "the kernel has none of CONFIG_B"
    assert fault.why_not({"CONFIG_A"}, (7, 3)) == "the kernel has none of CONFIG_B"
    assert fault.why_not({"CONFIG_B"}, (7, 3)) is None
    only = Fault("x", "y", ("CONFIG_A",), {"CONFIG_A": ((6, 3), (6, 17))})
    assert only.why_not({"CONFIG_A"}, (6, 1)) == (
        "CONFIG_A does not notice it in a kernel of this release"
    )


def test_options_are_read_from_a_config() -> None:
    config = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_D=21\nXCONFIG_E=y\n"
    assert enabled_options(config) == {"CONFIG_A", "CONFIG_C"}
