# SPDX-License-Identifier: MIT
"""Where things are cached, outside of the checkout, and how two runs keep apart."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from vmtest.errors import SetupError

Say = Callable[[str], None]


def nobody_listens(_text: str) -> None:
    """For callers who need not be told what they wait for."""


def cache_dir(*parts: str) -> Path:
    """A folder below the cache's root, made when missing.

    The root is ``$VMTEST_CACHE``, else ``vmtest`` in ``$XDG_CACHE_HOME`` or ``~/.cache``.
    """
    root = os.environ.get("VMTEST_CACHE")
    if root is None:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        root = str(Path(base).expanduser() / "vmtest")
    path = Path(root, *parts).absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def content_key(chunks: Iterable[bytes | str]) -> str:
    """A 16-digit key of the chunks; their borders count."""
    digest = hashlib.sha256()
    for chunk in chunks:
        data = chunk.encode() if isinstance(chunk, str) else chunk
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:16]


def tree_key(sources: Iterable[Path]) -> str:
    """The key of files, and of all below folders: their relative paths, modes and contents."""

    def chunks() -> Iterator[bytes | str]:
        for source in sources:
            for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
                if path.is_file() and "__pycache__" not in path.parts:
                    yield str(path.relative_to(source.parent))
                    yield str(path.stat().st_mode & 0o111)
                    yield path.read_bytes()

    return content_key(chunks())


@contextlib.contextmanager
def locked(
    path: Path, what: str, say: Say = nobody_listens, timeout: float = 1800.0
) -> Iterator[None]:
    """Hold the lock file ``path`` while ``what`` is done; waits ``timeout`` seconds at most.

    ``say`` is told when another process has the lock.
    """
    deadline = time.monotonic() + timeout
    told = False
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SetupError(
                        f"another process has held {path} for {timeout:.0f} s ({what})",
                        hint=f"see who has it: fuser -v {path}",
                    ) from None
                if not told:
                    say(f"waiting for another process that is {what}")
                    told = True
                time.sleep(0.2)
        yield
