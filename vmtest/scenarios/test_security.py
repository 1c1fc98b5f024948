# SPDX-License-Identifier: MIT
"""Who may do what: nothing of the module is in reach of those who are not trusted with it."""

from __future__ import annotations

import errno

import pytest
from zosbd2.abi import ControlCall, DeviceCall, ExtensionCall

from vmtest import build
from vmtest.guest import Guest
from vmtest.images import TOP
from vmtest.pytest_plugin import Session
from vmtest.remote_python import RemotePython

from .guestlib import compat, unprivileged

pytestmark = pytest.mark.usefixtures("module")

CHANNEL_CALLS = ("ENTER", "ENTER for a request", "map", "map for reading")
CALLS = {
    *(f"control {call.name}" for call in (*ControlCall, *ExtensionCall)),
    *(f"{where} {call.name}" for where in ("device", "session") for call in DeviceCall),
    "control ATTACH_QUEUE",
    "control unknown",
    "session unknown",
    *(f"channel {call}" for call in CHANNEL_CALLS),
}


@pytest.mark.parametrize(
    "who",
    [
        "nobody",
        "root without the capability",
        "root of a user namespace",
        "root of nobody's user namespace",
        "root of a container",
    ],
)
def test_without_the_capability_nothing_can_be_done(python: RemotePython, who: str) -> None:
    seen = python.call(unprivileged.tries_of, who)
    tries = seen["tries"]
    assert tries["calls"] == dict.fromkeys(CALLS, "EPERM")
    control = {path: how for path, how in tries["opens"].items() if "zosbd2" in path}
    assert len(control) == 6
    assert set(control.values()) <= {"EPERM", "EACCES"}, control
    assert len(tries["files"]) > 20
    # Root may write to any file as long as it has CAP_DAC_OVERRIDE, but these take no writes.
    assert set(tries["files"].values()) <= {"EACCES", "EPERM", "EIO"}, tries["files"]
    assert not tries["touched"], "a call that was refused wrote to memory"
    assert seen["devices"], "a call that was refused had an effect"
    assert seen["intact"]


def test_a_channel_is_of_no_use_to_another_process(python: RemotePython) -> None:
    """It has data copied to and from any address of whoever calls: only who attached may."""
    seen = python.call(unprivileged.strangers_to_a_channel)
    refused = {"calls": dict.fromkeys(CHANNEL_CALLS, "EPERM"), "inherited": False}
    assert seen == {
        "a child": refused,
        "who was passed it": refused,
        "who took it": refused,
        "who attached": {"calls": dict.fromkeys(CHANNEL_CALLS, "OK"), "inherited": True},
    }


def test_who_attached_goes_on_without_the_capability(python: RemotePython) -> None:
    """A server may drop its rights once it has its channels; then it gets no more of them."""
    seen = python.call(unprivileged.who_attached_without_the_capability)
    assert seen.pop("attach another") == "EPERM"
    assert seen == dict.fromkeys(CHANNEL_CALLS, "OK")


@pytest.mark.parametrize(
    "who", ["nobody", "root of nobody's user namespace", "root of a container"]
)
def test_a_device_opens_for_its_owner_and_group_alone(python: RemotePython, who: str) -> None:
    tries = python.call(unprivileged.tries_of, who)["tries"]
    opens = [how for path, how in tries["opens"].items() if "testdisk" in path]
    assert opens == ["EACCES"] * 3


def test_the_capability_is_what_counts(python: RemotePython) -> None:
    """Whoever has it is trusted, whatever the user: as with other block drivers."""
    assert python.call(unprivileged.with_the_capability_alone) == "OK"


def test_a_device_cgroup_keeps_root_out(python: RemotePython) -> None:
    seen = python.call(unprivileged.in_a_device_cgroup)
    if seen is None:
        pytest.skip("this kernel has no cgroups of devices (version 1)")
    assert seen == "EPERM"


def test_nodes_are_roots_and_files_are_for_reading(python: RemotePython) -> None:
    modes = python.call(unprivileged.modes)
    assert modes.pop("/dev/zosbd2ctl") == "600"
    assert modes.pop("/dev/testdisk") == "600"
    assert set(modes.values()) == {"444"}, modes


@pytest.mark.needs_config("CONFIG_IA32_EMULATION")
def test_a_program_for_32_bits_is_refused(
    python: RemotePython, guest: Guest, vmtest_session: Session
) -> None:
    """Layouts differ there: ENOTTY, and nothing is read, written or done."""
    folder = TOP / "vmtest/scenarios/programs32"
    image = vmtest_session.default.kernel.image
    built = build.userspace(image, [folder], str(folder.relative_to(TOP)), "/usr")
    guest.put({"usr": built.path / "root/usr"}, "/", once=True)
    seen = python.call(compat.calls_of_a_32_bit_program, "/usr/bin/ioctl32")
    assert len(seen) >= len(ControlCall) + len(ExtensionCall) + 2 * len(DeviceCall) + 1
    assert set(seen.values()) == {-errno.ENOTTY}, seen
