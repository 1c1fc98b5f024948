# SPDX-License-Identifier: MIT
"""Makes a profile of a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vmtest.bench.equipment import Equipment
from vmtest.bench.guest import places
from vmtest.bench.machine import CPU, counting, running
from vmtest.bench.measure import events
from vmtest.bench.plan import Amount, Row
from vmtest.bench.profile import plugin
from vmtest.bench.profile.profile import Profile
from vmtest.bench.profile.symbols import Function, Program, Symbols
from vmtest.bench.targets import Target
from vmtest.cache import Say, nobody_listens

_COUNTS = "counts"
_PATIENCE = 60.0
# There is one pair of jobs instead of several.
_EFFORT = 3


def record(
    equipment: Equipment, target: Target, row: Row, say: Say = nobody_listens, cpu: str = CPU
) -> Profile:
    """Measure ``row`` of ``target`` while a plugin counts each instruction."""
    counter = plugin.prepare(equipment.image, say)
    initramfs = equipment.initramfs(target, [row], effort=_EFFORT, mark=counter.mark)
    programs, functions, measured = [], [], 0.0
    say(f"{target.name}: booting")
    arguments = counter.qemu_arguments(_COUNTS)
    with running(counting(cpu), equipment.kernel, initramfs.archive(), *arguments) as machine:
        for event in events(machine, target.name):
            match event:
                case {"event": "begin", "what": what}:
                    say(f"{target.name}: {what}")
                case {"event": "row", "instructions": count}:
                    measured = count
                    say(f"{target.name}: reading symbols")
                case {"event": "program", "name": name, "maps": maps}:
                    programs.append(Program(name, maps, initramfs.source))
                case {"event": "functions", "part": part}:
                    functions.append(part)
        machine.wait_for_end(_PATIENCE)
        few, many = Amount(target.slowness, _EFFORT).counts(row)
        symbols = Symbols(places.unpack(functions), programs)
        found = list(_read(machine.folder / _COUNTS, symbols, many - few))
    return Profile(target.name, row, measured, found)


def _read(path: Path, symbols: Symbols, ios: int) -> Iterator[tuple[int, Function, float]]:
    """What the plugin wrote: lines ``ADDRESS COUNT``."""
    with path.open() as file:
        for line in sorted(file):
            address, count = line.split()
            yield int(address, 16), symbols.function(int(address, 16)), int(count) / ios
