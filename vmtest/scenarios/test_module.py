# SPDX-License-Identifier: MIT
"""Loading, unloading and the parameters of the module."""

from __future__ import annotations

import pytest
import zosbd2

from vmtest.guest import Guest
from vmtest.kmodule import KernelModule
from vmtest.remote_python import RemotePython

from .guestlib import control
from .guestlib import module as loading

OUT_OF_TREE, UNSIGNED = 1 << 12, 1 << 13


def test_loading_makes_the_control_node_and_unloading_removes_it(
    module: KernelModule, python: RemotePython
) -> None:
    assert python.call(loading.control_node)["character device"]
    module.unload()
    assert python.call(loading.left_behind) == []


def test_control_node_belongs_to_root_alone(module: KernelModule, python: RemotePython) -> None:
    assert module.loaded
    node = python.call(loading.control_node)
    assert (node["mode"], node["owner"]) == ("600", [0, 0])


def test_module_tells_its_version(module: KernelModule, guest: Guest) -> None:
    assert guest.read(f"/sys/module/{module.name}/version").strip() == zosbd2.__version__


def test_loading_taints_the_kernel_only_as_any_module_of_ones_own_does(
    module: KernelModule, guest: Guest
) -> None:
    assert set(guest.read(f"/sys/module/{module.name}/taint").strip()) <= {"O", "E"}
    assert int(guest.read("/proc/sys/kernel/tainted")) & ~(OUT_OF_TREE | UNSIGNED) == 0


def test_parameters_have_their_defaults_and_are_read_only(
    module: KernelModule, python: RemotePython
) -> None:
    assert module.loaded
    assert python.call(loading.parameters) == {
        "max_devices": ["50", "444"],
        "queue_depth": ["128", "444"],
    }


def test_max_devices_limits_how_many_there_are(module: KernelModule, python: RemotePython) -> None:
    module.unload()
    module.load(max_devices=2)
    assert python.call(loading.creates_until_refused) == ["OK", "OK", "EINVAL"]


@pytest.mark.parametrize("depth", [1, 4096])
def test_queue_depth_can_be_from_1_to_4096(
    module: KernelModule, python: RemotePython, depth: int
) -> None:
    module.unload()
    module.load(queue_depth=depth)
    assert python.call(loading.io_with_queue_depth) == depth


def test_values_out_of_range_keep_the_module_from_loading(
    module: KernelModule, python: RemotePython
) -> None:
    module.unload()
    wrong = [
        *(f"max_devices={value}" for value in ("0", "51", "-1", "4294967296", "many", "")),
        *(f"queue_depth={value}" for value in ("0", "4097", "-1", "1.5")),
    ]
    said = python.call(loading.loads, module.path, wrong)
    assert said.pop("max_devices=4294967296") == "Numerical result out of range"
    assert set(said.values()) == {"Invalid parameters"}, said
    assert python.call(loading.left_behind) == []


def test_loading_twice_is_refused_and_the_first_goes_on(
    module: KernelModule, guest: Guest, python: RemotePython
) -> None:
    again = guest.run("insmod", module.path, check=False)
    assert again.status != 0
    assert "File exists" in again.stderr
    assert python.call(control.handles_in_turn) == [[1, 2, 3], [4, 5]]


def test_unloading_destroys_devices_that_nobody_has_open(
    module: KernelModule, python: RemotePython
) -> None:
    assert module.loaded
    assert python.call(loading.unload_with_devices, 5) == []


@pytest.mark.parametrize("node", ["/dev/zosbd2ctl", "/dev/testdisk"])
def test_unloading_is_refused_while_a_node_is_open(
    module: KernelModule, python: RemotePython, node: str
) -> None:
    assert module.loaded
    assert python.call(loading.unload_while_open, node) == {
        "refused": True,
        "says": True,
        "still_there": True,
        "closed": 0,
        "left": [],
    }


def test_module_can_be_loaded_and_unloaded_again_and_again(
    module: KernelModule, python: RemotePython
) -> None:
    assert python.call(loading.load_and_unload, module.path, 6, timeout=120) == []
