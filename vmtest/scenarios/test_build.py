# SPDX-License-Identifier: MIT
"""Module and userspace compile without a warning (the module with W=1). No VM is needed."""

from __future__ import annotations

from vmtest.build import Built


def test_module_builds_with_extra_warnings_and_none_comes(built_module: Built) -> None:
    assert built_module.warnings == []
    assert (built_module.path / "zosbd2.ko").exists()


def test_userspace_builds_without_a_warning(built_userspace: Built) -> None:
    assert built_userspace.warnings == []
    for name in ("bin/zosbd2_sample_ramdisk", "bin/zosbd2ctl", "include/zosbd2.h"):
        assert (built_userspace.path / "root/usr" / name).exists()
