# SPDX-License-Identifier: MIT
"""Write, read back, compare: what the integrity scenarios and their negative control share."""

from __future__ import annotations

from vmtest.guest import Guest

_COMMON = (
    "--name=verify", "--output-format=terse", "--verify=crc32c", "--verify_fatal=1",
    "--do_verify=1", "--randseed=20", "--thread", "--group_reporting",
)  # fmt: skip


def verify_with_fio(guest: Guest, target: str, *options: str, timeout: float = 60) -> None:
    """Have fio write ``target`` (a device or a file), read it back and check each block's CRC.

    ``options`` say what to write and how. Raises CommandFailed with fio's words on a mismatch.
    """
    guest.run("fio", f"--filename={target}", *_COMMON, *options, timeout=timeout)


def check_random_writes(guest: Guest, device: str) -> None:
    """The check that any wrong byte must turn red: mixed sizes, several jobs, past the cache."""
    verify_with_fio(
        guest, device, "--rw=randwrite", "--direct=1", "--ioengine=io_uring", "--iodepth=8",
        "--bsrange=4k-128k", "--blockalign=4k", "--numjobs=3", "--size=6m",
        "--offset_increment=6m",
    )  # fmt: skip
