# SPDX-License-Identifier: MIT
"""What the commands say and return without the module: usage, ranges, advice."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler"),
    pytest.mark.skipif(shutil.which("make") is None, reason="no make"),
]

FAILED, USAGE, NO_MODULE = 1, 2, 5


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("userspace")
    command = ["make", "-C", str(ROOT / "userspace"), f"O={out}", "CFLAGS=-O0 -Werror"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-s", "5X"], '"5X" is not a size'),
        (["-s", ""], '"" is not a size'),
        (["-s", "1GG"], '"1GG" is not a size'),
        (["-s", "-4M"], '"-4M" is not a size'),
        (["-s", "18446744073709551616"], "is not a size"),
        (["-s", "99999999999T"], "is not a size"),
        (["-s", "4194303"], "out of range: 4M to 12T"),
        (["-s", "13T"], "out of range: 4M to 12T"),
        (["-s", "4194305"], "not a multiple of 4096"),
        (["-t", "0"], "from 1 to 256"),
        (["-t", "2x"], "from 1 to 256"),
        (["--timeout", "1201"], "from 1 to 1200"),
        (["--force"], "--force only goes with --destroy"),
        (["--recovery", "perhaps"], 'wait or fail, not "perhaps"'),
        (["--reattach"], "only go with --keep"),
        (["--take-over"], "only go with --keep"),
        (["--keep", "--reattach", "--take-over"], "give one of them"),
        (["more"], 'unexpected argument "more"'),
    ],
)
def test_ramdisk_refuses_a_wrong_command_line(
    build: Path, arguments: list[str], complaint: str
) -> None:
    done = run(build / "zosbd2_sample_ramdisk", *arguments)
    assert done.returncode == USAGE
    assert complaint in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "no FILE given"),
        (["a.img", "b.img"], 'unexpected argument "b.img"'),
        (["images/"], '"" cannot be the name of a device'),
        (["x" * 32 + ".img"], "of 1 to 31 bytes with --name"),
        (["-n", "", "a.img"], "cannot be the name"),
        (["-s", "1M", "a.img"], "out of range: 4M to 12T"),
        (["--recovery=no", "a.img"], 'wait or fail, not "no"'),
        (["--reattach", "--take-over", "a.img"], "give one of them"),
        (["--destroy"], "give --name or FILE"),
        (["--force", "a.img"], "--force only goes with --destroy"),
    ],
)
def test_file_refuses_a_wrong_command_line(
    build: Path, arguments: list[str], complaint: str
) -> None:
    done = run(build / "zosbd2_file", *arguments)
    assert done.returncode == USAGE
    assert complaint in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["-s", "4M"], ["-s", "12T"], ["-s", "4194304"], ["-d"]])
@pytest.mark.skipif(Path("/dev/zosbd2ctl").exists(), reason="the module is loaded here")
def test_ramdisk_says_that_the_module_is_not_loaded(build: Path, arguments: list[str]) -> None:
    done = run(build / "zosbd2_sample_ramdisk", *arguments)
    assert done.returncode == NO_MODULE
    assert 'not loaded: run "modprobe zosbd2"' in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["list", "disk"],
        ["list", "--force"],
        ["destroy"],
        ["destroy", "disk", "--all"],
        ["destroy", "disk", "--json"],
        ["resize", "disk"],
        ["resize", "disk", "8M", "more"],
        ["resize", "disk", "8M", "--json"],
        ["status", "disk", "more"],
        ["--unknown"],
    ],
)
def test_ctl_refuses_a_wrong_command_line(build: Path, arguments: list[str]) -> None:
    done = run(build / "zosbd2ctl", *arguments)
    assert done.returncode == USAGE
    assert done.stderr != ""


@pytest.mark.skipif(Path("/dev/zosbd2ctl").exists(), reason="the module is loaded here")
def test_ctl_says_that_the_module_is_not_loaded(build: Path) -> None:
    done = run(build / "zosbd2ctl", "list", "--json")
    assert done.returncode == NO_MODULE
    assert "zosbd2ctl: cannot open /dev/zosbd2ctl" in done.stderr


@pytest.mark.parametrize("program", ["zosbd2_file", "zosbd2_sample_ramdisk", "zosbd2ctl"])
def test_help_goes_to_stdout_and_names_the_exit_statuses(build: Path, program: str) -> None:
    done = run(build / program, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: {program}")
    assert "Exit status:" in done.stdout


def test_ctl_fails_when_its_output_cannot_be_written(build: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [build / "zosbd2ctl", "--help"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=30,
        )  # fmt: skip
    assert done.returncode == FAILED
    assert done.stderr == "zosbd2ctl: cannot write all of the output\n"


def test_library_exports_nothing_but_its_interface(build: Path) -> None:
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", build / "libzosbd2.so"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    names = {line.split()[2].partition("@")[0] for line in symbols if line}
    assert "zosbd2_create" in names
    assert all(name.startswith(("zosbd2_", "ZOSBD2_")) for name in names)
