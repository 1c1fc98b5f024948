# SPDX-License-Identifier: MIT
"""The command ``vmtest``: what the harness can do without pytest."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vmtest import (
    accel,
    bench_boot,
    build,
    checks,
    cli_bench,
    cli_bench_compare,
    cli_bench_parallel,
    cli_bisect,
    cli_fuzz,
    cli_matrix,
    doctor,
    images,
    kernels,
    privilege,
    snapshot,
)
from vmtest.errors import CommandFailed, VmtestError
from vmtest.kmodule import KernelModule
from vmtest.progress import status
from vmtest.vm import VM, VmConfig

_app = typer.Typer(
    help="Throwaway virtual machines for kernel module tests.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_images = typer.Typer(help="Guest images: list, build, clean.", no_args_is_help=True)
_app.add_typer(_images, name="images")
_app.add_typer(cli_matrix.app, name="matrix")
_app.command("bench")(cli_bench.bench)
_app.command("bench-plot")(cli_bench.bench_plot)
_app.command("bench-compare")(cli_bench_compare.bench_compare)
_app.command("bench-parallel")(cli_bench_parallel.bench_parallel)
_app.command("bisect")(cli_bisect.bisect)
_app.command("fuzz")(cli_fuzz.fuzz)
_out = Console()
_err = Console(stderr=True)

KernelOption = Annotated[
    str | None,
    typer.Option("--kernel", envvar="KERNEL", help="Recipe, version (6.12) or built tree."),
]
AccelOption = Annotated[str, typer.Option("--accel", help="auto, kvm or tcg.")]
CpusOption = Annotated[int, typer.Option("--cpus", min=1, help="Virtual CPUs.")]
MemoryOption = Annotated[int, typer.Option("--memory", min=256, help="Guest memory in MiB.")]


def app() -> None:
    """Entry point: errors of the harness are messages, not stack traces.

    SIGTERM ends a command as Ctrl-C does, with all that it started.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _app()
    except VmtestError as error:
        _err.print(f"[bold red]vmtest:[/] {type(error).__name__}:", highlight=False, end=" ")
        _err.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


@_app.command("doctor")
def _doctor() -> None:
    """Say what this machine lacks, and how to get it."""
    table = Table("", "what", "found", "what to do", box=None, padding=(0, 2, 0, 0))
    findings = doctor.examine()
    for finding in findings:
        mark = (
            "[green]ok[/]"
            if finding.good
            else "[red]missing[/]"
            if finding.needed
            else "[yellow]note[/]"
        )
        table.add_row(mark, finding.what, finding.found, "" if finding.good else finding.remedy)
    _out.print(table)
    if any(finding.needed and not finding.good for finding in findings):
        raise typer.Exit(1)


