# SPDX-License-Identifier: MIT
"""Families about memory: sanitizers, slab, pages, lists, reference counts, leaks."""

from __future__ import annotations

from vmtest.klog.family import Role, Source, row
from vmtest.klog.report import Kind

_STACK, _HEADER = Source.STACK, Source.HEADER
# How drivers hand a buffer to a device.
OF_USB_CORE = r"^usb_(?:submit_urb|start_wait_urb|bulk_msg|interrupt_msg|control_msg)"
# How the contents of a buffer reach user space.
_TO_USER = r"^_?copy_to_iter|^simple_copy_to_iter|^copyout"
_ALLOCATING = r"alloc|idr_get|list_lru_init|asprintf|str.?dup|memdup|create_object"
_OF_PAGES = (
    r"^_*(?:folio|page)s?_\w*put|^_*put_page|^release_pages|^free_|_free$"
    r"|^check_(?:free|new)_page|^_*pagevec_|^_*folio_batch_"
)
OF_DEBUG_OBJECTS = r"debug_|rcu|timer_|work_|percpu_|vunmap|vfree|^__free_|kobject_"
# Whoever holds a device or another object holds it by these.
OF_REFERENCES = r"^kobject_|^(?:get|put)_device$|^get_device_parent$|^device_add$"
_OF_UBSAN = r"^handle_(?:overflow|object_size|missing_return|ubsan|misaligned|null_ptr)"
_ACCESS = r"(?P<access>Read|Write) (?:of size|at addr)"

