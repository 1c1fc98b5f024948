# SPDX-License-Identifier: MIT
"""Families about guests that never come up: firmware, kernel image, initramfs, QEMU itself."""

from __future__ import annotations

from vmtest.klog.family import Role, row
from vmtest.klog.report import Kind

BOOT = (
    row(
        Kind.BOOT_FAILURE,
        r"VFS: Cannot open root device ",
        "VFS: cannot open root device",
        role=Role.ANNOUNCE,
        rank=30,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"ALERT!\s+.* does not exist\.\s+Dropping to a shell",
        "root device does not exist",
        single=True,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"Gave up waiting for root(?: file system)? device",
        "gave up waiting for the root device",
        role=Role.ANNOUNCE,
        rank=30,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"dracut(?:-initqueue)?(?:\[\d+\])?: (?:FATAL|Warning: Could not boot)",
        "dracut could not boot",
        role=Role.ANNOUNCE,
        rank=30,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"mount: mounting \S+ on /root\S* failed: (?P<what>.*)",
        "initramfs could not mount the root file system: {what}",
        single=True,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"(?:Target filesystem doesn't have requested|No init found\. Try)",
        "no init on the root file system",
        single=True,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"(?:run-init|switch_root): (?:opening console|can't execute|failed)",
        "initramfs could not start init",
        single=True,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"(?:You are in emergency mode|Entering emergency mode)",
        "init entered emergency mode",
        single=True,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"No bootable device|BdsDxe: No bootable option or device was found",
        "no bootable device",
        single=True,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"(?:XZ|LZ4|LZMA|ZSTD|GZIP)-compressed data is corrupt",
        "kernel image is corrupt",
        role=Role.ANNOUNCE,
        rank=70,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"This kernel requires (?:an|the following) .*(?:CPU|:)",
        "kernel does not run on this CPU",
        single=True,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"Error: (?:invalid dtb and )?unrecognized/unsupported (?:machine ID|processor variant)",
        "kernel does not run on this machine",
        single=True,
    ),
    row(Kind.BOOT_FAILURE, r"\s*-- System halted", "system halted before the kernel", single=True),
    # QEMU: its own messages arrive on the same stream.
    row(
        Kind.BOOT_FAILURE,
        r"(?:\S*/)?qemu(?:-system-\w+|-kvm)?: "
        r"(?!(?:.*: )?(?:warning|info):|Slirp:|terminating on signal|uncaught target signal)"
        r"(?P<what>.*)",
        "QEMU: {what}",
        single=True,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"KVM internal error\. Suberror: |KVM: entry failed, hardware |error: kvm run failed ",
        "QEMU: KVM internal error",
        single=True,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"error: failed to set MSR 0x[0-9a-f]+ to",
        "QEMU: failed to set MSR",
        single=True,
    ),
    row(
        Kind.BOOT_FAILURE,
        r"(?:Could not access|Could not initialize) KVM",
        "QEMU: no KVM",
        single=True,
    ),
)
