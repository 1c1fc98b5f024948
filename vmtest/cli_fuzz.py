# SPDX-License-Identifier: MIT
"""``vmtest fuzz``: random calls to the module, and short scripts of what fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vmtest import accel, kernels
from vmtest.fuzz import command
from vmtest.progress import status
from vmtest.vm import VmConfig

_out = Console()
_err = Console(stderr=True)


def fuzz(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long.")] = 10.0,
    calls: Annotated[int, typer.Option(min=0, help="End after so many calls; 0: none.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Of a run to be repeated.")] = None,
    script: Annotated[
        Path | None, typer.Option("--replay", exists=True, help="Run this script instead.")
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="How often to run the script.")] = 20,
    kernel: Annotated[
        str, typer.Option("--kernel", envvar="KERNEL", help="Image, version or built tree.")
    ] = "debug",
    accelerator: Annotated[str, typer.Option("--accel", help="auto, kvm or tcg.")] = "auto",
    cpus: Annotated[int, typer.Option("--cpus", min=1, help="Virtual CPUs.")] = 2,
    memory: Annotated[int, typer.Option("--memory", min=256, help="Of the guest, in MiB.")] = 2048,
) -> None:
    """Make random calls to the module in a VM; what fails becomes a short script."""
    with status(_err, "image") as say:
        resolved = kernels.resolve(kernel or "debug", say)
    chosen = accel.choose(accelerator, resolved.image.kernel)
    config = VmConfig(resolved, chosen, cpus=cpus, memory=memory)
    good = (
        command.replay(config, script, turns, _out)
        if script is not None
        else command.fuzz(config, minutes, calls, seed, _out)
    )
    raise typer.Exit(0 if good else 1)
