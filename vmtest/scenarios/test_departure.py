# SPDX-License-Identifier: MIT
"""Servers that close, inherit or are passed files, or lose threads: who is gone and who not."""

from __future__ import annotations

import pytest

from vmtest.remote_python import RemotePython

from .equipment import ServerPython
from .guestlib import departure
from .guestlib.disks import FAIL, WAIT

pytestmark = pytest.mark.usefixtures("module")

POLICIES = pytest.mark.parametrize("policy", [WAIT, FAIL], ids=["wait", "fail"])


def test_a_server_that_closes_what_it_opened_serves_through_what_it_was_passed(
    python: RemotePython,
) -> None:
    assert python.call(departure.closed_beside_a_passed_file) == {"intact": True, "lost": 0}


def test_a_server_that_closes_all_does_not_sleep_on(python: RemotePython) -> None:
    assert python.call(departure.all_closed_amid_a_call) == "EBADF"


def test_a_server_that_opens_and_closes_the_device_besides_keeps_its_requests(
    python: RemotePython,
) -> None:
    seen = python.call(departure.inherited_file, "answers")
    assert seen == {"intact": True, "handed_on": 0}


def test_a_server_that_closes_what_it_inherited_hands_its_requests_on(python: RemotePython) -> None:
    seen = python.call(departure.inherited_file, "closes")
    assert seen == {"intact": True, "handed_on": 1}


@POLICIES
def test_a_server_whose_memory_lives_on_in_a_child_is_gone(
    servers: ServerPython, policy: int
) -> None:
    seen = servers.call(departure.outlived_by_its_memory, policy)
    wanted: dict[int, dict[str, object]] = {
        WAIT: {"at once": True, "write": "OK", "handed_on": 1},
        FAIL: {"at once": True, "write": "EIO"},
    }
    assert seen == wanted[policy]


def test_a_server_whose_first_thread_exits_serves_on(servers: ServerPython) -> None:
    assert servers.call(departure.first_thread_exits) == {"intact": True, "lost": [0, 1]}
