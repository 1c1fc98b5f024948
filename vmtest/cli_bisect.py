# SPDX-License-Identifier: MIT
"""``vmtest bisect``: the first commit with which a scenario fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vmtest import kernels
from vmtest.bisect import Bisection, new_plan
from vmtest.bisect_step import Plan
from vmtest.errors import SetupError
from vmtest.images import TOP
from vmtest.progress import status

_out = Console()
_err = Console(stderr=True)


def bisect(
    good: Annotated[str, typer.Option(help="A revision with which the scenario passes.")],
    bad: Annotated[str, typer.Option(help="A later one with which it fails.")] = "HEAD",
    scenario: Annotated[str, typer.Option(help="Which scenarios, like pytest -k.")] = "test_mkfs",
    tree: Annotated[
        Path | None, typer.Option(help="A kernel's repository: each revision is built and booted.")
    ] = None,
    repo: Annotated[
        Path | None, typer.Option(help="A repository with the module, in kmod/ or at its top.")
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option("--kernel", envvar="KERNEL", help="With --repo: the kernel to test it on."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Of make.")] = os.cpu_count() or 1,
    build_command: Annotated[
        str, typer.Option(help="With --tree: instead of make olddefconfig && make -jJOBS.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option(help="With --tree: the .config to begin with (default: its own).")
    ] = None,
    boot_failure: Annotated[
        str, typer.Option(help="What a kernel is that does not boot: skip or bad.")
    ] = "skip",
    check_ends: Annotated[bool, typer.Option(help="Test both ends first.")] = True,
    accelerator: Annotated[str, typer.Option("--accel", help="auto, kvm or tcg.")] = "auto",
) -> None:
    """Find the first commit of a kernel, or of the module, with which a scenario fails.

    The repository's own work tree is left alone: revisions are checked out below build/bisect/,
    where the logs stay.
    """
    if (tree is None) == (repo is None):
        raise SetupError("name one repository", hint="--tree for a kernel's, --repo for a module's")
    if boot_failure not in ("skip", "bad"):
        raise SetupError(f"--boot-failure {boot_failure}", hint="it is skip or bad")
    repository = (tree or repo or Path()).expanduser().resolve()
    if tree is not None:
        own = repository / ".config"
        config = config or (own if own.exists() else None)
        if config is not None and not config.is_file():
            raise SetupError(f"--config {config} is no file")
    else:
        kernels.check(kernel)
        if kernel and "/" in kernel:
            kernel = str(Path(kernel).expanduser().resolve())  # steps run elsewhere
    plan = Plan(
        worktree=Path(),
        directory=Path(),
        scenario=scenario,
        kernel=None if tree is not None else kernel or "",
        build_command=build_command,
        config=config.resolve() if config else None,
        jobs=jobs,
        boot_failure_is_bad=boot_failure == "bad",
        accelerator=accelerator,
    )
    run = Bisection(repository, good, bad, new_plan(plan, TOP / "build" / "bisect"), check_ends)
    _finish(run)


def _finish(run: Bisection) -> None:
    """Run it and print what it finds; ends with status 1 if that is not one commit."""
    with status(_err, "bisect") as say:
        found = run.run(say, _tell)
    if run.is_dirty:
        _out.print("[yellow]changes that are not committed took no part[/]")
    _out.print(f"log: {found.log}", markup=False, highlight=False, soft_wrap=True)
    if found.first_bad is None:
        _out.print(
            f"[yellow]all commits that are left were skipped; the first bad one is among "
            f"these {len(found.candidates)}:[/]"
        )
        _out.print("\n".join(found.candidates), markup=False, highlight=False)
        raise typer.Exit(1)
    _out.print("[bold]the first bad commit:[/]")
    _out.print(run.show(found.first_bad), markup=False, highlight=False, soft_wrap=True)


def _tell(line: str) -> None:
    _out.print(line, markup=False, highlight=False, soft_wrap=True)
