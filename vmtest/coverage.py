# SPDX-License-Identifier: MIT
"""Which lines and branches of the module a run has executed: gcov's counters, from every guest.

The module is built with the counters where the kernel has CONFIG_GCOV_KERNEL (see
Documentation/dev-tools/gcov.rst). A guest hands them over before it is stopped; those of a guest
that died are lost. The image's own gcov reads them, and gcovr makes the report.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vmtest import build
from vmtest.errors import SetupError, VmtestError
from vmtest.guest import Guest
from vmtest.images import TOP
from vmtest.kernels import Kernel

#: Why lines of the module are not executed: tables of functions, code = "reason".
REASONS = Path(__file__).with_name("uncovered.toml")

_SOURCES = TOP / "kmod"

# debugfs tells no sizes: tar must get copies.
_PACK = """
set -e
cd /sys/kernel/debug/gcov/mnt/build
mkdir /tmp/gcov
for file in *.gcda; do cat "$file" >"/tmp/gcov/$file"; done
cd /tmp/gcov
tar -czf - *.gcda | base64 -w 0
rm -r /tmp/gcov
"""

# All guests' counters added up in /mnt/build, then one .gcov.json.gz a source file.
_ADD_UP = """
set -e
cd /mnt/build
set -- guests/*/
cp -r "$1" total
shift
for guest; do
	gcov-tool merge -o sum total "$guest"
	rm -r total
	mv sum total
done
mv total/*.gcda .
gcov --json-format --branch-probabilities *.gcda
"""


@dataclass(frozen=True)
class Coverage:
    """How much of the module was executed; the report is ``html``."""

    lines: int
    lines_covered: int
    branches: int
    branches_covered: int
    html: Path
    #: Lines that were not executed, and why, as far as ``REASONS`` says: "zosbd2_dev.c:12: …".
    explained: tuple[str, ...]
    unexplained: tuple[str, ...]

    def __str__(self) -> str:
        parts = [
            f"{covered} of {total} {what} ({100 * covered / max(total, 1):.1f} %)"
            for what, covered, total in (
                ("lines", self.lines_covered, self.lines),
                ("branches", self.branches_covered, self.branches),
            )
        ]
        text = ", ".join(parts)
        return (
            f"{text}; {len(self.unexplained)} lines not executed without a reason in {REASONS.name}"
        )


def require(kernel: Kernel) -> None:
    """Raise SetupError when the kernel cannot count."""
    if "CONFIG_GCOV_KERNEL" not in kernel.config:
        raise SetupError(
            f"the kernel {kernel.name} does not count what is executed (CONFIG_GCOV_KERNEL)",
            hint="run with --kernel debug",
        )


def collect(guest: Guest, into: Path) -> None:
    """Write the guest's counters to the folder ``into``, if it ever loaded the module."""
    if not guest.exists("/sys/kernel/debug/gcov/mnt/build/zosbd2_main.gcda"):
        return
    packed = base64.b64decode(guest.run("sh", "-c", _PACK).stdout)
    into.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        tar.extractall(into, filter="data")


def report(kernel: Kernel, guests: Path, into: Path) -> Coverage:
    """Make the report ``into``/index.html from what the folders in ``guests`` hold."""
    if not any(guests.glob("*/*.gcda")):
        raise VmtestError(f"no guest has handed over any counters to {guests}")
    built = build.zosbd2_module(kernel)
    into.mkdir(parents=True, exist_ok=True)
    work = into / "gcov"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(built.path, work)
    shutil.copytree(guests, work / "guests")
    build.run_inside(kernel.image, work, ["sh", "-c", _ADD_UP], kernel.tree, "the coverage report")
    for path in work.glob("*.gcov.json.gz"):
        _find_sources(path)
    html = into / "index.html"
    subprocess.run(
        [
            sys.executable, "-m", "gcovr", "--gcov-use-existing-files", "--root", str(_SOURCES),
            "--html-details", str(html), "--html-title", "zosbd2.ko",
            "--json-summary", str(into / "summary.json"), "--json", str(into / "coverage.json"),
            str(work),
        ],
        check=True, cwd=_SOURCES,
    )  # fmt: skip
    shutil.rmtree(work)
    summary = json.loads((into / "summary.json").read_text())
    missed = list(_missed(json.loads((into / "coverage.json").read_text())))
    reasons = tomllib.loads(REASONS.read_text())
    explained, unexplained = split(missed, reasons)
    listing = "\n".join(["not explained:", *unexplained, "", "explained:", *explained])
    (into / "not-executed.txt").write_text(f"{listing}\n")
    return Coverage(
        lines=summary["line_total"],
        lines_covered=summary["line_covered"],
        branches=summary["branch_total"],
        branches_covered=summary["branch_covered"],
        html=html,
        explained=tuple(explained),
        unexplained=tuple(unexplained),
    )


@dataclass(frozen=True)
class Missed:
    """A line that was not executed."""

    file: str
    function: str
    line: int
    code: str


def split(
    missed: Iterable[Missed], reasons: Mapping[str, Mapping[str, str]]
) -> tuple[list[str], list[str]]:
    """The lines that have a reason, with it, and those that have none.

    ``reasons`` has a table a function, in which code stands as it does there, or as a pattern of
    ``fnmatch`` for several lines. A table's name may be a pattern too.
    """
    explained, unexplained = [], []
    for one in missed:
        where = f"{one.file}:{one.line}: {one.code}"
        found = next(
            (
                why
                for function, table in reasons.items()
                if fnmatchcase(one.function, function)
                for code, why in table.items()
                if one.code == code or fnmatchcase(one.code, code)
            ),
            None,
        )
        if found is None:
            unexplained.append(where)
        else:
            explained.append(f"{where}  # {found}")
    return explained, unexplained


def _find_sources(path: Path) -> None:
    """Let gcov's output name the files of this checkout, and no others."""
    text = gzip.decompress(path.read_bytes()).decode()
    data = json.loads(text.replace(f'"{build.INSIDE}/', f'"{_SOURCES}/'))
    data["files"] = [file for file in data["files"] if file["file"].startswith(f"{_SOURCES}/")]
    path.write_bytes(gzip.compress(json.dumps(data).encode()))


def _missed(coverage: dict[str, Any]) -> Iterator[Missed]:
    for file in coverage["files"]:
        path = _SOURCES / file["file"]
        source = path.read_text().splitlines()
        for line in file["lines"]:
            if line["count"] == 0 and not line.get("gcovr/noncode"):
                number = line["line_number"]
                code = source[number - 1].strip()
                yield Missed(path.name, line.get("function_name") or path.name, number, code)
