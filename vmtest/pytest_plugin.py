# SPDX-License-Identifier: MIT
"""The pytest plugin: options, the ``vm`` and ``guest`` fixtures, and the kernel's log as a judge.

A test that uses ``vm`` (or a fixture built on it) fails when the kernel reported anything while it
ran, with the report's title. ``@pytest.mark.vm(memory=512, cpus=1, kernel_arguments=[...])`` asks
for a VM of another shape, ``@pytest.mark.kills_vm`` says that the VM cannot be used afterwards.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as RichConsole

from vmtest import accel, coverage, kernels, leaks, privilege, pytest_parallel
from vmtest.errors import GuestError, SetupError, VmtestError
from vmtest.guest import Guest
from vmtest.images import TOP
from vmtest.mortal import Mortal
from vmtest.pool import VmPool
from vmtest.pytest_parallel import share_of
from vmtest.pytest_recorder import JUNIT_PLACEHOLDER, Recorder, describe, keep_log
from vmtest.report import evidence
from vmtest.vm import VM, VmConfig
from vmtest.watch import KernelReported, LogWatch

SESSION = pytest.StashKey["Session"]()
WATCH = pytest.StashKey[LogWatch]()
_FAILED = pytest.StashKey[bool]()
_WATCHED = pytest.StashKey[evidence.Watched]()
_NEXT = pytest.StashKey[pytest.Item | None]()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """The options of the harness; and its other part, which has hooks that come before all."""
    pluginmanager.register(pytest_parallel, "vmtest-parallel")
    group = parser.getgroup("vmtest", "virtual machines for kernel tests")
    option = group.addoption
    option(
        "--kernel",
        default=os.environ.get("KERNEL") or None,
        metavar="WHICH",
        help="recipe (debug), version (6.12) or built tree (/path/to/linux); default: $KERNEL",
    )
    option(
        "--module-source",
        type=Path,
        default=TOP / "kmod",
        metavar="DIR",
        help="source of the module that is tested (kmod/ of this checkout)",
    )
    option(
        "--accel",
        default="auto",
        choices=["auto", "kvm", "tcg"],
        help="auto: KVM if a kernel really runs under it",
    )
    option("--cpus", type=int, default=2, metavar="N", help="virtual CPUs (2)")
    option("--memory", type=int, default=2048, metavar="MIB", help="memory of a guest (2048)")
    option(
        "--vm-scope",
        default="session",
        choices=["session", "module", "test"],
        help="how long a clean VM is reused at most (session)",
    )
    option(
        "--keep-vm",
        action="store_true",
        help="leave the VM of a failed test running until Enter is pressed at the end",
    )
    option(
        "--shell-on-failure",
        action="store_true",
        help="open a shell in the guest when a test has failed",
    )
    option(
        "--run-dir",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder of the runs' artefacts (build/vmtest)",
    )
    option(
        "--seed", type=int, default=None, help="of what tests choose at random (another each run)"
    )
    option(
        "--coverage",
        action="store_true",
        help="count the lines of the module that are executed, and report (--kernel debug)",
    )
    option("--verbose-boot", action="store_true", help="show the boot")
    option(
        "--cold-boot",
        action="store_true",
        help="boot every VM, and let none go on from the snapshot of one that has just booted",
    )


class Session:
    """What the tests of a process share; made when the first test that needs a VM is set up."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._worker = share_of(config).worker
        self.terminal = RichConsole(stderr=True)
        option = config.getoption
        #: For another pytest that is to use the same.
        self.kernel_option = ["--kernel", str(option("kernel"))] if option("kernel") else []
        self.module_source: Path = option("module_source").absolute()
        kernel = kernels.resolve(option("kernel"), self.say)
        probe_kernel = kernel.image.kernel
        accelerator = accel.choose(option("accel"), probe_kernel)
        self.default = VmConfig(
            kernel,
            accelerator,
            cpus=option("cpus"),
            memory=option("memory"),
            verbose_boot=option("verbose_boot"),
            cold=option("cold_boot"),
        )
        #: The run's folder.
        self.directory = share_of(config).make_directory()
        self.pool = VmPool(self.directory, self.say, f"{self._worker}-" if self._worker else "")
        if option("coverage"):
            coverage.require(kernel)
            self.pool.before_stop = self._keep_counters
        self.environment = describe(self.default)

    def say(self, text: str) -> None:
        """Tell the user what is going on, on a line of its own; pytest's capture is bypassed."""
        manager = self._config.pluginmanager.getplugin("capturemanager")
        who = f"vmtest: {self._worker}:" if self._worker else "vmtest:"
        with manager.global_and_fixture_disabled():
            self.terminal.print(f"[dim]{who} {text}[/]", highlight=False, soft_wrap=True)

    def _keep_counters(self, vm: VM) -> None:
        coverage.collect(vm.guest, self.directory / "coverage" / "guests" / vm.name)

    def config_for(self, item: pytest.Item) -> VmConfig:
        """The VM that the test's marks ask for."""
        changes: dict[str, Any] = {}
        for mark in item.iter_markers("vm"):
            changes = {**mark.kwargs, **changes}
        for name in ("kernel_arguments", "qemu_arguments"):
            if name in changes:
                changes[name] = tuple(changes[name])
        return replace(self.default, **changes)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marks; make artefacts and the summary when scenarios are among the tests."""
    config.addinivalue_line("markers", "vm(cpus, memory, kernel_arguments): the VM's shape")
    config.addinivalue_line("markers", "kills_vm: the VM cannot be used afterwards")
    config.addinivalue_line(
        "markers", "needs_config(option, ...): skipped where the kernel's configuration lacks one"
    )
    share = pytest_parallel.join(config)
    if not share.worker:
        _check_kernel(config.getoption("kernel"))
    if not config.option.collectonly and not share.worker:
        if config.option.xmlpath is None:
            config.option.xmlpath = JUNIT_PLACEHOLDER
        config.pluginmanager.register(Recorder(config, share), "vmtest-recorder")


def _check_kernel(spec: str | None) -> None:
    """Say once that there is no such kernel, and not with every test."""
    try:
        kernels.check(spec)
    except SetupError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_unconfigure(config: pytest.Config) -> None:
    """End whatever still runs, also after Ctrl-C."""
    session = config.stash.get(SESSION, None)
    if session is not None:
        session.pool.close()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the user look at the VMs that were kept, and end all: the report has their counters."""
    recorder = session.config.pluginmanager.getplugin("vmtest-recorder")
    if isinstance(recorder, Recorder):
        recorder.place_junit()
    shared = session.config.stash.get(SESSION, None)
    if shared is None:
        return
    if shared.pool.kept:
        _show_kept(session.config, shared)
    shared.pool.close()


