# SPDX-License-Identifier: MIT
"""Servers that are taken over from, or die amid a destroy, and who serves then."""

from __future__ import annotations

import pytest

from vmtest.remote_python import RemotePython

from .equipment import ServerPython
from .guestlib import retirement
from .guestlib.disks import FAIL, WAIT

pytestmark = pytest.mark.usefixtures("module")

POLICIES = pytest.mark.parametrize("policy", [WAIT, FAIL], ids=["wait", "fail"])


def test_a_server_that_was_taken_over_from_is_sent_away_for_good(servers: ServerPython) -> None:
    seen = servers.call(retirement.sent_away)
    told = seen.pop("told")
    assert isinstance(told, list)
    if servers.protocol == "classic":
        # Each thread is told by itself.
        assert told == ["ShutdownWanted"] * 4 + ["Gone", "ENOENT"]
    else:
        # A channel may find out when it is over.
        assert told[told[0] == "ShutdownWanted" :][:5] == ["Gone"] + ["ENOENT"] * 4
    assert seen == {"served": 1, "left": [0, "ENOENT"], "intact": True}


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_server_that_was_taken_over_from_answers_nothing_any_more(
    python: RemotePython, kind: str
) -> None:
    seen = python.call(retirement.meddling_for_good, kind)
    told = seen.pop("told")
    assert isinstance(told, list)
    assert told[-1] == "ENOENT"
    assert seen == {"late": 1, "waiting": 1, "intact": True}


def test_a_server_that_comes_amid_a_take_over_is_taken_over_from_too(python: RemotePython) -> None:
    seen = python.call(retirement.comes_meanwhile)
    # The thread may have learned it when it handed the old server's answer in.
    assert seen.pop("over") in ("Gone", "ENOENT")
    assert seen == {"told": "ShutdownWanted", "intact": True}


def test_who_attaches_amid_a_take_over_is_taken_over_from_too(servers: ServerPython) -> None:
    assert servers.call(retirement.attaches_meanwhile) == {
        "told": "ShutdownWanted",
        "gave up": "ETIMEDOUT",
        "intact": True,
    }


def test_take_overs_at_once_follow_one_another(servers: ServerPython) -> None:
    assert servers.call(retirement.one_after_the_other) == {
        "told": True,
        "servers": 1,
        "intact": True,
    }


def test_one_thread_can_hand_in_several_answers_to_a_successor(servers: ServerPython) -> None:
    assert servers.call(retirement.several_answers) == {
        "told": ["ShutdownWanted", "ShutdownWanted"],
        "taken": True,
        "intact": True,
    }


def test_a_take_over_that_gives_up_does_not_spoil_another(servers: ServerPython) -> None:
    assert servers.call(retirement.given_up_beside_another) == {
        "first": "ETIMEDOUT",
        "second waits": True,
        "told": True,
        "intact": True,
    }


def test_after_a_take_over_that_gave_up_the_old_server_goes_on(servers: ServerPython) -> None:
    assert servers.call(retirement.goes_on_as_before) == {"gave up": "ETIMEDOUT", "intact": True}


def test_when_both_sides_of_a_take_over_have_gone_requests_wait(servers: ServerPython) -> None:
    assert servers.call(retirement.leaves_while_taken_over, WAIT) == {"intact": True}


def test_when_both_sides_of_a_take_over_have_gone_requests_fail(servers: ServerPython) -> None:
    seen = servers.call(retirement.leaves_while_taken_over, FAIL)
    assert seen == {"outcomes": ["EIO", "EIO"]}


@POLICIES
def test_a_server_can_be_killed_while_its_device_is_destroyed(
    servers: ServerPython, policy: int
) -> None:
    ended = servers.call(retirement.killed_while_destroyed, 10, policy, timeout=120)
    assert ended == {"EIO": 10 * 64}