@_app.command("kernels")
def _kernels(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the kernels that --kernel and KERNEL= may name."""
    rows = [
        {
            "name": recipe.name,
            "version": recipe.names[1],
            "matrix": recipe.matrix,
            "default": recipe.default,
            "key": recipe.key,
            "release": image.release if (image := images.built(recipe)) else None,
        }
        for recipe in images.recipes()
        if recipe.boots
    ]
    if as_json:
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    table = Table("name", "version", "matrix", "release", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        name = f"{row['name']} (default)" if row["default"] else str(row["name"])
        matrix = "yes" if row["matrix"] else ""
        table.add_row(name, str(row["version"]), matrix, str(row["release"] or "not built"))
    table.add_row("/path/to/linux", "", "", "a tree that you built")
    _out.print(table)


@_app.command("boot")
def _boot(
    kernel: KernelOption = None,
    accelerator: AccelOption = "auto",
    cpus: CpusOption = 2,
    memory: MemoryOption = 2048,
) -> None:
    """Boot a VM with the module loaded, and keep it until Enter is pressed."""
    with _vm_with_module(kernel, accelerator, cpus, memory) as vm:
        _out.print(f"booted in {vm.boot_seconds:.1f} s; the module is loaded", highlight=False)
        _out.print(vm.ssh_command(), markup=False, highlight=False, soft_wrap=True)
        _out.input("Press Enter to end it: ")


@_app.command("shell")
def _shell(
    kernel: KernelOption = None,
    accelerator: AccelOption = "auto",
    cpus: CpusOption = 2,
    memory: MemoryOption = 2048,
) -> None:
    """Boot a VM with module and userspace, and open a shell in it."""
    with _vm_with_module(kernel, accelerator, cpus, memory) as vm:
        status_code = privilege.run_in_terminal(vm.ssh_command())
    raise typer.Exit(status_code)


@_app.command("run", context_settings={"ignore_unknown_options": True})
def _run(
    command: Annotated[list[str], typer.Argument(help="After --: the command and its words.")],
    kernel: KernelOption = None,
    accelerator: AccelOption = "auto",
    cpus: CpusOption = 2,
    memory: MemoryOption = 2048,
    timeout: Annotated[float, typer.Option(help="Seconds on a KVM guest.")] = 600.0,
) -> None:
    """Run one command in a fresh VM with module and userspace; ends with its status."""
    with _vm_with_module(kernel, accelerator, cpus, memory) as vm:
        try:
            done = vm.guest.run(*command, check=False, timeout=timeout)
        except CommandFailed as error:
            raise typer.Exit(126) from error
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
    raise typer.Exit(done.status)


@_app.command("check")
def _check(
    names: Annotated[list[str] | None, typer.Argument(help="Checks; default: all.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Say which there are.")] = False,
) -> None:
    """Static checks of module, userspace and scripts; nothing is booted."""
    wanted = checks.named(names or [])
    if show:
        table = Table("name", "what it checks", box=None, padding=(0, 2, 0, 0))
        for check in wanted:
            table.add_row(check.name, check.what)
        _out.print(table)
        return
    with status(_err, "image") as say:
        image = images.ensure(images.recipe_named(checks.IMAGE), say)
    dirty = []
    with status(_err, "checking") as say:
        for outcome in checks.run(wanted, image, say=say):
            name, seconds = outcome.check.name, outcome.seconds
            if outcome.clean:
                how = f"{seconds:.1f} s" if seconds else "nothing has changed"
                _out.print(f"[green]ok[/]      {name} ({how})", highlight=False)
            else:
                dirty.append(name)
                _out.print(f"[red]failed[/]  {name}", highlight=False)
                _out.print(Text(str(outcome)), highlight=False, soft_wrap=True)
    if dirty:
        raise typer.Exit(1)


@_app.command("bench-boot")
def _bench_boot(
    kernel: KernelOption = None,
    rounds: Annotated[int, typer.Option(min=1, help="Boots of each kind, in turn.")] = 3,
    accelerator: AccelOption = "auto",
) -> None:
    """Cold start to SSH, ours and plain virtme-ng's; writes build/bench-boot.json."""
    config = _config(kernel, accelerator, 2, 2048)
    with status(_err, "booting in turn") as say:
        result = bench_boot.measure(config, rounds, say)
    target = images.TOP / "build" / "bench-boot.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(result.to_json())
    _out.print(result.table())
    _out.print(f"written: {target.relative_to(images.TOP)}", highlight=False)


@_images.command("list")
def _images_list(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the recipes, and what is built."""
    rows = [
        {
            "name": recipe.name,
            "kernel": recipe.kernel,
            "suite": recipe.suite,
            "key": recipe.key,
            "release": image.release if (image := images.built(recipe)) else None,
        }
        for recipe in images.recipes()
    ]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    table = Table("recipe", "kernel", "suite", "key", "built", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(str(value) if value else "-" for value in row.values()))
    _out.print(table)


@_images.command("build")
def _images_build(
    names: Annotated[
        list[str] | None, typer.Argument(help="Recipes; default: the default.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All recipes.")] = False,
) -> None:
    """Build what is not in the cache."""
    if every:
        wanted = images.recipes()
    else:
        wanted = [images.recipe_named(name) for name in names or []] or [images.recipe_named(None)]
    for recipe in wanted:
        with status(_err, f"image {recipe.name}") as say:
            image = images.ensure(recipe, say)
        _out.print(f"{recipe.name}: {image.path}", highlight=False, soft_wrap=True)


@_images.command("clean")
def _images_clean(
    every: Annotated[bool, typer.Option("--all", help="Also those that are up to date.")] = False,
) -> None:
    """Remove images that no recipe wants any more, snapshots, and what checks found clean."""
    snapshot.clean()
    checks.forget()
    keep = [] if every else [recipe.path for recipe in images.recipes()]
    for path in images.clean(keep=keep):
        _out.print(f"removed {path}", highlight=False, soft_wrap=True)


def _config(kernel: str | None, accelerator: str, cpus: int, memory: int) -> VmConfig:
    with status(_err, "image") as say:
        resolved = kernels.resolve(kernel, say)
    chosen = accel.choose(accelerator, resolved.image.kernel)
    return VmConfig(resolved, chosen, cpus=cpus, memory=memory)


@contextmanager
def _vm_with_module(kernel: str | None, accelerator: str, cpus: int, memory: int) -> Iterator[VM]:
    config = _config(kernel, accelerator, cpus, memory)
    with tempfile.TemporaryDirectory(prefix="vmtest-log-") as folder:
        with status(_err, "module and userspace") as say:
            module = build.zosbd2_module(config.kernel)
            programs = build.zosbd2_userspace(config.kernel.image)
            vm = VM(config, Path(folder))
            say(f"booting {config.kernel.name} under {config.accelerator.name}")
            vm.start()
        try:
            vm.guest.put({"usr": programs.path / "root/usr"}, "/")
            KernelModule(vm.guest, module.path, "zosbd2").load()
            yield vm
        finally:
            vm.stop()
