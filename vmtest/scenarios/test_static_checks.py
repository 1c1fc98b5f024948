# SPDX-License-Identifier: MIT
"""What `make check` does: each check is clean, and sees a defect of its kind. No VM is needed."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from vmtest import checks, images
from vmtest.images import TOP, Image
from vmtest.pytest_plugin import Session

pytestmark = pytest.mark.long(60)

# Sources that no check may let pass, in the places of the real ones.
_DEFECTS = Path(__file__).with_name("defects")

# What is ours to say how the userspace is built and looked at.
_RULES = ("userspace/Makefile", "userspace/.clang-tidy", "userspace/lib/.clang-tidy")


@pytest.fixture(scope="session")
def check_image(vmtest_session: Session) -> Image:
    """The image with the tools; a fresh machine builds it in about two minutes."""
    return images.ensure(images.recipe_named(checks.IMAGE), vmtest_session.say)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A checkout full of defects."""
    shutil.copytree(_DEFECTS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "userspace/include").mkdir()
    for name in _RULES:
        shutil.copy(TOP / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.name)
def test_check_is_clean(check: checks.Check, check_image: Image, vmtest_session: Session) -> None:
    vmtest_session.say(f"checking: {check.name}")
    [outcome] = checks.run([check], check_image)
    assert outcome.clean, str(outcome)


@pytest.mark.parametrize(
    ("name", "step", "complaints"),
    [
        (
            "sparse",
            "sparse",
            [
                r"^kmod/broken\.c:10:16: warning: incorrect type in return expression",
                r"^kmod/broken\.c:16:\d+: warning: dereference of noderef",
                r"^kmod/broken\.c:20:5: warning: no previous prototype",
                r"^kmod/broken\.c:22:13: warning: variable .unused. set but not used",
            ],
        ),
        ("module-clang", "", [r"^kmod/broken\.c:32:15: warning: use of logical .&&. with"]),
        ("kernel-doc", "", [r"^kmod/broken\.c:39: warning: .*'second' not described"]),
        (
            "checkpatch",
            "",
            [
                r"^kmod/broken\.c:46: ERROR:OPEN_BRACE",
                r"^kmod/.*LEADING_SPACE",
                r"^vmtest/faulty/broken\.c:6: ERROR:SPACING",
            ],
        ),
        ("coccinelle", "free/kfree", [r"^kmod/broken\.c:48:\d+-\d+: ERROR: reference preceded"]),
        ("uapi", "c90 -m64", [r"^kmod/uapi/linux/broken\.h:10:\d+: error: padding struct"]),
        ("uapi", "c++98 -m32", [r"^kmod/uapi/linux/broken\.h:12:\d+: error: "]),
        ("uapi", "layout", [r"^> +16 +\| +unsigned long third"]),
        ("analyzer", "", [r"^lib/broken\.c:15:\d+: error: leak of .memory"]),
        ("userspace-clang", "", [r"^lib/broken\.c:22:\d+: error: .* will never be executed"]),
        ("clang-tidy", "", [r"lib/broken\.c:28:\d+: error: .*suspicious-string-compare"]),
        ("userspace-style", "", [r"^userspace/lib/broken\.c:28: ERROR:SPACING"]),
        ("shell", "", [r"^vmtest/bootstrap\.sh:4:8: .*SC2086"]),
    ],
)
def test_check_sees_defects(
    broken: Path, check_image: Image, name: str, step: str, complaints: list[str]
) -> None:
    [whole] = checks.named([name])
    check = replace(
        whole, plan=lambda bench: [one for one in whole.plan(bench) if step in one.what]
    )
    [outcome] = checks.run([check], check_image, broken)
    said = "\n".join(outcome.complaints.values())
    for complaint in complaints:
        assert re.search(complaint, said, re.M), f"{complaint} is not in:\n{said}"
