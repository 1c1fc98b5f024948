# SPDX-License-Identifier: MIT
"""One run of several processes: what comes of it, with trivial tests and no VM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmtest.report.results import read_results

pytest_plugins = ["pytester"]

# Stands for the fixture of the same name: a kernel without a VM, a log without a guest.
_CONFTEST = """
import os
from pathlib import Path

import pytest

from vmtest import pytest_plugin
from vmtest.klog import Kind, Report
from vmtest.pytest_parallel import share_of
from vmtest.report import Environment
from vmtest.report.evidence import Watched


class Kernel:
    environment = Environment("6.12 (test)", "tcg", "no need", details={"CPUs": "2"})
    pool = type("Pool", (), {"kept": (), "close": lambda self: None})()


@pytest.fixture
def log(request):
    config = request.config
    directory = share_of(config).make_directory()
    config.stash[pytest_plugin.SESSION] = Kernel()
    yield
    name = (share_of(config).worker or "own") + "-vm1"
    dmesg = directory / f"{request.node.name}.log"
    dmesg.write_text(f"log of {request.node.name}")
    bad = (Report(Kind.WARNING, "WARNING in f", "f", ("a", "b"), 1, 2, time=1.5),)
    request.node.stash[pytest_plugin._WATCHED] = Watched(
        name, dmesg, directory / "console", ("last line",),
        bad if "bad" in request.node.name else (),
    )
"""

_FILE = """
from vmtest.errors import SetupError

def test_good(log): pass
def test_bad(log, seed): raise AssertionError(f"seed is {seed}")
def test_host(): pass
def test_lost(log): raise SetupError("no luck")
"""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run under test is nobody's part."""
    for name in list(os.environ):
        if name.startswith(("VMTEST_RUN", "PYTEST_XDIST", "PYTEST_ADDOPTS", "GITHUB_")):
            monkeypatch.delenv(name)


@pytest.fixture
def project(pytester: pytest.Pytester, alone: None) -> pytest.Pytester:  # noqa: ARG001
    """Two files with a good test and a host test each, and two bad ones."""
    pytester.makeconftest(_CONFTEST)
    pytester.makepyfile(test_one=_FILE, test_two=_FILE)
    return pytester


def _run(project: pytest.Pytester, *options: str) -> tuple[pytest.RunResult, Path]:
    result = project.runpytest_subprocess("--run-dir", "runs", *options)
    return result, project.path / "runs" / "latest"


