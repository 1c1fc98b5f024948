# SPDX-License-Identifier: MIT
"""A run of the fuzzer, and the replay of a script: what is done, printed and left behind."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from rich.console import Console

from vmtest import build
from vmtest.cache import Say
from vmtest.fuzz import summary
from vmtest.fuzz.bench import Bench
from vmtest.fuzz.engine import Failure, Outcome, built_engine, script_of
from vmtest.fuzz.minimise import render
from vmtest.images import TOP
from vmtest.progress import status
from vmtest.vm import VmConfig

# Of the programs before a failure, how many may have had to do with it. The engine loads the
# module anew after each hundred, which is where some leaks show first.
_SUSPECTS = 100


def fuzz(config: VmConfig, minutes: float, calls: int, seed: int | None, out: Console) -> bool:
    """Make random calls for so long or so many; returns whether nothing failed.

    What failed is made into a short script in the run's folder.
    """
    seed = secrets.randbits(32) if seed is None else seed
    folder = _folder(f"seed-{seed}")
    out.print(f"seed {seed}; repeat with SEED={seed}", highlight=False)
    with status(Console(stderr=True), "fuzzing") as say, _bench(config, folder, say) as bench:
        outcome = bench.engine.run(
            seed, minutes * 60, calls, lambda numbers: say(summary.progress_line(numbers))
        )
        if outcome.failure is None:
            outcome.failure = bench.engine.leaks()
        _write_summary(folder, outcome, config, seed)
        if outcome.failure is not None:
            script = _script(bench, seed, outcome.failure)
            bench.judge(outcome)
            _keep(folder, bench, outcome.failure, script, seed, out)
    _show(out, outcome, folder)
    return outcome.failure is None


def replay(config: VmConfig, file: Path, turns: int, out: Console) -> bool:
    """Run a script again; returns whether nothing failed."""
    folder = _folder(file.stem)
    with status(Console(stderr=True), "replaying") as say, _bench(config, folder, say) as bench:
        outcome = bench.judge(bench.engine.replay(file.read_text(), turns))
    _write_summary(folder, outcome, config, None)
    _show(out, outcome, folder)
    return outcome.failure is None


def _folder(name: str) -> Path:
    folder = TOP / "build/fuzz" / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _bench(config: VmConfig, folder: Path, say: Say) -> Bench:
    say("building module and engine")
    module = build.zosbd2_module(config.kernel, say)
    engine = built_engine(config.kernel.image, say)
    return Bench(config, module, engine, folder, say, round(config.kernel.slowness))


def _script(bench: Bench, seed: int, failure: Failure) -> str:
    """The programs that ran before it."""
    names = [name for name in failure.programs if name[0].isdigit()]
    suspects = names[-_SUSPECTS:]
    return script_of(bench.built, seed, suspects, bench.slowness) if suspects else ""


def _keep(
    folder: Path, bench: Bench, failure: Failure, script: str, seed: int, out: Console
) -> None:
    """Write down what failed, and how it can be seen again."""
    (folder / "failure.txt").write_text(f"{failure.title}\n\n{failure.text}\n")
    if not script:
        return
    (folder / "whole.fuzz").write_text(script)
    short = bench.minimise(script)
    if short is None:
        out.print("the failure did not come again; whole.fuzz has what ran before it")
        return
    title = bench.seen.title if bench.seen else failure.title
    comment = f"{title}\nfound with seed {seed}; {bench.trials} trials"
    (folder / "short.fuzz").write_text(render(short, comment))
    out.print(f"make fuzz REPLAY={(folder / 'short.fuzz').relative_to(TOP)}", highlight=False)
    out.print(render(short, comment), markup=False, highlight=False)


def _write_summary(folder: Path, outcome: Outcome, config: VmConfig, seed: int | None) -> None:
    kernel = f"{config.kernel.name} ({config.kernel.release})"
    text = summary.as_json(outcome, kernel=kernel, accelerator=config.accelerator.name, seed=seed)
    (folder / "summary.json").write_text(text)


def _show(out: Console, outcome: Outcome, folder: Path) -> None:
    if outcome.complete:
        out.print(summary.table(outcome))
        got = outcome.numbers["got"]
        out.print("servers got: " + ", ".join(f"{what} {n}" for what, n in got.items()))
    if outcome.numbers:
        out.print(f"{summary.how_guided(outcome)}; {summary.progress_line(outcome.numbers)}")
    if outcome.failure is not None:
        out.print(f"[bold red]failed:[/] {outcome.failure.title}", highlight=False)
    out.print(f"written: {folder.relative_to(TOP)}/", highlight=False)
