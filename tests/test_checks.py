# SPDX-License-Identifier: MIT
"""How static checks are run and judged; the tools themselves run in test_static_checks.py."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vmtest import checks, images
from vmtest.checks import runner
from vmtest.errors import SetupError
from vmtest.images import Image

_IMAGE = Image(images.recipe_named(checks.IMAGE), Path("/nowhere"))


class Tool:
    """Stands for what runs in the image."""

    def __init__(self, status: int = 0, text: str = "") -> None:
        self.status = status
        self.text = text
        self.seen: list[list[str]] = []

    def enter(
        self, _image: Image, work: Path, command: tuple[str, ...], *_rest: object
    ) -> subprocess.CompletedProcess[str]:
        self.seen.append([*command, *(path.name for path in sorted(work.rglob("*.c")))])
        return subprocess.CompletedProcess(command, self.status, self.text)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one source; what is found clean is kept in a folder of this test."""
    monkeypatch.setenv("VMTEST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "kmod").mkdir()
    (tmp_path / "kmod/a.c").write_text("int a;\n")
    return tmp_path


def _run(checkout: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> checks.Outcome:
    steps = [checks.Step("first", ("tool", "1")), checks.Step("second", ("tool", "2"))]
    check = checks.Check("some", "…", ("kmod",), lambda _bench: steps)
    monkeypatch.setattr(runner, "enter", tool.enter)
    [outcome] = checks.run([check], _IMAGE, checkout)
    return outcome


def test_each_step_runs_on_a_copy_of_the_sources(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = Tool()
    assert _run(checkout, tool, monkeypatch).clean
    assert sorted(tool.seen) == [["tool", "1", "a.c"], ["tool", "2", "a.c"]]


def test_what_was_clean_is_not_looked_at_again_until_it_changes(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = Tool()
    for text in ("int a;\n", "int a;\n", "int b;\n"):
        (checkout / "kmod/a.c").write_text(text)
        assert _run(checkout, tool, monkeypatch).clean
    assert len(tool.seen) == 4


def test_what_was_not_clean_is_looked_at_again(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not _run(checkout, Tool(status=1), monkeypatch).clean
    tool = Tool(status=1)
    assert not _run(checkout, tool, monkeypatch).clean
    assert len(tool.seen) == 2


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("kmod/a.c:1:5: warning: why not b", False),
        ("/mnt/build/kmod/a.c:1: WARNING: why not b", False),
        ("WARNING: modpost: missing MODULE_DESCRIPTION()", False),
        ("/usr/src/linux/kernel.h:1:5: warning: of somebody else's", True),
        ("  CC [M]  kmod/a.o\nmake[1]: Leaving directory '/lib'", True),
        ("38 warnings generated.", True),
    ],
)
def test_a_tool_that_ends_well_complains_by_naming_a_line_of_ours(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, text: str, clean: bool
) -> None:
    assert _run(checkout, Tool(text=text), monkeypatch).clean == clean


def test_a_complaint_tells_the_step_the_place_and_the_command(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = str(_run(checkout, Tool(1, "  CC [M] a.o\n/mnt/build/kmod/a.c:1: bad\n"), monkeypatch))
    assert "first:\nkmod/a.c:1: bad\n(status 1)\n" in text
    assert text.endswith("\nagain: vmtest check some")


def test_an_unknown_check_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SetupError, match=r"there are: .*sparse.*shell"):
        checks.named(["spares"])


def test_no_name_is_all_of_them() -> None:
    assert checks.named([]) == list(checks.CHECKS)
