# SPDX-License-Identifier: MIT
"""Families of WARN() and its kin, and the catch-alls that must stand last."""

from __future__ import annotations

from vmtest.klog.families.memory import OF_DEBUG_OBJECTS, OF_REFERENCES, OF_USB_CORE
from vmtest.klog.family import Role, Source, row
from vmtest.klog.report import Kind

_PC, _STACK, _NAMED = Source.PC, Source.STACK, Source.NAMED
# "WARNING: CPU: 0 PID: 1 at file.c:1 f+0x1/0x2 [mod]", and from 6.18 on
# "WARNING: [condition] file.c:1 at f+0x1/0x2 [mod], CPU#0: comm/1". Mail may end the line at "at".
_AT = (
    r"WARNING: (?:CPU: \d+ PID: \d+ at(?: |$)|at (?=\S+:\d+ )"
    r"|(?:\[.*\] )?(?=\S+:\d+ at \S.*CPU#\d+))"
)
_WHERE = r"\S+(?::\d+)?(?: at)? (?!at )"
_LINE = r":\d+(?: at)? "
_ALLOCATORS = r"alloc|slab|kmem|memdup|str.?dup"
_OF_KOBJECTS = r"kobject_|kset_"

WARNINGS = (
    row(
        Kind.REFCOUNT,
        _AT + r"lib/refcount\.[ch]" + _LINE,
        "WARNING: refcount bug in {func}",
        _STACK,
        skip=OF_REFERENCES,
        rank=65,
    ),
    row(
        Kind.DEBUG_OBJECTS,
        _AT + r"lib/debugobjects\.c" + _LINE,
        "WARNING: ODEBUG bug in {func}",
        _STACK,
        skip=OF_DEBUG_OBJECTS,
        rank=65,
    ),
    # From 6.15 on a report of SLUB ends in it.
    row(
        Kind.SLAB_CORRUPTION,
        _AT + r"mm/slub\.c" + _LINE + r"(?:object_err|_*slab_err|slab_pad_check|check_bytes\w*)\b",
        "BUG: slab corruption in {func}",
        _STACK,
        role=Role.FOLLOW,
        rank=45,
    ),
    row(
        Kind.LIST_CORRUPTION,
        _AT + r"lib/list_debug\.c" + _LINE,
        "BUG: corrupted list in {func}",
        _STACK,
        rank=65,
    ),
    row(
        Kind.LOCKDEP,
        _AT + r"kernel/locking/(?:lockdep|rtmutex)\.c" + _LINE,
        "WARNING: locking bug in {func}",
        _STACK,
        rank=65,
    ),
    row(
        Kind.USERCOPY,
        _AT + r"mm/usercopy\.c" + _LINE,
        "WARNING: bad usercopy in {func}",
        _STACK,
        rank=65,
    ),
    row(
        Kind.WARNING,
        _AT + r"lib/kobject\.c" + _LINE,
        "WARNING: kobject bug in {func}",
        _STACK,
        skip=_OF_KOBJECTS,
        rank=65,
    ),
    row(
        Kind.WARNING,
        _AT + r"fs/proc/generic\.c" + _LINE,
        "WARNING: proc registration bug in {func}",
        _STACK,
        skip="^_*proc_",
        rank=65,
    ),
    row(
        Kind.WARNING,
        _AT + r"mm/vmalloc\.c" + _LINE + r"__vmalloc_node",
        "WARNING: zero-size vmalloc in {func}",
        _STACK,
        skip=_ALLOCATORS,
        rank=65,
    ),
    row(
        Kind.WARNING,
        _AT + r"mm/\w+\.c" + _LINE + r"_*(?:k|v|kv)malloc\w*\+",
        "WARNING: kmalloc bug in {func}",
        _STACK,
        skip=_ALLOCATORS,
        rank=65,
    ),
    row(
        Kind.WARNING,
        _AT + r"drivers/usb/core/urb\.c" + _LINE + r"usb_submit_urb\+",
        "WARNING in {func}/usb_submit_urb",
        _STACK,
        skip=OF_USB_CORE,
        rank=65,
    ),
    # What the compiler or a macro calls only to warn.
    row(
        Kind.WARNING,
        _AT + r"\S+" + _LINE + r"(?:warn_bogus_irq_restore|__fortify_report)\b",
        "WARNING in {func}",
        _STACK,
    ),
    # Without CONFIG_DEBUG_BUGVERBOSE it has no file.
    row(
        Kind.WARNING,
        r"WARNING: at (?:0x[0-9a-f]+|@F), CPU#\d+: ",
        "WARNING in {func}",
        _NAMED,
        _PC,
        _STACK,
    ),
    row(Kind.WARNING, _AT + _WHERE + r"@F", "WARNING in {func}", _NAMED),
    row(
        Kind.WARNING,
        _AT + r"|WARNING: CPU: \d+ PID: \d+$",  # cut
        "WARNING in {func}",
        _PC,
        _STACK,
        rank=45,
    ),
    row(
        Kind.WARNING,
        r"WARNING: kernel stack regs .* has bad '(?P<what>\w+)' value",
        "WARNING: kernel stack regs has bad '{what}' value",
    ),
    row(
        Kind.WARNING,
        r"WARNING: kernel stack frame pointer .* has bad value",
        "WARNING: kernel stack frame pointer has bad value",
    ),
    row(
        Kind.WARNING,
        r"WARNING: (?P<what>stack recursion|stack going in the wrong direction)",
        "WARNING: {what} in {func}",
    ),
    row(
        Kind.WARNING,
        r"sysfs: cannot create duplicate filename",
        "sysfs: cannot create duplicate filename in {func}",
        _STACK,
        skip=f"^sysfs_|{_OF_KOBJECTS}|^device_(?:add|register|create)|internal_create_group",
    ),
    row(
        Kind.WARNING,
        r"kobject[: ].*: tried to (?:init an |add an un)initialized object, something is",
        "WARNING: kobject bug in {func}",
        _STACK,
        skip=_OF_KOBJECTS,
    ),
    row(Kind.WARNING, r"irq \d+: nobody cared", "irq: nobody cared", _STACK),
    row(
        Kind.BUG,
        r"BUG: Dentry \S+.* still in use .*\[unmount of (?P<fs>[^\]]+)\]",
        "BUG: Dentry still in use [unmount of {fs}]",
        role=Role.ANNOUNCE,
        rank=70,
    ),
    # Before 6.2 nothing follows.
    row(
        Kind.BUG,
        r"VFS: Busy inodes after unmount of .*\. Self-destruct in ",
        "VFS: Busy inodes after unmount (use-after-free)",
        single=True,
    ),
    row(
        Kind.BUG,
        r"VFS: Busy inodes after unmount of ",
        "VFS: Busy inodes after unmount (use-after-free)",
        role=Role.ANNOUNCE,
        rank=70,
    ),
    # Before 6.7 nothing follows.
    row(
        Kind.BUG,
        r"VFS: Close: file count is 0$",
        "VFS: Close: file count is zero (use-after-free)",
        single=True,
    ),
    row(
        Kind.BUG,
        r"VFS: Close: file count is 0 ",
        "VFS: Close: file count is zero (use-after-free)",
        role=Role.ANNOUNCE,
        rank=70,
    ),
    # Reports this table does not know yet: with a stamp they are the kernel's. That some were left
    # out is none.
    row(
        Kind.LOCKDEP,
        r"WARNING: (?P<what>[A-Za-z][\w ,'-]{4,70}?)(?: detected)?!?$",
        "WARNING: {what} in {func}",
        _STACK,
        ruled=True,
        stamped=True,
    ),
    row(
        Kind.BUG,
        r"(?:\w+: )?BUG: (?!.*: \d+ messages suppressed$)(?P<what>\S.*)",
        "BUG: {what}",
        stamped=True,
        rank=40,
    ),
)
