# SPDX-License-Identifier: MIT
"""The faults of vmtest_faulty: what each needs to be noticed, and the title it must get."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

#: A fault's name is written here.
TRIGGER = "/sys/kernel/debug/vmtest_faulty/trigger"

_SYSCTL = "/proc/sys/kernel/"
_HUNG = {_SYSCTL + "hung_task_timeout_secs": "5", _SYSCTL + "hung_task_warnings": "100"}
_RCU = "/sys/module/rcupdate/parameters/"
_LOCKUP = {_SYSCTL + "watchdog_thresh": "3"}
_STALL = {_RCU + "rcu_cpu_stall_timeout": "4"}
# On a slow guest, time makes leaps, and every detector is due at once: only the meant one speaks.
_NO_STALL = {_RCU + "rcu_cpu_stall_suppress": "1"}
_NO_SOFT_LOCKUP = {_SYSCTL + "soft_watchdog": "0"}
# KFENCE guards one allocation an interval; the module waits for a guarded one.
_KFENCE = {"/sys/module/kfence/parameters/sample_interval": "50"}


class After(StrEnum):
    """What must be done after the trigger for the fault to show."""

    NOTHING = "nothing"
    #: Remove the module.
    RMMOD = "rmmod"
    #: Write "scan" to /sys/kernel/debug/kmemleak twice, some seconds apart, and read it.
    KMEMLEAK_SCAN = "kmemleak-scan"


@dataclass(frozen=True, slots=True)
class Fault:
    #: The word for the trigger.
    name: str
    #: Searched in the report's title.
    title: str
    #: Kernel options of which one is enough to notice the fault; none: every kernel notices.
    any_option: tuple[str, ...] = ()
    #: Options among those that count only in releases from the first to the second number.
    releases: Mapping[str, tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=dict)
    #: Files of the guest to write before the trigger; those that do not exist may be left out.
    settings: Mapping[str, str] = field(default_factory=dict)
    #: Kills a guest that was booted with oops=panic, whatever notices it. Others may.
    fatal: bool = False
    after: After = After.NOTHING
    #: Goes on until "release" is written.
    lasting: bool = False
    #: Seconds within which the report must come on a kernel that is not slowed down.
    within: float = 10
    #: The fault leaves locks, threads or memory behind: the VM must not be used again.
    ruins: bool = True

    def why_not(self, options: Collection[str], release: tuple[int, int]) -> str | None:
        """Why a kernel of this release, say (6, 12), cannot notice the fault; None if it can."""
        useful = [option for option in self.any_option if self._counts(option, release)]
        if not self.any_option or any(option in options for option in useful):
            return None
        if not useful:
            does = "does" if len(self.any_option) == 1 else "do"
            return f"{', '.join(self.any_option)} {does} not notice it in a kernel of this release"
        return f"the kernel has none of {', '.join(useful)}"

    def _counts(self, option: str, release: tuple[int, int]) -> bool:
        first, last = self.releases.get(option, (release, release))
        return first <= release <= last

    def matches(self, title: str) -> bool:
        return re.search(self.title, title) is not None


def enabled_options(config: str) -> frozenset[str]:
    """The options that the text of a kernel's .config sets to y or m."""
    return frozenset(re.findall(r"^(CONFIG_\w+)=[ym]$", config, re.MULTILINE))


