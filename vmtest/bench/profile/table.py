# SPDX-License-Identifier: MIT
"""A profile, for people."""

from __future__ import annotations

from rich.table import Table

from vmtest.bench.profile.profile import Profile


def places(profile: Profile) -> Table:
    """Which part of the system takes how much."""
    table = Table("where", box=None, padding=(0, 2, 0, 0))
    for title in ("instructions", "share"):
        table.add_column(title, justify="right")
    for where, count in profile.places():
        if abs(count) >= 0.5:
            table.add_row(where, f"{count:,.0f}", f"{count / profile.total:.1%}")
    table.add_row("all", f"{profile.total:,.0f}", "")
    return table


def functions(profile: Profile, most: int) -> Table:
    """The most expensive functions: their instructions, and how often they are called, per I/O."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("instructions", "share", "calls"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("function", overflow="fold")
    table.add_column("where", overflow="fold")
    for cost in profile.functions()[:most]:
        table.add_row(
            f"{cost.instructions:,.1f}",
            f"{cost.instructions / profile.total:.1%}",
            f"{cost.calls:.2f}" if cost.calls else "",
            cost.function.name,
            cost.function.where,
        )
    return table
