# SPDX-License-Identifier: MIT
"""Which accelerator runs the guests, found by running a kernel under it.

``/dev/kvm`` can be there, open, and make vCPUs, and still not run a kernel: nested virtualisation
that is switched off half-way, or a sandbox. So KVM counts as usable only when a kernel has got to
its own init under it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from vmtest.cache import cache_dir, content_key, locked
from vmtest.errors import SetupError

# A kernel under working KVM prints this within a second or two. It has no root to mount, so it
# panics right afterwards: the panic is the proof that it ran.
_ALIVE = re.compile(r"Kernel panic - not syncing: VFS|Unable to mount root fs")
_DEADLINE = 20.0


@dataclass(frozen=True)
class Accelerator:
    """``name`` is ``kvm`` or ``tcg``; ``reason`` says in a few words why."""

    name: Literal["kvm", "tcg"]
    reason: str

    @property
    def slowness(self) -> float:
        """What deadlines are multiplied with; they are written for KVM."""
        return 1.0 if self.name == "kvm" else 4.0


def choose(wish: str, kernel: Path) -> Accelerator:
    """The accelerator for ``wish`` (``auto``, ``kvm``, ``tcg``), probed with the file ``kernel``.

    Raises SetupError when KVM was asked for and does not work.
    """
    if wish == "tcg":
        return Accelerator("tcg", "asked for")
    found = probe(kernel)
    if wish == "kvm" and found.name != "kvm":
        raise SetupError(
            f"KVM was asked for, but {found.reason}",
            hint="run with --accel=auto or --accel=tcg, or mend KVM (vmtest doctor)",
        )
    return found


def probe(kernel: Path) -> Accelerator:
    """Run ``kernel`` under KVM for a moment; the answer is kept until this machine boots again."""
    if not Path("/dev/kvm").exists():
        return Accelerator("tcg", "there is no /dev/kvm")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Accelerator(
            "tcg", "/dev/kvm may not be opened by this user (group kvm, or a udev rule)"
        )
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text()
    key = content_key([boot_id, str(os.geteuid()), str(kernel), _qemu_version()])
    memory = cache_dir("accel") / f"{key}.json"
    with locked(cache_dir("accel") / "lock", "probing KVM"):
        if memory.exists():
            return Accelerator(**json.loads(memory.read_text()))
        answer = _run_kernel(kernel)
        memory.write_text(json.dumps(asdict(answer)))
    return answer


def _qemu_version() -> str:
    try:
        result = subprocess.run(
            ["qemu-system-x86_64", "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except OSError as error:
        raise SetupError(f"qemu-system-x86_64 cannot be run: {error}", hint="make setup") from error
    return result.stdout


def _run_kernel(kernel: Path) -> Accelerator:
    command = [
        "qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "512", "-nodefaults",
        "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", str(kernel),
        "-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1",
    ]  # fmt: skip
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_DEADLINE,
            check=False,
        )
        output = result.stdout
        ending = f"QEMU ended with status {result.returncode}"
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
        ending = f"the kernel got nowhere in {_DEADLINE:.0f} s"
    text = output.decode(errors="replace")
    if _ALIVE.search(text):
        return Accelerator("kvm", "a kernel ran under it")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = f" (last words: {lines[-1][:100]})" if lines else ""
    return Accelerator("tcg", f"/dev/kvm is there but does not run a kernel: {ending}{last}")
