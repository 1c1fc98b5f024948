# SPDX-License-Identifier: MIT
"""Recipes, kernels by name, and where packages come from."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vmtest import images, kernels, mirror
from vmtest.errors import SetupError
from vmtest.kernel_builder import unmet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the recipes that a test may edit."""
    target = tmp_path / "images"
    shutil.copytree(images.RECIPES, target)
    return target


def test_there_is_one_default_and_it_is_trixie() -> None:
    assert [r.name for r in images.recipes() if r.default] == ["trixie"]
    assert images.recipe_named(None).name == "trixie"


def test_recipes_are_found_by_name_and_by_kernel() -> None:
    assert images.recipe_named("6.1") == images.recipe_named("bookworm")
    assert images.recipe_named("7.3") == images.recipe_named("trixie-backports")


def test_a_flavour_is_named_with_its_version_or_as_its_recipe() -> None:
    assert images.recipe_named("6.12").name == "trixie"
    assert images.recipe_named("6.12-rt") == images.recipe_named("trixie-rt")
    assert images.recipe_named("6.12-debug") == images.recipe_named("debug")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SetupError, match=r"bookworm \(6\.1\).*trixie \(6\.12\)"):
        images.recipe_named("sarge")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("trixie.toml", 'prune_modules = ["fs/ntfs3"]'),
        ("base.toml", 'extra_suites = ["trixie-updates"]'),
        ("guest-init", "# changed"),
    ],
)
def test_the_key_follows_everything_that_is_in_the_image(
    folder: Path, file: str, line: str
) -> None:
    before = images.Recipe.load(folder / "trixie.toml").key
    with (folder / file).open("a") as sink:
        sink.write(f"\n{line}\n")
    assert images.Recipe.load(folder / "trixie.toml").key != before


@pytest.mark.parametrize("line", ["# a comment", 'arguments = ["quiet"]', "slowness = 2.0"])
def test_the_key_does_not_follow_what_is_not_in_the_image(folder: Path, line: str) -> None:
    before = images.Recipe.load(folder / "trixie.toml").key
    with (folder / "trixie.toml").open("a") as sink:
        sink.write(f"\n{line}\n")
    assert images.Recipe.load(folder / "trixie.toml").key == before


def test_the_key_follows_the_configuration_of_a_kernel_that_is_compiled(folder: Path) -> None:
    before = images.Recipe.load(folder / "debug.toml").key
    with (folder / "debug.config").open("a") as file:
        file.write("CONFIG_DEBUG_SHIRQ=y\n")
    assert images.Recipe.load(folder / "debug.toml").key != before


def test_a_recipe_without_its_configuration_says_which_file(folder: Path) -> None:
    (folder / "debug.config").unlink()
    with pytest.raises(SetupError, match=r"debug\.config"):
        images.Recipe.load(folder / "debug.toml")


@pytest.mark.parametrize(
    ("fragment", "config", "expected"),
    [
        ("CONFIG_KASAN=y", "CONFIG_KASAN=y\nCONFIG_KASAN_INLINE=y", []),
        ("CONFIG_KASAN=y", "# CONFIG_KASAN is not set", ["CONFIG_KASAN=y"]),
        ("CONFIG_KASAN=y", "", ["CONFIG_KASAN=y"]),
        ("# CONFIG_USB is not set", "CONFIG_USB=m", ["CONFIG_USB=n"]),
        ("# CONFIG_USB is not set\n# a comment", "", []),
        ("CONFIG_X=17", "CONFIG_X=15", ["CONFIG_X=17"]),
    ],
)
def test_options_that_kconfig_did_not_take_are_found(
    fragment: str, config: str, expected: list[str]
) -> None:
    assert unmet(fragment, config) == expected


def test_an_image_without_a_kernel_stands_alone(folder: Path) -> None:
    before = images.Recipe.load(folder / "check.toml")
    (folder / "base.toml").unlink()
    assert images.Recipe.load(folder / "check.toml") == before
    assert not before.boots
    assert images.recipe_named("check").name == "check"


def test_an_image_without_a_kernel_cannot_be_booted() -> None:
    with pytest.raises(SetupError, match="no kernel is called 'check'"):
        kernels.resolve("check")


def test_the_key_does_not_follow_other_recipes(folder: Path) -> None:
    before = images.Recipe.load(folder / "trixie.toml").key
    (folder / "bookworm.toml").unlink()
    assert images.Recipe.load(folder / "trixie.toml").key == before


def test_a_recipe_with_an_unknown_field_names_the_field(folder: Path) -> None:
    with (folder / "trixie.toml").open("a") as file:
        file.write('colour = "red"\n')
    with pytest.raises(SetupError, match="colour"):
        images.Recipe.load(folder / "trixie.toml")


def test_a_recipe_that_is_not_toml_says_where(folder: Path) -> None:
    (folder / "trixie.toml").write_text("kernel = \n")
    with pytest.raises(SetupError, match=r"trixie\.toml.*line 1"):
        images.Recipe.load(folder / "trixie.toml")


def test_a_tree_that_is_not_built_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / ".config").touch()
    with pytest.raises(SetupError, match=r"kernel\.release is missing"):
        kernels.resolve(str(tmp_path))


def test_a_setting_beats_the_machines_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMTEST_MIRROR", "http://mirror.example/debian")
    assert mirror.mirror_of("trixie") == "http://mirror.example/debian"


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("Debian|Debian|bookworm|x|http://a.example/debian/", "http://a.example/debian"),
        (
            "Debian|Debian-Security|bookworm-security|x|http://s.example/security/\n"
            "Debian|Debian|bookworm|x|http://a.example/debian/\n"
            "Debian|Debian|trixie|x|http://b.example/debian/",
            "http://b.example/debian",
        ),
        ("Ubuntu|Ubuntu|noble|x|http://u.example/ubuntu/", None),
        ("", None),
    ],
)
def test_the_mirror_is_the_machines_own_debian_source(
    monkeypatch: pytest.MonkeyPatch, targets: str, expected: str | None
) -> None:
    monkeypatch.delenv("VMTEST_MIRROR", raising=False)
    monkeypatch.setattr(mirror, "_run", lambda *_argv: targets)
    assert mirror.mirror_of("trixie") == expected


def test_no_name_of_a_package_registry_stands_in_the_repository() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=images.TOP, capture_output=True, text=True, check=True
    )
    registry = re.compile(r"https?://(deb|security|ftp|pypi|registry|files|mirror)\.[a-z]+\.org")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        text = (images.TOP / name).read_text(encoding="utf-8", errors="replace")
        found += [f"{name}: {match[0]}" for match in registry.finditer(text)]
    assert found == []
