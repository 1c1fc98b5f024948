# SPDX-License-Identifier: MIT
"""What a run of the fuzzer came to: for people a table, for programs JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.table import Table

from vmtest.fuzz.engine import Outcome


def progress_line(numbers: dict[str, Any]) -> str:
    """One line, while it runs."""
    seconds = max(numbers["seconds"], 0.1)
    covered = f", {numbers['pcs']} places, corpus {numbers['corpus']}" if numbers["pcs"] else ""
    return (
        f"{numbers['calls']} calls ({numbers['calls'] / seconds:.0f}/s), "
        f"{numbers['programs']} programs, {numbers['answered']} requests answered, "
        f"{numbers['rung']} of them through rings{covered}"
    )


def how_guided(outcome: Outcome) -> str:
    """What chose the programs."""
    if outcome.start.get("covered"):
        return "coverage-guided (KCOV)"
    return "structure-aware only: this kernel has no KCOV"


def table(outcome: Outcome) -> Table:
    """How often each kind of call ended in which way."""
    shown = Table("call", "made", "succeeded", "failed with", box=None, padding=(0, 2, 0, 0))
    kinds = {**outcome.numbers.get("ioctls", {}), **outcome.numbers.get("system", {})}
    for name, results in kinds.items():
        made = sum(results.values())
        good = results.get("OK", 0)
        failed = sorted(
            ((errno, times) for errno, times in results.items() if errno != "OK"),
            key=lambda pair: -pair[1],
        )
        words = " ".join(f"{errno} {times}" for errno, times in failed)
        share = f"{100 * good / made:.0f} %" if made else "-"
        shown.add_row(name, str(made), share, words)
    return shown


def as_json(outcome: Outcome, **more: object) -> str:
    """All of it."""
    failure = asdict(outcome.failure) if outcome.failure else None
    numbers = {name: value for name, value in outcome.numbers.items() if name != "event"}
    whole = {**more, "guided": how_guided(outcome), **numbers, "failure": failure}
    return json.dumps(whole, indent=1) + "\n"