def _show_kept(config: pytest.Config, shared: Session) -> None:
    for vm in shared.pool.kept:
        shared.say(f"{vm.name} is kept: {vm.ssh_command()}")
    manager = config.pluginmanager.getplugin("capturemanager")
    with manager.global_and_fixture_disabled():
        try:
            shared.terminal.input("Press Enter to end them: ")
        except EOFError:
            shared.say("no terminal: the kept VMs end now")


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """``--seed``, or one that nobody has chosen. A test that uses it prints what it makes of it."""
    return int(request.config.getoption("seed"))


@pytest.fixture(scope="session")
def vmtest_session(request: pytest.FixtureRequest) -> Session:
    """Kernel, accelerator and VM pool of this run; builds the image if need be."""
    session = Session(request.config)
    request.config.stash[SESSION] = session
    return session


@pytest.fixture
def vm(request: pytest.FixtureRequest, vmtest_session: Session) -> Iterator[VM]:
    """A virtual machine: as it was after its boot, or else freshly booted."""
    session, item = vmtest_session, request.node
    for mark in item.iter_markers("needs_config"):
        if reason := session.default.kernel.why_not(*mark.args):
            pytest.skip(reason)
    pool = session.pool
    pooled = pool.get(session.config_for(item))
    watch = LogWatch(pooled, item.nodeid)
    item.stash[WATCH] = watch
    if item.get_closest_marker("kills_vm"):
        pooled.spoiled = "the test says that it spoils the VM"
        if _vm_test_follows(item):
            pool.prepare_spare(session.default)
    try:
        yield pooled.vm
    finally:
        failed = item.stash.get(_FAILED, False)
        try:
            if _last(item) and leaks.can_be_found(pooled.vm.config.kernel):
                watch.scan_for_leaks()
            watch.check_clean()
        finally:
            item.stash[_WATCHED] = keep_log(session.directory, item.nodeid, watch)
            pooled = watch.pooled  # not the first one, if that died as expected
            if failed and session._config.getoption("shell_on_failure") and pooled.vm.alive:
                _shell(session, pooled.vm)
            keep = failed and session._config.getoption("keep_vm")
            scope = session._config.getoption("vm_scope")
            if pooled.spoiled or keep or scope == "test" or (scope == "module" and _last(item)):
                pool.retire(keep=keep)