FAULTS: tuple[Fault, ...] = (
    # KASAN's shadow of a bad address faults first, and differently.
    Fault(
        "oops",
        r"(NULL pointer dereference|general protection fault|KASAN: null-ptr-deref Write)"
        r" in faulty_oops",
        fatal=True,
    ),
    Fault(
        "paging",
        r"(kernel paging request|general protection fault|KASAN: \S+ Read) in faulty_paging",
        fatal=True,
    ),
    Fault("null-call", r"NULL pointer dereference in faulty_null_call", fatal=True),
    Fault("gpf", r"general protection fault in faulty_gpf", ("CONFIG_X86_64",), fatal=True),
    Fault("divide", r"divide error in faulty_divide", ("CONFIG_X86_64",), fatal=True),
    Fault("bug", r"kernel BUG in faulty_bug", ("CONFIG_BUG",), fatal=True),
    Fault("warn", r"WARNING in faulty_warn", ("CONFIG_BUG",), ruins=False),
    Fault("panic", r"kernel panic: vmtest_faulty: panic on demand", fatal=True),
    Fault(
        "stack-overflow",
        r"(stack guard page was hit|kernel stack overflow|double fault) in overflow_stack",
        ("CONFIG_VMAP_STACK",),
        fatal=True,
    ),
    Fault(
        "stack-smash",
        r"kernel panic: stack is corrupted in (faulty_stack_smash|trigger_write)"
        r"|KASAN: stack-out-of-bounds",
        ("CONFIG_STACKPROTECTOR", "CONFIG_KASAN"),
        fatal=True,
    ),
    Fault(
        "use-after-unload",
        r"use after unload of vmtest_faulty|stray_timer_fired",
        fatal=True,
        after=After.RMMOD,
    ),
    Fault(
        "use-after-free",
        r"(KASAN: (slab-)?use-after-free Read|KFENCE: use-after-free)"
        r" in faulty_use_after_free",
        ("CONFIG_KASAN", "CONFIG_KFENCE"),
        settings=_KFENCE,
        ruins=False,
    ),
    Fault(
        "oob",
        r"(KASAN: slab-out-of-bounds Write|KFENCE: (memory corruption|out-of-bounds))"
        r" in faulty_oob",
        ("CONFIG_KASAN", "CONFIG_KFENCE"),
        settings=_KFENCE,
        ruins=False,
    ),
    Fault(
        "double-free",
        r"(KASAN: (double-free|invalid-free|double-free or invalid-free)|KFENCE: invalid free"
        r"|kernel BUG|BUG: slab Object already free) in faulty_double_free",
        ("CONFIG_KASAN", "CONFIG_KFENCE", "CONFIG_SLAB_FREELIST_HARDENED"),
        # From 6.18 on a freed object may go to a sheaf, where nobody looks for it.
        releases={"CONFIG_SLAB_FREELIST_HARDENED": ((0, 0), (6, 17))},
        settings=_KFENCE,
    ),
    Fault(
        "leak",
        r"memory leak in faulty_leak",
        ("CONFIG_DEBUG_KMEMLEAK",),
        after=After.KMEMLEAK_SCAN,
        within=60,
    ),
    Fault(
        "list-corruption",
        r"corrupted list in faulty_list_corruption|KASAN: stack-",
        ("CONFIG_DEBUG_LIST", "CONFIG_LIST_HARDENED"),
        fatal=True,
    ),
    Fault("refcount", r"refcount bug in faulty_refcount", ruins=False),
    Fault(
        "bad-page",
        r"Bad page state in faulty_bad_page|kernel BUG in faulty_bad_page",
        ("CONFIG_DEBUG_VM", "CONFIG_INIT_ON_ALLOC_DEFAULT_ON"),
        # Pages are checked when init_on_alloc is on.
        releases={"CONFIG_INIT_ON_ALLOC_DEFAULT_ON": ((6, 3), (99, 0))},
    ),
    Fault("odebug", r"ODEBUG bug in faulty_odebug", ("CONFIG_DEBUG_OBJECTS_FREE",)),
    Fault("ubsan", r"UBSAN: shift-out-of-bounds in faulty_ubsan", ("CONFIG_UBSAN_SHIFT",)),
    Fault(
        "data-race",
        r"KCSAN: data-race in race_thread",
        ("CONFIG_KCSAN",),
        within=40,
        ruins=False,
    ),
    Fault(
        "sleep-atomic",
        r"sleeping function called from invalid context in faulty_sleep_atomic",
        ("CONFIG_DEBUG_ATOMIC_SLEEP",),
        ruins=False,
    ),
    Fault(
        "schedule-atomic",
        r"scheduling while atomic in faulty_schedule_atomic",
        ("CONFIG_PREEMPT_COUNT",),
    ),
    Fault(
        "rcu-usage",
        r"suspicious RCU usage in faulty_unlocked_deref",
        ("CONFIG_PROVE_RCU",),
    ),
    Fault(
        "deadlock-abba",
        r"(possible deadlock|task hung) in abba_thread",
        ("CONFIG_PROVE_LOCKING", "CONFIG_DETECT_HUNG_TASK"),
        settings=_HUNG,
        within=30,
    ),
    Fault(
        "recursive-lock",
        r"(possible deadlock|task hung|WARNING: locking bug) in recursive_thread",
        ("CONFIG_PROVE_LOCKING", "CONFIG_DETECT_HUNG_TASK"),
        settings=_HUNG,
        within=30,
    ),
    Fault(
        "irq-lock",
        r"(inconsistent lock state|possible deadlock) in (take_irq_lock|faulty_irq_lock)",
        ("CONFIG_PROVE_LOCKING",),
    ),
    Fault("bad-unlock", r"bad unlock balance in faulty_bad_unlock", ("CONFIG_PROVE_LOCKING",)),
    # The kernel stops looking for hung tasks once it has oopsed.
    Fault(
        "hang-task",
        r"task hung in hang_thread",
        ("CONFIG_DETECT_HUNG_TASK",),
        settings=_HUNG,
        lasting=True,
        within=30,
    ),
    Fault(
        "soft-lockup",
        r"soft lockup in soft_lockup_thread",
        ("CONFIG_SOFTLOCKUP_DETECTOR",),
        settings=_LOCKUP | _NO_STALL,
        lasting=True,
        within=40,
    ),
    Fault(
        "rcu-stall",
        r"rcu detected stall in rcu_stall_thread",
        ("CONFIG_RCU_STALL_COMMON",),
        settings=_STALL | _NO_SOFT_LOCKUP,
        lasting=True,
        within=40,
    ),
    # Needs a performance counter that interrupts as NMI, which emulated CPUs lack, or the buddy.
    Fault(
        "hard-lockup",
        r"(hard lockup|rcu detected stall) in hard_lockup_thread|non-responsive CSD lock",
        ("CONFIG_HARDLOCKUP_DETECTOR_BUDDY", "CONFIG_RCU_STALL_COMMON"),
        settings=_LOCKUP | _STALL | _NO_SOFT_LOCKUP,
        lasting=True,
        within=60,
    ),
)
