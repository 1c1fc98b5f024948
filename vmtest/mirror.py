# SPDX-License-Identifier: MIT
"""Where Debian packages come from: a setting, else the machine's own apt set-up."""

from __future__ import annotations

import os
import subprocess

# What of the machine's apt configuration an image build needs to reach the mirror the same way.
_KEPT = (
    "Acquire::http",
    "Acquire::https",
    "Acquire::ftp",
    "Acquire::Retries",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
)


def mirror_of(suite: str) -> str | None:
    """The URI that serves Debian's ``suite``.

    ``$VMTEST_MIRROR`` wins. Else the first of the machine's apt sources that serves Debian's main
    archive: mirrors carry all suites. None (mmdebstrap then takes its own default) where the
    machine has no Debian source, as on Ubuntu.
    """
    if setting := os.environ.get("VMTEST_MIRROR"):
        return setting
    result = _run(
        "apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(SITE)|$(REPO_URI)",
        "Created-By: Packages",
    )  # fmt: skip
    uris = []
    for line in result.splitlines():
        origin, label, codename, _site, uri = (line.split("|") + [""] * 5)[:5]
        if origin == "Debian" and label == "Debian" and not codename.endswith("-security"):
            uris.append((codename != suite, uri.rstrip("/")))
    return min(uris)[1] if uris else None


def apt_options() -> list[str]:
    """The machine's apt settings that decide how a mirror is reached (proxies, certificates)."""
    options = []
    for line in _run("apt-config", "dump").splitlines():
        name, _, value = line.rstrip(";").partition(" ")
        if name.startswith(_KEPT) and value.strip('"'):
            options.append(f"{name} {value}")
    return options


def _run(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return ""  # not a Debian or Ubuntu