@pytest.fixture
def guest(vm: VM) -> Guest:
    """Commands and files in the VM."""
    return vm.guest


@pytest.fixture
def mortal(request: pytest.FixtureRequest, vmtest_session: Session, vm: VM) -> Mortal:
    """A virtual machine that is to die in this test, and one after it; its successor boots."""
    watch = request.node.stash[WATCH]
    vmtest_session.pool.prepare_spare(vm.config)
    return Mortal(vmtest_session.pool, watch)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Note what follows: with workers, it is not the next in the list of all tests."""
    item.stash[_NEXT] = nextitem


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """The kernel's log has a say in every test's result, before its fixtures are torn down."""
    watch = item.stash.get(WATCH, None)
    try:
        result = yield
    except GuestError as error:
        # The guest died, or looks dead: what the kernel said about it is the better message.
        if watch is not None and (report := watch.failure()):
            raise report from error
        raise
    except Exception as error:
        if watch is not None and (report := watch.failure()):
            raise report from error
        raise
    if watch is not None:
        watch.check()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Errors of the harness speak for themselves: no stack of the harness's own calls.

    Done here, as junit.xml takes the report before pytest_exception_interact would see it. The
    report also gets what the results need to know of the test.
    """
    with _without_collector():
        report: pytest.TestReport = yield
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, VmtestError | KernelReported):
        report.longrepr = f"{type(error).__name__}: {error}{_place_in_test(item, call)}"
    if report.failed:
        item.stash[_FAILED] = True
        if "seed" in getattr(item, "fixturenames", ()):
            report.sections.append(("vmtest", f"chosen with --seed {item.config.option.seed}"))
    if session := item.config.stash.get(SESSION, None):
        watched = item.stash.get(_WATCHED, None) if call.when == "teardown" else None
        evidence.attach(report, session.environment, watched)
    return report


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from running.

    pytest parses the source of what failed. If the collector runs meanwhile it can let another
    thread do the same, and then CPython 3.11 fails with "AST constructor recursion depth mismatch"
    (gh-106905), and pytest with it.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _place_in_test(item: pytest.Item, call: pytest.CallInfo[None]) -> str:
    """The line of the test (not of the harness) where the error came up."""
    assert call.excinfo is not None
    entries = [entry for entry in call.excinfo.traceback if entry.path == item.path]
    if not entries:
        return ""
    last = entries[-1]
    return f"\n\n{item.path.name}:{last.lineno + 1}: {str(last.statement).strip()}"


def _vm_test_follows(item: pytest.Item) -> bool:
    return "vm" in getattr(item.stash[_NEXT], "fixturenames", ())


def _last(item: pytest.Item) -> bool:
    """Whether it is the last of its file."""
    following = item.stash[_NEXT]
    return following is None or following.path != item.path


def _shell(session: Session, vm: VM) -> None:
    manager = session._config.pluginmanager.getplugin("capturemanager")
    session.say(f"a shell in {vm.name}; leave it to go on")
    with manager.global_and_fixture_disabled():
        privilege.run_in_terminal(vm.ssh_command())
