# SPDX-License-Identifier: MIT
"""A throwaway virtual machine: virtme-ng's command line, its life, its death."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import paramiko
import pexpect
from qemu.qmp.legacy import QEMUMonitorProtocol
from qemu.qmp.protocol import ConnectError

from vmtest import sweep
from vmtest.accel import Accelerator
from vmtest.cache import cache_dir, locked
from vmtest.console import Console
from vmtest.disks import PAGE, Disk
from vmtest.errors import (
    BootFailed,
    GuestError,
    GuestLost,
    GuestPanicked,
    GuestTimeout,
    SetupError,
    VmtestError,
)
from vmtest.guest import Guest
from vmtest.kernels import Kernel
from vmtest.klog import Report
from vmtest.snapshot import Snapshot, SnapshotError

_names = itertools.count(1)

# Of a disk that is plugged in.
_SLOT = "disk-slot"

# What boots faster, and what makes a dead kernel end QEMU instead of looking like a hung one.
_KERNEL_ARGUMENTS = (
    "panic=-1",
    "oops=panic",
    "cryptomgr.notests=1",  # seconds of self-tests under emulation
    "mitigations=off",
    "no_timer_check",
    "random.trust_cpu=on",
    "rcupdate.rcu_expedited=1",  # module removal and device teardown wait for RCU
    "8250.nr_uarts=1",
    "i8042.noprobe=1",
    "audit=0",
    "hung_task_panic=0",
    "no5lvl",  # one level less for every emulated page walk
    # Without an initramfs the kernel would wait for its root for ever, as virtme-ng tells it; it
    # takes a number since Linux 6.6 (init/do_mounts.c).
    "rootwait=20",
)


@dataclass(frozen=True)
class VmConfig:
    """What a VM is made of. ``memory`` in MiB."""

    kernel: Kernel
    accelerator: Accelerator
    cpus: int = 2
    memory: int = 2048
    kernel_arguments: tuple[str, ...] = ()
    qemu_arguments: tuple[str, ...] = ()
    verbose_boot: bool = False
    #: Boot even if there is a snapshot of a guest that has just booted, and make none.
    cold: bool = False

    @property
    def slowness(self) -> float:
        """What deadlines are multiplied with; they are written for KVM and a plain kernel."""
        return self.accelerator.slowness * self.kernel.slowness


class VM:
    """One guest, from ``start`` to ``stop``; a context manager does both.

    The guest writes only to memory: root disk and 9p shares are read-only. Its one network is
    QEMU's user network, closed but for a port of 127.0.0.1 that QEMU chooses, so any number of VMs
    run side by side. All files are in a temporary folder that ``stop`` removes; only the console's
    log is where the caller wants it.
    """

    def __init__(self, config: VmConfig, log_dir: Path, prefix: str = "") -> None:
        self.config = config
        self.name = f"{prefix}vm{next(_names)}"
        self.log = log_dir / f"console-{self.name}.log"
        self.boot_seconds = 0.0
        self._port = 0
        self._marks = itertools.count(1)
        self._stopping = threading.Event()
        self._dead = threading.Event()
        self._workdir: Path | None = None
        self._child: pexpect.spawn[bytes] | None = None
        self._console: Console | None = None
        self._guest: Guest | None = None
        self._qmp: QEMUMonitorProtocol | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def console(self) -> Console:
        """The serial console."""
        assert self._console is not None, f"{self.name} was not started"
        return self._console

    @property
    def guest(self) -> Guest:
        """Commands and files."""
        assert self._guest is not None, f"{self.name} was not started"
        return self._guest

    @property
    def alive(self) -> bool:
        """Whether the guest runs, as far as its console tells."""
        return self._console is not None and not self._dead.is_set()

    def start(self) -> Self:
        """Boot, or go on where such a guest had booted; return when commands can be run.

        Raises BootFailed or SshFailed.
        """
        self._workdir = Path(tempfile.mkdtemp(prefix=sweep.folder_prefix()))
        self.log.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        try:
            key = _login_key()
            snapshot = self._snapshot(key)
            if snapshot is None or not self._resume(key, snapshot):
                self._boot(key, snapshot)
        except BaseException as error:
            self.stop()
            if isinstance(error, GuestError) and not isinstance(error, BootFailed):
                raise BootFailed(f"{self.name} did not boot: {error}") from error
            raise
        self.boot_seconds = time.monotonic() - began
        return self

    @property
    def snapshot(self) -> Snapshot | None:
        """That of guests like this one, which goes on from it or has made it; None without."""
        return self._snapshot(_login_key())

    def _snapshot(self, key: paramiko.PKey) -> Snapshot | None:
        """The snapshot for guests like this one, to be used or made; None if there cannot be."""
        config = self.config
        if config.cold or config.verbose_boot or config.accelerator.name != "tcg":
            return None
        if config.kernel.tree is not None:
            return None  # its modules are in a 9p share, and QEMU cannot save one that is in use
        disk = config.kernel.image.root_disk
        return Snapshot(
            [
                str(disk), str(disk.stat().st_mtime_ns), str(config.kernel.boot_path),
                f"{config.cpus} CPUs, {config.memory} MiB", *config.kernel_arguments, "and",
                *config.qemu_arguments, key.get_base64(), Path(__file__).read_text(),
            ]
        )  # fmt: skip

    def _boot(self, key: paramiko.PKey, snapshot: Snapshot | None) -> None:
        slowness = self.config.slowness
        self._child = self._spawn(key)
        self._console = Console(self._child, self.log, self._on_dead)
        ready = self._console.wait_for(r"vmtest-init: sshd is up", 30 * slowness)
        if ready is None:
            raise self.explain("the guest ended before its sshd was up", BootFailed)
        self._qmp = self._open_monitor()
        if snapshot is not None:
            with suppress(SnapshotError):  # the next one boots too
                snapshot.save(self._qmp)
        self._connect(key)

    def _resume(self, key: paramiko.PKey, snapshot: Snapshot) -> bool:
        """Whether that worked. If not, the snapshot is gone, and all is as before."""
        if not snapshot.exists:
            return False
        try:
            self._child = self._spawn(key, "-incoming defer")
            self._console = Console(self._child, self.log, self._on_dead)
            self._qmp = self._open_monitor()
            snapshot.load(self._qmp)
            self._connect(key)
            # Its clock stood still, and it must not draw the random numbers of its siblings.
            script = 'date -s "@$1" >/dev/null && echo "$2" >/dev/urandom'
            self.guest.run("sh", "-c", script, "resume", f"{time.time():.3f}", os.urandom(32).hex())
        except (GuestError, SnapshotError):
            snapshot.discard()
            self._end_qemu()
            self._dead.clear()
            self._console = self._guest = self._qmp = None
            return False
        return True

    def _connect(self, key: paramiko.PKey) -> None:
        self._port = self._ssh_port()
        slowness = self.config.slowness
        self._guest = Guest(self._port, key, self.explain, lambda: self.alive, slowness)

    def stop(self) -> None:
        """End the guest, at once and whatever its state; remove all it left."""
        self._stopping.set()
        self._end_qemu()
        if self._workdir is not None:
            shutil.rmtree(self._workdir, ignore_errors=True)
            self._workdir = None

    def _end_qemu(self) -> None:
        if self._guest is not None:
            self._guest.close()
        if self._qmp is not None:
            with suppress(Exception):  # it may be gone already
                self._qmp.cmd("quit")
            with suppress(Exception):
                self._qmp.close()
        self._kill()
        if self._console is not None:
            self._console.join(10)

    def monitor(self, command: str) -> str:
        """Run a command of QEMU's human monitor, such as ``info usernet``; returns its answer."""
        assert self._qmp is not None, f"{self.name} was not started"
        return str(self._qmp.cmd("human-monitor-command", **{"command-line": command}))

    def plug(self, disk: Disk) -> str:
        """Give the guest another disk, as it runs; returns the disk's node there.

        There is room for one at a time.
        """
        assert self._qmp is not None, f"{self.name} was not started"
        self._qmp.cmd("blockdev-add", **disk.blockdev)
        device = {
            "driver": "virtio-blk-pci",
            "id": disk.name,
            "bus": _SLOT,
            "drive": disk.name,
            "serial": disk.name,
            "logical_block_size": PAGE,
            "physical_block_size": PAGE,
            "write-cache": "on",
        }
        self._qmp.cmd("device_add", **device)
        link = f"/dev/disk/by-id/virtio-{disk.name}"
        self.guest.wait_until(f"the guest sees {disk.name}", 20, "test", "-b", link)
        return self.guest.run("readlink", "-f", link).stdout.strip()

    def unplug(self, disk: Disk) -> None:
        """Take a disk away that nobody in the guest uses any more."""
        assert self._qmp is not None, f"{self.name} was not started"
        self._qmp.cmd("device_del", id=disk.name)
        deadline = time.monotonic() + 20 * self.guest.slowness
        while True:
            try:
                event = self._qmp.pull_event(wait=max(0.1, deadline - time.monotonic()))
            except TimeoutError as error:
                raise self.explain(
                    f"the guest does not let {disk.name} go", GuestTimeout
                ) from error
            if event and event["event"] == "DEVICE_DELETED":
                gone = event["data"]
                if isinstance(gone, dict) and gone.get("device") == disk.name:
                    break
        self._qmp.cmd("blockdev-del", **{"node-name": disk.name})

    def cut_power(self) -> None:
        """End QEMU from one instant to the next."""
        assert self._child is not None, f"{self.name} was not started"
        self._kill()

    def wait_until_dead(self, timeout: float = 20.0) -> bool:
        """Whether the guest died within so many seconds (stretched for emulation)."""
        return self._dead.wait(timeout * self.guest.slowness)

    def ssh_command(self) -> str:
        """The command line with which a person gets a shell in this guest."""
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        return f"ssh {options} -i {_key_path()} -p {self._port} root@127.0.0.1"

    def sync_log(self, word: str) -> int:
        """Wait until everything that the kernel has printed so far is in the console's log.

        Returns the position behind it. ``word`` says in the log what the mark is for.
        """
        mark = f"vmtest: mark {next(self._marks)} {re.sub(r'[^ -~]', '?', word)}"
        since = self.console.position
        self.guest.shell.script(f"printf '<5>%s\\n' {shlex.quote(mark)} >/dev/kmsg")
        match = self.console.wait_for(re.escape(mark), 10 * self.guest.slowness, since)
        if match is None:
            raise self.explain("the guest died", GuestLost)
        return match.end()

    def explain(self, message: str, kind: type[GuestError]) -> GuestError:
        """The exception for ``message``: of ``kind``, or of what really happened to the guest."""
        console = self._console
        if console is None:
            return kind(f"{self.name}: {message}")
        if not self._stopping.is_set() and kind is not BootFailed:
            # A broken connection is often the first that is seen of a panic.
            self._dead.wait(2.0 if "Ssh" in kind.__name__ else 0.0)
        if console.panicked and kind is not BootFailed:
            kind, message = GuestPanicked, f"the kernel died ({message})"
        elif console.ended and kind is not BootFailed:
            kind, message = GuestLost, f"QEMU ended ({message})"
        # What kept a guest from booting stands before the panic that it ends in.
        lines = 50 if kind is BootFailed else 20
        return kind(f"{self.name}: {message}", console=console.tail(lines), log=self.log)

    def _on_dead(self) -> None:
        """Called by the console's thread: break what waits on SSH, and do not let QEMU linger."""
        self._dead.set()
        if self._guest is not None:
            self._guest.close()

    def _spawn(self, key: paramiko.PKey, *more: str) -> pexpect.spawn[bytes]:
        assert self._workdir is not None
        config = self.config
        arguments = [
            *_KERNEL_ARGUMENTS,
            "loglevel=7" if config.verbose_boot else "loglevel=4",
            f"vmtest.key={key.get_base64()}",
            *config.kernel.arguments,
            *config.kernel_arguments,
        ]
        qemu = [
            "-no-reboot",
            f"-pidfile {self._workdir}/qemu.pid",
            f"-qmp unix:{self._workdir}/qmp,server=on,wait=off",
            "-device virtio-net-pci,netdev=ssh,romfile=",
            f"-device pcie-root-port,id={_SLOT},chassis=1",
            "-netdev user,id=ssh,restrict=on,hostfwd=tcp:127.0.0.1:0-:22",
            # With a thread per vCPU, QEMU before 8.0 can go on running code that the guest's kernel
            # has patched (static keys), which ends in an int3 oops now and then.
            *(["-accel tcg,thread=single"] if config.accelerator.name == "tcg" else []),
            *config.qemu_arguments,
            *more,
        ]
        command = [
            str(Path(sys.executable).parent / "vng"),
            "--run", str(config.kernel.boot_path),
            "--root-disk", str(config.kernel.image.root_disk),
            "--root-fstype", "ext4",
            "--systemd",  # run the image's /sbin/init: images/guest-init
            "--force-9p",
            "--disable-monitor",
            "--user", "root",
            "--name", self.name,
            "--cpus", str(config.cpus),
            "--memory", f"{config.memory}M",
            *(["--disable-kvm"] if config.accelerator.name == "tcg" else []),
            *itertools.chain.from_iterable(("--append", word) for word in arguments),
            f"--qemu-opts={' '.join(qemu)}",
        ]  # fmt: skip
        # virtme-ng keeps files in the home folder; a home of its own keeps VMs apart, and leaves
        # nothing behind. Its programs call each other through PATH.
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
        env = {
            **os.environ,
            "PATH": path,
            "HOME": str(self._workdir),
            "XDG_CACHE_HOME": str(self._workdir),
            "XDG_CONFIG_HOME": str(self._workdir),
            "TERM": "dumb",
        }
        return pexpect.spawn(
            command[0], command[1:], env=env, cwd=str(self._workdir), timeout=None, echo=False,
            dimensions=(50, 200), codec_errors="replace",
        )  # fmt: skip

    def _open_monitor(self) -> QEMUMonitorProtocol:
        assert self._workdir is not None
        socket = self._workdir / "qmp"
        deadline = time.monotonic() + 30 * self.config.slowness
        error: Exception | None = None
        while self.alive and time.monotonic() < deadline:
            if socket.exists():  # qemu.qmp logs an attempt that fails as an error
                qmp = QEMUMonitorProtocol(str(socket))
                qmp.settimeout(30.0)
                try:
                    qmp.connect()
                    return qmp
                except (ConnectError, OSError) as failure:
                    error = failure
            time.sleep(0.02)
        message = f"QEMU did not open its monitor {socket}: {error or 'there is no such socket'}"
        raise self.explain(message, BootFailed) from error

    def _ssh_port(self) -> int:
        """The port that QEMU chose for the guest's port 22."""
        answer = self.monitor("info usernet")
        match = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+22\b", answer)
        if match is None:
            raise VmtestError(f"QEMU does not tell its port; info usernet said:\n{answer}")
        return int(match[1])

    def _kill(self) -> None:
        """End virtme-ng and QEMU; they are one session, with the child as its leader."""
        if self._child is None or self._child.pid is None:
            return
        with suppress(OSError, ValueError):
            os.killpg(self._child.pid, signal.SIGKILL)
        if self._workdir is not None:
            with suppress(OSError, ValueError):
                os.kill(int((self._workdir / "qemu.pid").read_text()), signal.SIGKILL)
        with suppress(pexpect.ExceptionPexpect):
            self._child.wait()


def take_reports(vm: VM) -> list[Report]:
    """The kernel's reports since the last call, complete: a dead guest's last one is closed."""
    if not vm.alive:
        vm.console.join(5)
        vm.console.settle()
    return vm.console.take_reports()


def with_arguments(config: VmConfig, *arguments: str) -> VmConfig:
    """``config`` with more words on the kernel's command line."""
    return replace(config, kernel_arguments=(*config.kernel_arguments, *arguments))


def _key_path() -> Path:
    return cache_dir("ssh") / "id_ed25519"


def _login_key() -> paramiko.PKey:
    """The key that opens every guest of this user; made once, and only useful on this machine."""
    path = _key_path()
    with locked(cache_dir("ssh") / "lock", "making the login key", timeout=60):
        if not path.exists():
            try:
                subprocess.run(
                    ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)],
                    check=True, capture_output=True, text=True,
                )  # fmt: skip
            except (OSError, subprocess.CalledProcessError) as error:
                raise SetupError(f"ssh-keygen failed: {error}", hint="make setup") from error
    return paramiko.Ed25519Key.from_private_key_file(str(path))
