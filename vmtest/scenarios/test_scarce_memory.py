# SPDX-License-Identifier: MIT
"""Each allocation in the life of a device fails once: a clean error, no leak, and rmmod works.

Needs a kernel with fault injection (KERNEL=debug). The kernel's copies from and to userspace are
made to fail in the same way.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import zosbd2
from zosbd2 import WireProtocol
from zosbd2.abi import NO_FEATURES

from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython
from vmtest.scenarios.guestlib import scarce

pytestmark = [
    pytest.mark.long(120),
    pytest.mark.needs_config(
        "CONFIG_FAILSLAB", "CONFIG_FAIL_PAGE_ALLOC", "CONFIG_FAULT_INJECTION_USERCOPY"
    ),
]

FEATURES = {"classic": NO_FEATURES, "extended": zosbd2.SERVER_FEATURES}


@pytest.fixture
def count(
    python: RemotePython, record_property: Callable[[str, object], None]
) -> Callable[..., None]:
    """Runs a function of ``scarce`` in the guest and records how many allocations it failed."""

    def run(function: Callable[..., scarce.Ended], *args: object, least: int) -> None:
        ended = python.call(function, *args, timeout=600)
        record_property("allocations failed", f"{sum(ended.values())}: {ended}")
        assert sum(ended.values()) >= least, ended

    return run


def test_the_module_loads_or_not(module: KernelModule, count: Callable[..., None]) -> None:
    module.unload()
    count(scarce.loading, module.path, least=10)


@pytest.mark.usefixtures("module")
def test_the_control_node_opens_or_not(count: Callable[..., None]) -> None:
    count(scarce.opening, least=1)


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("features", FEATURES.values(), ids=FEATURES)
def test_a_device_comes_about_or_not(count: Callable[..., None], features: int) -> None:
    count(scarce.creating, int(features), least=50)


@pytest.mark.usefixtures("module")
def test_questions_are_answered_or_not(python: RemotePython) -> None:
    ended = python.call(scarce.asking, timeout=600)
    assert all(sum(each.values()) for each in ended.values()), ended


@pytest.mark.usefixtures("module")
def test_a_server_attaches_or_not(count: Callable[..., None], protocol: WireProtocol) -> None:
    count(scarce.attaching, protocol, least=4)


@pytest.mark.usefixtures("module")
def test_a_server_takes_over_or_not(count: Callable[..., None], protocol: WireProtocol) -> None:
    count(scarce.taking_over, protocol, least=4)


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("through_node", [False, True], ids=["session", "classic"])
def test_a_server_becomes_known_or_tries_again(
    count: Callable[..., None], through_node: bool
) -> None:
    count(scarce.first_calls, through_node, least=4)


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("through_node", [False, True], ids=["session", "classic"])
def test_a_server_goes_on(count: Callable[..., None], through_node: bool) -> None:
    count(scarce.later_calls, through_node, least=4)


@pytest.mark.usefixtures("module")
def test_servers_die_without_memory_to_die_with(python: RemotePython, seed: int) -> None:
    assert python.call(scarce.dying, seed, timeout=300) == 30


@pytest.mark.usefixtures("module")
def test_clients_get_their_data_or_an_error(python: RemotePython) -> None:
    ended = python.call(scarce.using, timeout=600)
    assert sum(ended["open"].values()) >= 1, ended


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("force", [False, True], ids=["unforced", "forced"])
def test_a_device_goes(count: Callable[..., None], force: bool) -> None:
    count(scarce.destroying, force, least=4)