@pytest.mark.parametrize(("workers", "options"), [(0, ["--seed", "77"]), (2, [])])
def test_a_run_leaves_one_of_each_result(
    project: pytest.Pytester, workers: int, options: list[str]
) -> None:
    result, folder = _run(project, "-n", str(workers), *options)
    result.assert_outcomes(passed=4, failed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len(list((project.path / "runs").glob("2*"))) == 1
    suite = ElementTree.parse(folder / "junit.xml").getroot()[0]
    facts = {one.get("name"): one.get("value") for one in suite.findall("properties/property")}
    assert facts["kernel"] == "6.12 (test)"
    # All processes have the same seed, whoever chose it, and a failure names it.
    assert set(re.findall(r"seed is (\d+)", result.stdout.str())) == {facts["seed"]}
    assert f"chosen with --seed {facts['seed']}" in result.stdout.str()
    assert facts["seed"] == "77" or not options
    assert facts["workers"] == str(max(1, workers))
    cases = {(case.get("classname"), case.get("name")): case for case in suite.iter("testcase")}
    assert len(cases) == len(list(suite.iter("testcase"))) == 8
    for file in ("test_one", "test_two"):
        bad = {
            one.get("name"): one.get("value") or ""
            for one in cases[file, "test_bad"].iter("property")
        }
        assert bad["kernel-report"] == "WARNING in f"
        assert re.fullmatch("gw[01]-vm1" if workers else "own-vm1", bad["vm"])
        assert Path(bad["dmesg"]).read_text() == "log of test_bad"
        assert not list(cases[file, "test_host"].iter("property"))
    assert "last line" in (folder / "report.html").read_text()
    ktap = (folder / "results.ktap").read_text().splitlines()
    assert ktap.count("  not ok 2 test_bad") == 2
    assert ktap.count("  # SetupError: no luck") == 2
    assert result.stdout.str().count("4 passed, 4 failed in ") == 1
    results = read_results(folder / "results.json")
    assert results.headline().startswith("4 passed, 4 failed in ")
    assert results.failures[0].reports[0].title == "WARNING in f"


def test_a_run_without_a_vm_leaves_nothing(pytester: pytest.Pytester, alone: None) -> None:  # noqa: ARG001
    pytester.makepyfile("def test_host(): pass")
    result, folder = _run(pytester, "-n", "2")
    result.assert_outcomes(passed=1)
    assert not folder.parent.exists()


def test_each_file_stays_with_one_worker_and_the_longest_begins(
    pytester: pytest.Pytester,
    alone: None,  # noqa: ARG001
) -> None:
    body = "@pytest.mark.parametrize('n', range(9))\ndef test_it(n): pass\n"
    files = {f"test_{name}": f"import pytest\n{body}" for name in ("a", "b")}
    files["test_z"] = f"import pytest\npytestmark = pytest.mark.long(300)\n{body}"
    pytester.makepyfile(**files)
    result = pytester.runpytest_subprocess("-n", "1", "-v")
    result.assert_outcomes(passed=27)
    order = re.findall(r"PASSED test_(\w)\.py", result.stdout.str())
    assert "".join(order) == "z" * 9 + "a" * 9 + "b" * 9


@pytest.mark.parametrize("option", ["--keep-vm", "--shell-on-failure"])
def test_what_needs_a_terminal_is_refused_with_workers(
    project: pytest.Pytester, option: str
) -> None:
    result = project.runpytest_subprocess("-n", "2", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {option} need* the terminal*-n 0*"])


_SLEEPER = """
import os, signal, subprocess, sys, tempfile, time
from vmtest import sweep

def test_sleeps():
    folder = tempfile.mkdtemp(prefix=sweep.folder_prefix())
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with open("started.part", "w") as file:
        file.write(f"{child.pid} {folder}")
    os.rename("started.part", "started")
    END
"""


def _gone(started: Path) -> bool:
    """Whether the test's process has ended (who it is left to may not have noticed yet)."""
    pid, folder = started.read_text().split()
    status = Path("/proc", pid, "status")
    ended = not status.exists() or "State:\tZ" in status.read_text()
    return ended and not Path(folder).exists()


def test_a_worker_that_is_killed_leaves_nothing(pytester: pytest.Pytester, alone: None) -> None:  # noqa: ARG001
    pytester.makepyfile(
        test_one=_SLEEPER.replace("END", "os.kill(os.getpid(), signal.SIGKILL)"),
        test_two="def test_good(): pass",
    )
    result = pytester.runpytest_subprocess("-n", "2", "--max-worker-restart", "0")
    result.stdout.fnmatch_lines(["*crashed while running*test_sleeps*"])
    assert _gone(pytester.path / "started")


@pytest.fixture
def controller(pytester: pytest.Pytester, alone: None) -> Iterator[subprocess.Popen[str]]:  # noqa: ARG001
    """A run with a worker in the middle of a test."""
    pytester.makepyfile(_SLEEPER.replace("END", "time.sleep(600)"))
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-n", "1"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_interrupts,
    ) as process:
        yield process
        process.kill()


def _heed_interrupts() -> None:
    """Whoever runs these tests in the background may ignore SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_controller_that_is_told_to_stop_leaves_nothing(
    pytester: pytest.Pytester, controller: subprocess.Popen[str], number: signal.Signals
) -> None:
    started = pytester.path / "started"
    _wait_for(started)
    controller.send_signal(number)
    output, _ = controller.communicate(timeout=30)
    assert controller.returncode == pytest.ExitCode.INTERRUPTED, output
    assert _gone(started)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path.name} within 30 s"
        time.sleep(0.05)
