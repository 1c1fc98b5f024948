# SPDX-License-Identifier: MIT
"""A guest that is its kernel and its initramfs, and says something through a serial line.

One kind is such that its every instruction follows from what was put into it: QEMU counts
instructions (``-icount``: one takes one nanosecond of the guest's time, and idle time is skipped),
and nothing reaches the guest from outside while it runs: no network, no disk, no entropy, no wall
clock. What it needs is in its initramfs; what it has to say goes through a serial line into a file,
which never makes it wait. It is one CPU, run by one thread.

The other is as fast as may be, and has several CPUs.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vmtest import sweep
from vmtest.accel import Accelerator
from vmtest.errors import GuestError, GuestLost, GuestPanicked, GuestTimeout

# One that is emulated whole by every QEMU, and has no "enhanced rep movsb": that moves a byte per
# instruction as they are counted here, and a cache line per cycle or so where it is real. Without
# it, copies are made of 8 or 16 bytes each. It has no rdrand either.
CPU = "Nehalem"

_KERNEL_ARGUMENTS = (
    "console=ttyS0",
    "loglevel=4",
    "panic=-1",
    "oops=panic",
    "mitigations=off",
    "nokaslr",
    "norandmaps",
    "no_timer_check",
    "cryptomgr.notests=1",
    "audit=0",
    "rcupdate.rcu_expedited=1",
    "PYTHONHASHSEED=0",
)

# Memory in MiB.
_MEMORY = 1024


@dataclass(frozen=True)
class Hardware:
    """What QEMU is told of the machine."""

    cpu: str
    cpus: int
    arguments: tuple[str, ...]
    kernel_arguments: tuple[str, ...] = ()


def counting(cpu: str = CPU) -> Hardware:
    """One that counts instructions."""
    return Hardware(
        cpu, 1, ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
                 "-rtc", "base=2025-01-01T00:00:00,clock=vm"),
    )  # fmt: skip


def parallel(accelerator: Accelerator, cpus: int) -> Hardware:
    """One whose CPUs run at once, after the guest has switched on all but the first.

    With a thread per CPU, QEMU before 8.0 can go on running code that the guest's kernel has
    patched. That is an int3 oops, and most is patched as the kernel boots: so it boots on one CPU.
    """
    boot = ("maxcpus=1",)
    if accelerator.name == "kvm":
        return Hardware("host", cpus, ("-accel", "kvm"), boot)
    return Hardware(CPU, cpus, ("-accel", "tcg,thread=multi"), boot)


class Machine:
    """A running guest: what it says, line by line, until it ends."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        #: What the machine's files are in, as long as it runs.
        self.folder = folder
        self._process = process

    def lines(self, timeout: float) -> Iterator[str]:
        """What the guest says.

        Raises GuestTimeout when it has said nothing for ``timeout`` real seconds.
        """
        deadline = time.monotonic() + timeout
        rest = ""
        with (self.folder / "answers").open() as file:
            while True:
                running = self._process.poll() is None
                text = file.read()
                if text:
                    deadline = time.monotonic() + timeout
                    *lines, rest = (rest + text).split("\n")
                    yield from lines
                elif not running:
                    return
                elif time.monotonic() > deadline:
                    raise self.failed(f"the guest said nothing for {timeout:.0f} s", GuestTimeout)
                else:
                    time.sleep(0.05)

    def end(self) -> None:
        """Switch it off at once. Whoever reads its lines sees that it has ended."""
        self._process.kill()

    def wait_for_end(self, timeout: float) -> None:
        """Wait until QEMU has ended, after the guest was switched off."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired as expired:
            message = f"QEMU did not end within {timeout:.0f} s"
            raise self.failed(message, GuestTimeout) from expired

    def failed(self, message: str, kind: type[GuestError] = GuestLost) -> GuestError:
        """The exception for ``message``: of ``kind``, or that the kernel died."""
        console = (self.folder / "console").read_text(errors="replace").splitlines()
        if any("Kernel panic" in line for line in console):
            kind, message = GuestPanicked, f"the kernel died ({message})"
        return kind(message, console=console[-60:])


@contextmanager
def running(
    hardware: Hardware, kernel: Path, initramfs: bytes, *qemu_arguments: str
) -> Iterator[Machine]:
    """Switch a machine on; it ends with the context at the latest.

    ``qemu_arguments`` may name files of the machine's folder, in which QEMU runs.
    """
    with tempfile.TemporaryDirectory(prefix=sweep.folder_prefix()) as name:
        folder = Path(name)
        (folder / "initramfs").write_bytes(initramfs)
        for output in ("console", "answers"):
            (folder / output).touch()
        command = [
            # It ends with this process, however that ends.
            "setpriv", "--pdeathsig=KILL", "qemu-system-x86_64",
            "-machine", "q35", "-nodefaults", "-no-user-config", "-display", "none",
            *hardware.arguments,
            "-cpu", hardware.cpu, "-smp", str(hardware.cpus), "-m", str(_MEMORY),
            "-seed", "1",
            "-serial", "file:console",
            "-serial", "file:answers",
            "-kernel", str(kernel),
            "-initrd", "initramfs",
            "-append", " ".join((*_KERNEL_ARGUMENTS, *hardware.kernel_arguments)),
            "-no-reboot",
            *qemu_arguments,
        ]  # fmt: skip
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=folder) as process:
            try:
                yield Machine(process, folder)
            finally:
                process.kill()
