# SPDX-License-Identifier: MIT
"""A short run of the fuzzer, and a module with a fault that it must find (`make fuzz` goes on)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from vmtest import build
from vmtest.fuzz.bench import Bench
from vmtest.fuzz.engine import Engine, built_engine, script_of
from vmtest.fuzz.minimise import length, parse, render
from vmtest.pytest_plugin import Session
from vmtest.scenarios import mutants
from vmtest.vm import VM

SEED = 5


@pytest.fixture(scope="session")
def engine(vmtest_session: Session) -> build.Built:
    """The engine, built in the image of this run."""
    return built_engine(vmtest_session.default.kernel.image, vmtest_session.say)


@pytest.mark.kills_vm  # the engine sends udev away
def test_random_calls_find_nothing(
    vm: VM, built_module: build.Built, engine: build.Built, repeated: Callable[[int], int]
) -> None:
    calls = repeated(6000)
    run = Engine(vm, engine, built_module.path)
    found = run.run(SEED, 60 * vm.guest.slowness, calls)
    assert found.failure is None, f"seed {SEED}: {found.failure}"
    assert found.complete
    assert found.numbers["calls"] >= calls
    # Nor was it only refused: each kind of call must have got through, if there were some.
    ioctls = found.numbers["ioctls"]
    some = {name: how for name, how in ioctls.items() if sum(how.values()) >= 10}
    never = {name for name, how in some.items() if "OK" not in how}
    assert never == {"unknown"}, f"no call succeeded of {never}"
    assert found.numbers["answered"] > calls // 600
    assert found.numbers["rung"] > calls // 600, "hardly any I/O came through rings"
    # A script of it runs as well: each program is what its name says.
    again = run.replay(script_of(engine, SEED, ["0", "1"]), 1)
    assert again.failure is None, again.failure
    assert again.numbers["programs"] == 2


@pytest.mark.long(90)
def test_a_missing_reference_is_found_minimised_and_replayed(
    engine: build.Built, vmtest_session: Session, tmp_path: Path
) -> None:
    """As `python -m vmtest.scenarios.mutants` does with other mutants, which takes longer."""
    config = vmtest_session.default
    vmtest_session.pool.retire()
    mutant = mutants.UNCOUNTED
    module = mutant.build(config.kernel, tmp_path)
    logs = vmtest_session.directory / "fuzz-control"
    with Bench(config, module, engine, logs, vmtest_session.say) as bench:
        found = bench.judge(bench.engine.run(SEED, 60 * config.accelerator.slowness))
        assert found.failure is not None, f"{found.numbers.get('calls')} calls found nothing"
        assert re.search(mutant.report, found.failure.title), found.failure
        names = [name for name in found.failure.programs if name[0].isdigit()]
        assert names, "the log does not name the programs"
        whole = script_of(engine, SEED, names[-10:])

        calls = length(parse(whole))
        # How long that takes depends on the machine's load; it stops when it is short.
        seconds = 300 * config.kernel.slowness
        short = bench.minimise(whole, turns=10, seconds=seconds, enough=calls // 4)

        assert short is not None, "it did not fail again"
        assert len(short) == 1
        assert length(short) <= calls // 4, render(short)
        print(render(short, bench.seen.title if bench.seen else ""))
        assert bench.fails(short, turns=60), "what was minimised did not fail again"
        assert bench.seen is not None
        assert re.search(mutant.report, bench.seen.title), bench.seen
