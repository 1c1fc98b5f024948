# SPDX-License-Identifier: MIT
"""Profiles: from addresses to functions, and what they sum up to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from vmtest.bench.guest import places
from vmtest.bench.plan import Row
from vmtest.bench.profile import plugin, table
from vmtest.bench.profile.profile import Profile
from vmtest.bench.profile.symbols import Function, Program, Symbols

_KERNEL = """\
ffffffff81000000 _stext
ffffffff81000100 do_io
ffffffff81000100 alias_of_do_io
ffffffffc0001000 zosbd2_fetch [zosbd2]
"""

SCHEDULE = Function("kernel", "schedule", 0x1000)
FETCH = Function("zosbd2", "zosbd2_fetch", 0x2000)


@pytest.fixture
def profile() -> Profile:
    """Two functions: one that is called twice and one that is called once per I/O."""
    counts = [
        (0x1000, SCHEDULE, 2.0),
        (0x1004, SCHEDULE, 2.0),
        (0x1008, SCHEDULE, 20.0),
        (0x2000, FETCH, 1.0),
        (0x2004, FETCH, 1.0),
    ]
    return Profile("zosbd2-classic", Row("randread", 4096, 1), 26.5, counts)


def test_an_address_is_in_the_function_that_begins_before_it() -> None:
    symbols = Symbols(_KERNEL, [])
    assert symbols.function(0xFFFFFFFF81000104) == Function("kernel", "do_io", 0xFFFFFFFF81000100)


def test_a_function_of_a_module_is_told_apart() -> None:
    assert Symbols(_KERNEL, []).function(0xFFFFFFFFC0001002).where == "zosbd2"


def test_an_address_before_all_functions_has_no_name() -> None:
    assert Symbols(_KERNEL, []).function(0xFFFFFFFF80000000).name == "?"


def _program(offset: int = 0) -> tuple[Program, int]:
    """A process that has the C library at 0x7000_0000_0000; and that address."""
    libc = Path("/lib/x86_64-linux-gnu/libc.so.6")
    base = 0x7000_0000_0000
    maps = (
        "400000-401000 r-xp 00000000 00:00 1 /usr/bin/server\n"
        f"{base + offset:x}-{base + (8 << 20):x} r-xp {offset:08x} 00:00 2 {libc}\n"
        "600000-601000 rw-p 00000000 00:00 3 /usr/bin/server\n"
        "7ffff0000000-7ffff0002000 r-xp 00000000 00:00 0 [vdso]\n"
    )
    return Program("server", maps, lambda path: libc if path == str(libc) else None), base


def _address_in_libc(name: str) -> int:
    listed = subprocess.run(
        [sys.executable, "-c", "import ctypes; libc = ctypes.CDLL('libc.so.6'); "
         f"print(ctypes.cast(libc.{name}, ctypes.c_void_p).value); "
         "print(open('/proc/self/maps').read())"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    first = next(line for line in listed[1:] if line.endswith("libc.so.6"))
    return int(listed[0]) - int(first.partition("-")[0], 16)


@pytest.mark.parametrize("offset", [0, 0x20000])
def test_a_function_of_a_library_is_found_wherever_it_is_mapped(offset: int) -> None:
    program, base = _program(offset)
    start = base + _address_in_libc("getpid")
    found = program.function(start)
    assert found is not None
    assert (found.where, found.start) == ("server:libc.so.6", start)
    assert "getpid" in found.name


def test_code_of_a_file_that_nobody_has_is_told_by_its_place() -> None:
    program, _ = _program()
    assert program.function(0x400010) == Function("server", "?", 0)
    assert program.function(0x7FFFF0000010) == Function("server:vdso", "?", 0)


def test_memory_without_code_is_nowhere() -> None:
    program, _ = _program()
    assert program.function(0x600010) is None
    assert Symbols(_KERNEL, [program]).function(0x600010) == Function("?", "?", 0)


def test_instructions_are_summed_up_and_calls_are_those_of_the_first(profile: Profile) -> None:
    costs = {cost.function: (cost.instructions, cost.calls) for cost in profile.functions()}
    assert costs == {SCHEDULE: (24.0, 2.0), FETCH: (2.0, 1.0)}
    assert profile.places() == [("kernel", 24.0), ("zosbd2", 2.0)]
    assert profile.total == 26.0


def test_the_most_expensive_function_comes_first_and_others_may_be_left_out(
    profile: Profile,
) -> None:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table.functions(profile, 1))
    text = capture.get()
    assert "schedule" in text
    assert "zosbd2_fetch" not in text


def test_functions_are_packed_and_unpacked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listed = tmp_path / "kallsyms"
    lines = [f"{address:016x} t function_{address}\t[zosbd2]\n" for address in range(2000)]
    listed.write_text("".join(lines) + "0000000000000001 d data\n")
    monkeypatch.setattr(places, "_SYMBOLS", listed)
    text = places.unpack(list(places.functions()))
    assert text.splitlines()[7] == "0000000000000007 function_7 [zosbd2]"
    assert len(text.splitlines()) == 2000


def test_qemu_says_which_version_of_the_interface_it_wants() -> None:
    said = (
        "qemu-system-x86_64: Could not load plugin /x/profile.so: TCG plugin /x/profile.so requires"
        " API version 1, but this QEMU supports only a minimum version of 2"
    )
    assert plugin.wanted_version(said) == "2"
    assert plugin.wanted_version("plugins are not supported") is None