MEMORY = (
    # KASAN: the header names the innermost function, which may be memcpy; the stack knows better.
    row(
        Kind.KASAN,
        r"BUG: KASAN: (?P<type>double-free or invalid-free|double-free|invalid-free)(?: in @F)?",
        "KASAN: {type} in {func}",
        _STACK,
        _HEADER,
    ),
    row(
        Kind.KASAN,
        r"BUG: KASAN: (?P<type>[a-z][\w-]*)(?: (?:in @F|on address))?",
        "KASAN: {type} {access} in {func}",
        _STACK,
        _HEADER,
        detail=_ACCESS,
    ),
    row(Kind.KASAN, r"BUG: KASAN: ", "KASAN: unknown error in {func}", _STACK),
    # The two racing functions are the title, in an order that does not depend on who was first.
    row(
        Kind.KCSAN,
        r"BUG: KCSAN: (?P<type>[\w-]+(?:: race)?) in (?P<first>[A-Za-z_][\w.]*)(?:\+0x\S+)?"
        r"(?: \[[\w-]+\])? / (?P<second>[A-Za-z_][\w.]*)",
        "KCSAN: {type} in {pair}",
        _HEADER,
    ),
    # An access that no function is known of has an address, or 0x0, instead.
    row(
        Kind.KCSAN,
        r"BUG: KCSAN: (?P<type>[\w-]+(?:: race)?) in (?:0x[0-9a-f]+(?: / )?)?(?:@F)?",
        "KCSAN: {type} in {func}",
        _HEADER,
    ),
    row(
        Kind.KMSAN,
        r"BUG: KMSAN: (?P<type>[\w-]+)(?: in @F)?",
        "KMSAN: {type} in {func}",
        _STACK,
        _HEADER,
        skip=f"{OF_USB_CORE}|{_TO_USER}",
    ),
    row(
        Kind.KFENCE,
        r"BUG: KFENCE: (?P<type>out-of-bounds|use-after-free|invalid (?:read|write|free)"
        r"|memory corruption|[\w -]+?)(?: read| write)?(?: in @F|\s*$)",
        "KFENCE: {type} in {func}",
        _STACK,
        _HEADER,
    ),
    row(
        Kind.UBSAN,
        r"UBSAN: Undefined behaviour in \S+",
        "UBSAN: undefined-behaviour in {func}",
        _STACK,
        skip=_OF_UBSAN,
    ),
    row(
        Kind.UBSAN,
        r"UBSAN: (?P<type>[a-z][a-z-]+) in \S+:\d+",
        "UBSAN: {type} in {func}",
        _STACK,
        skip=_OF_UBSAN,
    ),
    row(
        Kind.UBSAN,
        r"UBSAN: (?P<what>[a-z][\w ,-]+?) at @F",
        "UBSAN: {what} in {func}",
        _HEADER,
        _STACK,
        role=Role.ANNOUNCE,
        rank=70,
    ),
    row(
        Kind.UBSAN,
        r"(?:Internal error: |Oops: )?UBSAN: (?P<what>[a-z][\w ,-]+?)(?:: [0-9a-f]+)?\s*\[#",
        "UBSAN: {what} in {func}",
    ),
    # Leaks.
    row(
        Kind.KMEMLEAK,
        r"unreferenced (?:percpu )?object 0x[0-9a-f]+ \(size \d+\):",
        "memory leak in {func}",
        _STACK,
        skip=_ALLOCATING,
    ),
    row(
        Kind.KMEMLEAK,
        r"(?:kmemleak: )?\d+ new suspected memory leaks? \(",
        "kmemleak: new suspected memory leaks",
        role=Role.FOLLOW,  # with kmemleak.verbose=1 the objects come before it
        single=True,
        rank=20,
    ),
    row(
        Kind.KMEMLEAK,
        r"kmemleak: Cannot insert 0x[0-9a-f]+ into the object search tree",
        "kmemleak: overlapping object in {func}",
        _STACK,
    ),
    # Some tools print this line before each object.
    row(Kind.KMEMLEAK, r"BUG: memory leak$", "memory leak", role=Role.ANNOUNCE, rank=30),
    row(
        Kind.REFERENCE_LEAK,
        r"unregister_netdevice: waiting for \S+ to become free",
        "unregister_netdevice: waiting for DEV to become free",
        single=True,
    ),
    # Messages that "WARNING: CPU: 0 PID: 1 at lib/refcount.c" or "kernel BUG at" follow.
    row(
        Kind.REFCOUNT,
        r"refcount_t: (?P<what>[^.;]+)",
        "WARNING: refcount bug in {func}",
        _STACK,
        skip=OF_REFERENCES,
        role=Role.ANNOUNCE,
        rank=70,
    ),
    row(
        Kind.LIST_CORRUPTION,
        r"(?:slab: |slub: )?(?:list_(?:add|del)|hlist_\w+|__list_\w+) ?(?:corruption|double add)",
        "BUG: corrupted list in {func}",
        role=Role.ANNOUNCE,
        rank=70,
    ),
    row(
        Kind.DEBUG_OBJECTS,
        r"ODEBUG: .*\(active state \d+\) object",
        "WARNING: ODEBUG bug in {func}",
        _STACK,
        skip=OF_DEBUG_OBJECTS,
        role=Role.ANNOUNCE,
        rank=70,
    ),
    row(
        Kind.USERCOPY,
        r"Bad or missing usercopy whitelist\? Kernel memory (?:exposure|overwrite) attempt",
        "WARNING: bad usercopy in {func}",
        _STACK,
        role=Role.ANNOUNCE,
        rank=70,
    ),
    row(
        Kind.USERCOPY,
        r"usercopy: [Kk]ernel memory (?:exposure|overwrite) attempt detected",
        "BUG: bad usercopy in {func}",
        _STACK,
        role=Role.ANNOUNCE,
        rank=70,
    ),
    row(
        Kind.SLAB_CORRUPTION,
        r"(?:slub: |slab: )?kmem_cache_destroy \S+: Slab cache still has objects(?: when called"
        r" from @F)?",
        "WARNING: objects remaining in slab cache in {func}",
        _HEADER,
        _STACK,
        role=Role.ANNOUNCE,
        rank=70,
    ),
    # SLUB and SLAB.
    row(
        Kind.SLAB_CORRUPTION,
        r"(?:[\w.:/-]+: )?BUG \S+ \((?:Not t|T)ainted[^)]*\): Objects remaining in \S+",
        "BUG: objects remaining in slab cache in {func}",
        _STACK,
    ),
    row(
        Kind.SLAB_CORRUPTION,
        r"(?:[\w.:/-]+: )?BUG (?P<cache>\S+) \((?:Not t|T)ainted[^)]*\): (?P<what>[\w -]+)",
        "BUG: slab {what} in {func}",
        _STACK,
    ),
    row(
        Kind.SLAB_CORRUPTION,
        r"slab error in \w+\(\): cache ",
        "BUG: slab error in {func}",
        _STACK,
    ),
    row(
        Kind.SLAB_CORRUPTION,
        r"Slab corruption(?: \([^)]*\))?: \S+ start=",
        "BUG: slab corruption in {func}",
        _STACK,
    ),
    row(
        Kind.SLAB_CORRUPTION,
        r"slab: double free detected in cache '[^']*'",
        "BUG: slab double free in {func}",
        _STACK,
    ),
    # Pages.
    row(
        Kind.BAD_PAGE,
        r"BUG: Bad page state in process ",
        "BUG: Bad page state in {func}",
        _STACK,
        skip=_OF_PAGES,
    ),
    row(
        Kind.BAD_PAGE,
        r"pagealloc: (?:memory corruption|single bit error)",
        "BUG: page poison overwritten in {func}",
        _STACK,
        skip=f"^__kernel_unpoison_pages|{_OF_PAGES}",
    ),
    row(Kind.BAD_PAGE, r"BUG: Bad page map in process ", "BUG: Bad page map"),
    row(Kind.BAD_PAGE, r"BUG: Bad page cache in process ", "BUG: Bad page cache in {func}", _STACK),
    row(Kind.BAD_PAGE, r"BUG: Bad rss-counter state ", "BUG: Bad rss-counter state", single=True),
    row(
        Kind.BAD_PAGE,
        r"BUG: (?P<what>non-zero \w+ on freeing mm: \d+)",
        "BUG: {what}",
        single=True,
    ),
    row(
        Kind.BAD_PAGE,
        r"(?:_?swap_info_get|get_swap_device|swap_free|swap_dup): Bad swap ",
        "BUG: bad swap entry",
        role=Role.ANNOUNCE,
        rank=30,
    ),
    row(
        Kind.BAD_PAGE,
        r"\S+\.[ch]:\d+: bad (?P<table>pte|pmd|pud|p4d|pgd) ",
        "BUG: bad {table}",
        role=Role.ANNOUNCE,
        rank=30,
    ),
)
