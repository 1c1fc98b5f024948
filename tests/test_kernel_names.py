# SPDX-License-Identifier: MIT
"""KERNEL= means the same to make, to pytest and to the command, and so does a wrong one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vmtest import images, kernels
from vmtest.errors import SetupError

_BIN = Path(sys.executable).parent
_WRONG = "no kernel is called 'sarge'"
_KNOWN = "there are: bookworm (6.1), trixie (6.12)"

# Without what they depend on: that would be made, and takes its time.
_MAKE = ["make", "-s", *(w for t in ("setup", "lint", "types", "actionlint") for w in ("-o", t)),
         f"VENV={sys.prefix}", "JOBS=0"]  # fmt: skip

COMMANDS = {
    **{
        f"make {target}": [*_MAKE, target, "KERNEL=sarge"]
        for target in ("vmtest", "test", "soak", "shell", "bench-boot")
    },
    "make matrix": [*_MAKE, "matrix", "KERNELS=sarge"],
    "pytest": [str(_BIN / "pytest"), "vmtest/", "--kernel", "sarge"],
    "pytest workers": [str(_BIN / "pytest"), "vmtest/", "-n", "2", "--kernel", "sarge"],
    **{
        name: [str(_BIN / "vmtest"), *name.split(), "--kernel", "sarge"]
        for name in ("shell", "boot", "bench-boot")
    },
    "run": [str(_BIN / "vmtest"), "run", "--kernel", "sarge", "--", "true"],
    "matrix": [str(_BIN / "vmtest"), "matrix", "--kernels", "sarge"],
}


@pytest.mark.parametrize("how", COMMANDS)
def test_a_wrong_name_is_one_error_everywhere(how: str) -> None:
    _says_what_is_wrong(COMMANDS[how], {})


@pytest.mark.parametrize(
    "words", [["pytest", "vmtest/"], ["vmtest", "shell"], ["vmtest", "run", "--", "true"]]
)
def test_the_environment_is_asked_too(words: list[str]) -> None:
    _says_what_is_wrong([str(_BIN / words[0]), *words[1:]], {"KERNEL": "sarge"})


def _says_what_is_wrong(command: list[str], environment: dict[str, str]) -> None:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KERNEL", "PYTEST_", "MAKE", "VMTEST_RUN"))
    }
    done = subprocess.run(
        command, cwd=images.TOP, env={**inherited, **environment, "COLUMNS": "300"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert said.count(_WRONG) == 1, said
    assert _KNOWN in said, said
    assert "Traceback" not in said


@pytest.mark.parametrize("spec", [None, ""])
def test_no_name_is_the_default(spec: str | None) -> None:
    assert kernels.recipe_of(spec).default
    kernels.check(spec)


@pytest.mark.parametrize("spec", ["6.1", "debug", "6.12-rt", "trixie-rt"])
def test_names_are_checked_without_building_anything(
    monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.setattr(images, "_build", lambda *_: pytest.fail("it builds"))
    kernels.check(spec)


def test_a_tree_is_found_through_home_and_must_be_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SetupError, match=f"{tmp_path}/linux is not a built kernel tree"):
        kernels.check("~/linux")
    for name in (".config", "include/config/kernel.release", "Module.symvers"):
        path = tmp_path / "linux" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("CONFIG_A=y\n")
    kernels.check("~/linux")


def test_a_kernel_says_which_options_it_lacks(tmp_path: Path) -> None:
    (tmp_path / ".config").write_text("CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n")
    image = images.Image(images.recipe_named(None), tmp_path)
    kernel = kernels.Kernel("tree", image, tmp_path)
    assert kernel.why_not("CONFIG_A", "CONFIG_B") is None
    assert kernel.why_not("CONFIG_A", "CONFIG_C") == "CONFIG_C is not set in this kernel"
    assert kernel.why_not("CONFIG_C", "CONFIG_D") == (
        "CONFIG_C and CONFIG_D are not set in this kernel"
    )
