# SPDX-License-Identifier: MIT
"""Source lines in reports, with a symbolizer made up and with real ELF files."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from vmtest.klog import Report, parse
from vmtest.klog.elf import ElfSymbolizer
from vmtest.klog.symbolize import Query, annotate, queries, symbolize

LOG = """\
[   15.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008
[   15.000010] Oops: 0002 [#1] SMP
[   15.000020] CPU: 0 PID: 100 Comm: a Tainted: G           OE      6.12.0 #0
[   15.000030] RIP: 0010:broken+0x5/0x20 [demo]
[   15.000040] Call Trace:
[   15.000050]  caller.cold+0x10/0x30 [demo]
[   15.000060]  vfs_write+0xf5/0x440
[   15.000070]  already+0xf5/0x440 (done.c:1)
"""

SOURCE = """\
int broken(volatile int *at)
{
	return *at;
}

__attribute__((section(".text.unlikely"), noinline))
int caller(volatile int *at)
{
	int sum = 1;
	sum += broken(at);
	return sum + 2;
}
"""

needs_compiler = pytest.mark.skipif(
    shutil.which("gcc") is None, reason="no gcc on this machine to make an ELF file with"
)


def report() -> Report:
    [only] = parse(LOG)
    return only


def test_asks_for_the_instruction_and_for_the_call_before_a_return_address() -> None:
    assert queries(report()) == [
        Query("demo", "broken", 0x5, 0x20),
        Query("demo", "caller.cold", 0xF, 0x30),
        Query(None, "vfs_write", 0xF4, 0x440),
    ]


def test_answers_stand_behind_their_places() -> None:
    answers = {Query("demo", "broken", 5, 0x20): "demo.c:3"}
    lines = annotate(report(), answers).lines
    assert lines[3].endswith("RIP: 0010:broken+0x5/0x20 [demo] (demo.c:3)")
    assert lines[5] == report().lines[5]


def test_title_and_place_of_a_report_do_not_change() -> None:
    class Everywhere:
        def locate(self, queries: Iterable[Query]) -> Mapping[Query, str]:
            return dict.fromkeys(queries, "x.c:1")

    done = symbolize(report(), Everywhere())
    assert (done.title, done.start, done.end) == (report().title, 1, 8)
    assert sum("(x.c:1)" in line for line in done.lines) == 3
    assert parse("\n".join(done.lines))[0].title == report().title


@needs_compiler
@pytest.mark.parametrize("dwarf", ["-gdwarf-4", "-gdwarf-5"])
@pytest.mark.parametrize("link", [False, True], ids=["module", "kernel"])
def test_elf_files_answer_with_source_lines(tmp_path: Path, dwarf: str, link: bool) -> None:
    (tmp_path / "demo.c").write_text(SOURCE)
    how = ["-nostdlib", "-static", "-Wl,-e,broken"] if link else ["-c"]
    command = ["gcc", dwarf, "-O0", *how]
    subprocess.run([*command, "-o", "demo.elf", "demo.c"], cwd=tmp_path, check=True)
    symbolizer = ElfSymbolizer({"demo": tmp_path / "demo.elf"})
    first = Query("demo", "broken", 0, 0)
    second = Query("demo", "caller", 0, 0)
    unknown = Query("demo", "no_such_function", 0, 0)
    elsewhere = Query("other", "broken", 0, 0)
    answers = symbolizer.locate([first, second, unknown, elsewhere])
    assert answers == {first: "demo.c:2", second: "demo.c:8"}


@needs_compiler
@pytest.mark.parametrize("dwarf", ["-gdwarf-4", "-gdwarf-5"])
def test_a_module_of_several_files_answers_for_each(tmp_path: Path, dwarf: str) -> None:
    (tmp_path / "first.c").write_text("int first(void)\n{\n\treturn 1;\n}\n")
    (tmp_path / "second.c").write_text("\n\nint second(void)\n{\n\treturn 2;\n}\n")
    for name in ("first", "second"):
        subprocess.run(["gcc", dwarf, "-c", f"{name}.c"], cwd=tmp_path, check=True)
    subprocess.run(["ld", "-r", "-o", "both.ko", "first.o", "second.o"], cwd=tmp_path, check=True)
    first, second = Query("both", "first", 0, 0), Query("both", "second", 0, 0)
    answers = ElfSymbolizer({"both": tmp_path / "both.ko"}).locate([first, second])
    assert answers == {first: "first.c:2", second: "second.c:4"}


def test_file_that_is_no_elf_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "demo.ko"
    bad.write_bytes(b"not an ELF file, but long enough to look into")
    with pytest.raises(ValueError, match=r"demo\.ko: not a usable ELF file"):
        ElfSymbolizer({"demo": bad}).locate([Query("demo", "f", 0, 0)])


def test_file_that_is_not_there_answers_nothing(tmp_path: Path) -> None:
    assert ElfSymbolizer({None: tmp_path / "vmlinux"}).locate([Query(None, "f", 0, 0)]) == {}
