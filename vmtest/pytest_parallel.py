# SPDX-License-Identifier: MIT
"""Several processes that are one run: what they share with pytest-xdist, and how they all end.

The controller chooses the run's folder, its seed and a token; each worker has a VM pool of its own.
Without pytest-xdist, the one process is a controller that runs the tests itself.
"""

from __future__ import annotations

import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from vmtest import sweep
from vmtest.images import TOP
from vmtest.rundir import make_run_dir, name_run_dir

_SHARE = pytest.StashKey["Share"]()
_FOR_A_TERMINAL = ("keep_vm", "shell_on_failure")


@dataclass(frozen=True)
class Share:
    """This process's part in the run."""

    #: Where the artefacts go; made when the first test needs a VM.
    directory: Path
    #: What all processes of the run have in their environment.
    token: str
    #: How many processes run tests.
    workers: int
    #: "gw0", or nothing for a controller.
    worker: str = ""

    def make_directory(self) -> Path:
        """The run's folder, which is there now."""
        return make_run_dir(self.directory)


def share_of(config: pytest.Config) -> Share:
    """The part in the run of the process that has ``config``."""
    return config.stash[_SHARE]


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Any:
    """``-n`` alone keeps the tests of a file together, as they share VMs, and files in order."""
    if config.getoption("numprocesses", None) and config.option.dist == "no":
        config.option.dist = "loadfile"
        config.option.loadscopereorder = False
    wanted = [name for name in _FOR_A_TERMINAL if config.getoption(name)]
    distributed = config.getoption("dist", "no") != "no" and config.option.numprocesses != 0
    if wanted and distributed:
        options = " and ".join("--" + name.replace("_", "-") for name in wanted)
        raise pytest.UsageError(
            f"{options} need the terminal, which workers do not have: run with -n 0 (make JOBS=0)"
        )
    return (yield)


def join(config: pytest.Config) -> Share:
    """Find out, or decide, what the processes of this run share; done once, before all else."""
    config.addinivalue_line(
        "markers", "long(seconds): the file takes so long that workers had better begin with it"
    )
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    if given is not None:
        token, worker = given["vmtest_token"], given["workerid"]
        config.option.seed = given["vmtest_seed"]
        os.environ[sweep.VARIABLE] = f"{token}-{worker}"
        _stop_once_when_told()
        config.stash[_SHARE] = Share(
            Path(given["vmtest_directory"]), token, given["workercount"], worker
        )
        return config.stash[_SHARE]
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(1 << 32)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    base = config.getoption("run_dir") or TOP / "build" / "vmtest"
    token = os.environ[sweep.VARIABLE] = sweep.new_token()
    workers = len(config.getoption("tx", None) or ()) or 1
    config.stash[_SHARE] = share = Share(name_run_dir(Path(base)), token, workers)
    if config.getoption("dist", "no") != "no":
        config.pluginmanager.register(_Controller(share), "vmtest-controller")
    return share


class _Controller:
    """What the controller of workers does about them."""

    def __init__(self, share: Share) -> None:
        self._share = share

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a new worker its share."""
        node.workerinput["vmtest_seed"] = node.config.option.seed
        node.workerinput["vmtest_token"] = self._share.token
        node.workerinput["vmtest_directory"] = str(self._share.directory)

    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker that crashed has left its VM."""
        if error:
            sweep.sweep(f"{self._share.token}-{node.gateway.id}")

    def pytest_keyboard_interrupt(self) -> None:
        """Let the workers stop at once; left alone, they would go on for some seconds."""
        sweep.interrupt(self._share.token)


def _stop_once_when_told() -> None:
    """The first SIGTERM or SIGINT interrupts the test, further ones would interrupt its end.

    A worker gets SIGTERM from its controller, and also the SIGINT of a terminal's Ctrl-C.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers begin with the longest files: those that come last are waited for by one alone."""
    if share_of(config).worker:
        items.sort(key=_seconds, reverse=True)


def _seconds(item: pytest.Item) -> float:
    mark = item.get_closest_marker("long")
    return float(mark.args[0]) if mark else 0.0


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The last to go sees to it that nothing stays."""
    share = config.stash.get(_SHARE, None)
    if share is None or share.worker:
        return
    outer, _, _ = share.token.rpartition("-")
    if outer:
        os.environ[sweep.VARIABLE] = outer
    else:
        del os.environ[sweep.VARIABLE]
    sweep.sweep(share.token)
