# SPDX-License-Identifier: MIT
"""Keys of the cache, and its locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmtest.cache import cache_dir, content_key, locked, tree_key
from vmtest.errors import SetupError


def test_the_borders_between_chunks_count() -> None:
    assert content_key(["ab", "c"]) != content_key(["a", "bc"])


def test_a_tree_key_follows_contents_and_names(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.c").write_text("int a;")
    first = tree_key([tree])
    assert tree_key([tree]) == first
    (tree / "a.c").write_text("int b;")
    second = tree_key([tree])
    (tree / "a.c").rename(tree / "b.c")
    assert len({first, second, tree_key([tree])}) == 3


def test_a_tree_key_ignores_compiled_python(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "__pycache__").mkdir(parents=True)
    before = tree_key([tree])
    (tree / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert tree_key([tree]) == before


def test_the_cache_is_where_the_setting_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMTEST_CACHE", str(tmp_path / "here"))
    assert cache_dir("images") == tmp_path / "here" / "images"
    assert (tmp_path / "here" / "images").is_dir()


def test_a_lock_that_is_held_too_long_says_whose_it_is(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock", "one thing"),
        pytest.raises(SetupError, match="another process has held"),
        locked(tmp_path / "lock", "the same thing", timeout=0.3),
    ):
        pass


def test_who_waits_for_a_lock_is_told_once(tmp_path: Path) -> None:
    said: list[str] = []
    with (
        locked(tmp_path / "lock", "making something", said.append),
        pytest.raises(SetupError),
        locked(tmp_path / "lock", "making something", said.append, timeout=0.5),
    ):
        pass
    assert said == ["waiting for another process that is making something"]
