# SPDX-License-Identifier: MIT
"""Cold start to SSH: this harness against plain virtme-ng, in turn and in one run.

Both boot the same kernel and the same root disk under the same accelerator, and both end when a
command has been run over SSH. Plain is ``vng --root-disk … --ssh-tcp`` as its documentation has it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import pexpect
from rich.table import Table

from vmtest.errors import BootFailed
from vmtest.kernels import Kernel
from vmtest.vm import VM, VmConfig

# A plain boot that takes longer hangs: QEMU 7.2 with a thread per vCPU does that now and then on a
# busy machine. It is tried again, and counted.
_DEADLINE = 150.0
_TRIES = 3


@dataclass(frozen=True)
class BootTimes:
    """Seconds of every boot, in the order they were made."""

    kernel: str
    accelerator: str
    plain: list[float]
    ours: list[float]
    plain_failures: int

    @property
    def ratio(self) -> float:
        """Our median over plain's."""
        return median(self.ours) / median(self.plain)

    def to_json(self) -> str:
        """The contents of ``build/bench-boot.json``."""
        values = {
            "kernel": self.kernel,
            "accelerator": self.accelerator,
            "plain_seconds": self.plain,
            "plain_boots_that_hung": self.plain_failures,
            "vmtest_seconds": self.ours,
            "ratio": round(self.ratio, 3),
        }
        return json.dumps(values, indent=1) + "\n"

    def table(self) -> Table:
        """For people."""
        title = f"cold start to SSH, {self.kernel} under {self.accelerator}"
        table = Table("", "median", "boots", title=title, box=None, padding=(0, 2, 0, 0))
        for name, times in (("plain vng", self.plain), ("vmtest", self.ours)):
            boots = ", ".join(f"{t:.1f}" for t in times)
            table.add_row(name, f"{median(times):.1f} s", boots)
        if self.plain_failures:
            table.add_row("plain vng", "", f"{self.plain_failures} more hung and do not count")
        table.add_row("ratio", f"{self.ratio:.2f}", "at most 0.60 is wanted")
        return table


def measure(config: VmConfig, rounds: int, say: Callable[[str], None]) -> BootTimes:
    """Boot ``rounds`` times each, in turn, so that a busy machine slows both."""
    plain: list[float] = []
    ours: list[float] = []
    failures = 0
    for number in range(1, rounds + 1):
        say(f"vmtest, boot {number} of {rounds}")
        ours.append(_boot_ours(config))
        while len(plain) < number:
            say(f"plain vng, boot {number} of {rounds}")
            try:
                plain.append(_boot_plain(config))
            except BootFailed as error:
                failures += 1
                if failures == _TRIES:
                    raise
                say(str(error))
    return BootTimes(config.kernel.release, config.accelerator.name, plain, ours, failures)


def _boot_ours(config: VmConfig) -> float:
    with tempfile.TemporaryDirectory(prefix="vmtest-log-") as folder:
        began = time.monotonic()
        with VM(replace(config, cold=True), Path(folder)) as vm:
            vm.guest.run("true")
            return time.monotonic() - began


def _boot_plain(config: VmConfig) -> float:
    home = Path(tempfile.mkdtemp(prefix="vmtest-plain-"))
    programs = Path(sys.executable).parent
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(programs / "vng"), "--run", str(_plain_kernel(config.kernel)),
        "--root-disk", str(config.kernel.image.root_disk), "--root-fstype", "ext4",
        "--user", "root", "--cpus", str(config.cpus), "--memory", f"{config.memory}M",
        "--ssh-tcp", "--ssh", str(port), "--force-9p",
        *(["--disable-kvm"] if config.accelerator.name == "tcg" else []),
    ]  # fmt: skip
    path = f"{programs}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    env = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "PATH": path}
    began = time.monotonic()
    child = pexpect.spawn(command[0], command[1:], env=env, cwd=str(home), timeout=1)
    # A console that nobody reads fills up, and QEMU waits for it.
    reader = threading.Thread(target=_drain, args=(child,), daemon=True)
    reader.start()
    try:
        key = home / ".cache/virtme-ng/.ssh/id_virtme"
        while not _ssh_answers(port, key):
            if not child.isalive() or time.monotonic() - began > _DEADLINE:
                raise BootFailed(
                    f"plain vng did not answer on SSH after {time.monotonic() - began:.0f} s",
                    hint=f"run it by hand: {' '.join(command)}",
                )
            time.sleep(0.1)
        return time.monotonic() - began
    finally:
        with suppress(OSError):
            os.killpg(child.pid or 0, signal.SIGKILL)
        child.wait()
        reader.join(10)
        shutil.rmtree(home, ignore_errors=True)


def _plain_kernel(kernel: Kernel) -> Path:
    """The kernel beside all of its modules: virtme-ng's own init wants more of them than ours."""
    if kernel.tree is not None:
        return kernel.tree
    return kernel.image.root / "boot" / f"vmlinuz-{kernel.release}"


def _drain(child: pexpect.spawn[bytes]) -> None:
    with suppress(pexpect.EOF, OSError, ValueError):
        while True:
            child.read_nonblocking(65536, timeout=None)


def _ssh_answers(port: int, key: Path) -> bool:
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null",
               "ConnectTimeout=5", "LogLevel=QUIET"]  # fmt: skip
    words = [word for option in options for word in ("-o", option)]
    result = subprocess.run(
        ["ssh", "-F", "none", *words, "-i", str(key), "-p", str(port), "root@127.0.0.1", "true"],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    return result.returncode == 0
