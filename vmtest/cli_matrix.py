# SPDX-License-Identifier: MIT
"""``vmtest matrix``: the scenarios on several kernels, and one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vmtest.errors import SetupError
from vmtest.images import TOP
from vmtest.matrix import Matrix, chosen
from vmtest.progress import status
from vmtest.report import github
from vmtest.report.matrix import Column, State, read_matrix, write_matrix
from vmtest.report.matrix_table import markdown, matrix

app = typer.Typer(
    help="Run the scenarios on every kernel that is supported, and print one table.",
    invoke_without_command=True,
)
_BUILD = TOP / "build"
_JSON = _BUILD / "matrix.json"
_WIDTH = 160  # of a log

_err = Console(stderr=True)


@app.callback()
def _matrix(
    context: typer.Context,
    names: Annotated[
        str | None, typer.Option("--kernels", help="With commas; default: those of the matrix.")
    ] = None,
    expression: Annotated[str, typer.Option("-k", help="Which scenarios, like pytest -k.")] = "",
    jobs: Annotated[int, typer.Option("-n", "--jobs", min=0, help="VMs side by side.")] = 0,
    accelerator: Annotated[str, typer.Option("--accel", help="auto, kvm or tcg.")] = "auto",
    only_failed: Annotated[
        bool, typer.Option(help="What failed in the last matrix, and kernels without a result.")
    ] = False,
) -> None:
    """Run the scenarios on every kernel that is supported, and print one table.

    Writes build/matrix.json and build/matrix.md; the runs are in build/matrix/.
    """
    if context.invoked_subcommand is not None:
        return
    kernels = chosen(names)
    before = _before(kernels) if only_failed else {}
    plan = Matrix(_BUILD / "matrix", expression, jobs, accelerator)
    columns: dict[str, Column] = {}
    interrupted = False
    for kernel in kernels:
        old = before.get(kernel)
        if old and not old.bad:
            columns[kernel] = old
            continue
        if interrupted:
            columns[kernel] = Column(kernel, State.NOT_RUN)
            continue
        only = [t.nodeid for t in old.failures] if old and old.state is State.DONE else []
        with status(_err, kernel) as say:
            new = plan.run(kernel, say, only)
        columns[kernel] = old.updated(new) if old and only else new
        interrupted = new.state is State.INTERRUPTED
    _finish(list(columns.values()), _JSON)
    if interrupted:
        raise typer.Exit(130)


@app.command("merge")
def _merge(
    files: Annotated[list[Path], typer.Argument(help="Files matrix.json, of other machines.")],
) -> None:
    """Make one table of several: what a workflow does that has a machine for each kernel."""
    columns: dict[str, Column] = {}
    for file in files:
        if not file.is_file():
            raise SetupError(f"{file} is not there", hint="name files matrix.json")
        columns |= {column.kernel: column for column in read_matrix(file)}
    order = chosen(None)
    missing = [Column(kernel, State.NOT_RUN) for kernel in order if kernel not in columns]
    columns |= {column.kernel: column for column in missing}
    in_order = sorted(columns, key=lambda kernel: (kernel not in order, order.index(kernel)
                                                   if kernel in order else 0))  # fmt: skip
    _finish([columns[kernel] for kernel in in_order], _JSON)


def _before(kernels: list[str]) -> dict[str, Column]:
    """The last matrix, as far as it is about these kernels."""
    if not _JSON.exists():
        raise SetupError("there is no last matrix", hint=f"{_JSON} is written by vmtest matrix")
    return {one.kernel: one for one in read_matrix(_JSON) if one.kernel in kernels}


def _finish(columns: list[Column], path: Path) -> None:
    """Write and print the table; ends with status 1 if anything is wrong."""
    write_matrix(columns, path)
    text = markdown(columns)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    out = Console()
    out = out if out.is_terminal else Console(width=_WIDTH)
    out.print(matrix(columns))
    out.print(f"written: {path}, {path.with_suffix('.md').name}", highlight=False, soft_wrap=True)
    if github.active():
        for column in columns:
            for line in github.error_commands(column.tests):
                typer.echo(line)
        github.append_summary(text)
    interrupted = any(column.state is State.INTERRUPTED for column in columns)
    if any(column.bad for column in columns) and not interrupted:
        raise typer.Exit(1)
