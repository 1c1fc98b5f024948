# SPDX-License-Identifier: MIT
"""What holds for every file of the repository."""

from __future__ import annotations

import subprocess

from vmtest.images import TOP

# Licences themselves, and a marker that must be empty.
_WITHOUT = ("LICENSE", "COPYING", "py.typed")

# Logs and tables, as they were recorded.
_RECORDED = TOP / "tests/fixtures"


def test_every_file_says_its_licence() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=TOP, capture_output=True, text=True, check=True
    )
    paths = [TOP / name for name in filter(None, listed.stdout.split("\0"))]
    silent = [
        str(path.relative_to(TOP))
        for path in paths
        if path.name not in _WITHOUT
        and not path.is_relative_to(_RECORDED)
        and "SPDX-License-Identifier:" not in path.read_text(errors="replace")[:500]
    ]
    assert silent == []
