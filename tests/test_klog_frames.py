# SPDX-License-Identifier: MIT
"""Stack frames and program counters in the formats of several kernels and architectures."""

from __future__ import annotations

import pytest

from vmtest.klog import parse
from vmtest.klog.frames import Frame, entry, innermost, parse_frame, parse_pc, plain_name


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (" vfs_write+0xf5/0x440", Frame("vfs_write", 0xF5)),
        (" ? vfs_write+0xf5/0x440", Frame("vfs_write", 0xF5, unreliable=True)),
        (" fetch.isra.0+0x1/0x2 [zosbd2]", Frame("fetch.isra.0", 1, "zosbd2")),
        (" fetch+0x1/0x2 [zosbd2 0123456789abcdef]", Frame("fetch", 1, "zosbd2")),
        (" fetch+0x1/0x2 [zosbd2] zosbd2.c:12", Frame("fetch", 1, "zosbd2")),
        (" fetch+0x1/0x2 drivers/block/zosbd2.c:12", Frame("fetch", 1)),
        (" fetch drivers/block/zosbd2.c:12 [inline]", Frame("fetch", inline=True)),
        (" fetch (drivers/block/zosbd2.c:12) zosbd2", Frame("fetch", None, "zosbd2")),
        ("? fetch (a.c:12 (discriminator 3) b.h:7) ", Frame("fetch", unreliable=True)),
        ("fetch (??:?) [zosbd2] (P)", Frame("fetch", None, "zosbd2")),
        (
            " [<ffffffff81234567>] fetch+0x1/0x2",
            Frame("fetch", 1, address=0xFFFFFFFF81234567),
        ),
        ("[<000000001e1c2a00>] fetch+0x1/0x2", Frame("fetch", 1, address=0x1E1C2A00)),
        (" fetch from caller+0x1/0x2", Frame("fetch")),
        (" 0xffffffffc0a31010", Frame("", address=0xFFFFFFFFC0A31010)),
        ("[c0000000012f3a20] [c000000000a1b2c4] fetch+0x1/0x2 (unreliable)", Frame("fetch", 1)),
    ],
)
def test_frame_is_parsed(text: str, frame: Frame) -> None:
    assert parse_frame(text) == frame


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("RIP: 0010:fetch+0x1/0x2 [zosbd2]", Frame("fetch", 1, "zosbd2", pc=True)),
        ("RIP: e030:fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        (
            "RIP: 0010:[<ffffffff81234567>]  [<ffffffff81234567>] fetch+0x1/0x2",
            Frame("fetch", 1, pc=True),
        ),
        ("epc   : 8046f2a4 fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        ("  ERA: 9000000000f2b1d4 fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        ("RIP: 0010:fetch fs/fetch.c:12 [inline]", Frame("fetch", pc=True, inline=True)),
        ("RIP: 0010:0xffffffffc0a31010", Frame("", pc=True, address=0xFFFFFFFFC0A31010)),
        ("EIP: fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        (
            "RIP: 0010:fetch (a.c:12 (discriminator 3)) zosbd2",
            Frame("fetch", None, "zosbd2", pc=True),
        ),
        ("pc : fetch (a.c:12 b.h:7) ", Frame("fetch", pc=True)),
        ("pc : [0xffffffe1d9c5e6f8] fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        ("pc : fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        ("epc : fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        ("NIP [c000000000a1b2c4] fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        ("TPC: <fetch+0x1/0x2 [zosbd2]>", Frame("fetch", 1, "zosbd2", pc=True)),
        (" IAOQ[0]: fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        ("PC: [<002a1b3c>] fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        ("pc is at fetch+0x1/0x2", Frame("fetch", 1, pc=True)),
        (
            "Krnl PSW : 0704c00180000000 00000000001e1c2a (fetch+0x1/0x2)",
            Frame("fetch", 1, pc=True),
        ),
    ],
)
def test_program_counter_is_parsed(text: str, frame: Frame) -> None:
    assert parse_pc(text) == frame


@pytest.mark.parametrize(
    "text",
    [
        "RIP: 0033:fetch+0x1/0x2",
        "RIP: 0033:0x7f8b1a07dae9",
        "lr : fetch+0x1/0x2",
        "pc : [<80a3c01c>]    lr : [<80a3c100>]    psr: 60000013",
        "NIP:  c0000000003e7a24 LR: c0000000003e79e0 CTR: c0000000003e7980",
        "CPU: 0 PID: 1 Comm: x",
    ],
)
def test_user_space_and_others_are_no_program_counter(text: str) -> None:
    assert parse_pc(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Message from syslogd@guest at Nov 25 01:02:03 ...",
        "Data from 3 sensors",
        "nothing at all",
        "0000000000000018",
    ],
)
def test_words_are_no_frame(text: str) -> None:
    assert parse_frame(text) is None


@pytest.mark.parametrize(
    "symbol",
    ["fetch", "fetch.isra.0", "fetch.constprop.0.isra.0", "fetch.cold", "fetch.part.0.cold",
     "fetch.llvm.123456", "fetch.lto_priv.0", "fetch.cfi_jt", "fetch.12"],
)  # fmt: skip
def test_name_is_free_of_compiler_suffixes(symbol: str) -> None:
    assert plain_name(symbol) == "fetch"


def test_unreliable_frame_is_guilty_only_without_others() -> None:
    stale, real = Frame("stale", 1, unreliable=True), Frame("real", 1)
    assert innermost([Frame("mutex_lock", 1), stale, real]) == real
    assert innermost([Frame("mutex_lock", 1), stale]) == stale
    assert innermost([Frame("mutex_lock", 1), Frame("", address=1)]) is None


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        ("spin __x64_sys_ioctl do_syscall_64", "sys_ioctl"),
        ("spin __do_sys_ioctl do_syscall_64", "sys_ioctl"),
        ("spin __arm64_compat_sys_ioctl", "sys_ioctl"),
        ("spin ksys_read", "sys_read"),
        ("spin poll_work process_one_work worker_thread kthread", "poll_work"),
        ("spin on_timer call_timer_fn __run_timers", "on_timer"),
        ("spin server_thread kthread ret_from_fork", "server_thread"),
        ("dump_stack_lvl asm_sysvec_apic_timer_interrupt spin on_timer call_timer_fn", "on_timer"),
        ("mutex_lock spin", "spin"),
        ("spin ring_ioctl vfs_ioctl __x64_sys_ioctl", "ring_ioctl"),
        ("spin ring_read vfs_read ksys_read __x64_sys_read", "ring_read"),
        ("spin ip_rcv __netif_receive_skb_one_core process_backlog net_rx_action", "ip_rcv"),
        # A softirq at the end of an interrupt: that interrupt's entry comes after the work.
        (
            "dump_stack_lvl rcu_sched_clock_irq asm_sysvec_apic_timer_interrupt spin on_timer"
            " call_timer_fn __do_softirq irq_exit_rcu sysvec_apic_timer_interrupt"
            " asm_sysvec_apic_timer_interrupt default_idle do_idle",
            "on_timer",
        ),
    ],
)
def test_stall_is_named_after_where_its_work_began(frames: str, name: str) -> None:
    found = entry([Frame(symbol, 1) for symbol in frames.split()])
    assert found is not None
    assert found[1] == name


def test_leftovers_of_an_interrupt_do_not_hide_the_stack() -> None:
    stale = Frame("asm_sysvec_apic_timer_interrupt", 1, unreliable=True)
    frames = [Frame("pmd_val", 1, pc=True), Frame("unmap_vmas", 1), Frame("__x64_sys_exit", 1)]
    found = entry([*frames, stale, Frame("entry_SYSCALL_64_after_hwframe", 1)])
    assert found is not None
    assert found[1] == "sys_exit"


@pytest.mark.parametrize(("offset", "name"), [(0, "spin"), (7, "touch_watchdog")])
def test_the_caller_of_a_function_without_a_frame_yet_is_reliable(offset: int, name: str) -> None:
    called = Frame("touch_watchdog", offset, pc=True)
    caller = Frame("spin", 1, "mod", unreliable=True)
    found = entry([called, caller, Frame("kthread", 1), Frame("ret_from_fork", 1)])
    assert found is not None
    assert found[1] == name


def test_idle_cpu_is_not_guilty_of_a_stall() -> None:
    frames = [Frame("default_idle", 1, pc=True), Frame("do_idle", 1), Frame("start_secondary", 1)]
    assert entry(frames) is None


def test_stacks_of_a_dependency_chain_are_not_the_guilty_one() -> None:
    log = (
        "[ 1.000000] WARNING: possible circular locking dependency detected\n"
        "[ 1.000000] the lines that name the locks were lost\n"
        "[ 1.000000]        innocent+0x1/0x2\n"
        "[ 1.000000] stack backtrace:\n"
        "[ 1.000000] CPU: 0 PID: 12 Comm: x Not tainted 6.6.0 #1\n"
        "[ 1.000000] Call Trace:\n"
        "[ 1.000000]  __mutex_lock+0x1/0x2\n"
        "[ 1.000000]  guilty+0x1/0x2\n"
    )
    assert [report.title for report in parse(log)] == ["possible deadlock in guilty"]


@pytest.mark.parametrize(
    "name",
    ["__arch_copy_from_user", "__arch_clear_user", "__asm_copy_to_user", "__copy_user_nocache",
     "fallback_scalar_usercopy", "clear_user_highpage", "mmiocpy", "mmioset", "bcmp",
     "strncasecmp", "sized_strscpy", "strchrnul", "kstrndup", "vmemdup_user", "string",
     "widen_string", "pointer", "netdev_warn", "__dev_printk", "console_unlock", "_find_last_bit",
     "stack_depot_save_flags", "set_track_prepare", "osq_lock", "owner_on_cpu", "__down",
     "hlock_class", "vma_alloc_folio_noprof", "get_zeroed_page_noprof", "__alloc_percpu_gfp",
     "kzfree", "handle_page_fault", "do_el1_undef", "early_brk64", "__bad_stack",
     "handle_exception", "do_double_fault", "report_cfi_failure", "srso_alias_return_thunk",
     "perf_trace_lock_acquire", "__lock_text_start", "ftrace_regs_caller", "bitmap_set",
     "folio_lock_wait", "clear_page_erms"],
)  # fmt: skip
def test_helper_is_not_guilty(name: str) -> None:
    assert innermost([Frame(name, 1), Frame("caller", 1)]) == Frame("caller", 1)


@pytest.mark.parametrize(
    "name",
    ["strp_data_ready", "stream_open", "atomic_open", "get_user_pages", "die_badly",
     "copy_page_from_iter_atomic", "kfree_skb", "vfree", "rb_erase", "__flush_work",
     "string_get_size", "set_track_name", "__downgrade", "bad_stack_of_cards", "bitmap_ip_add",
     "bitmap_port_list", "folio_lock_anon_vma_read", "clear_page_dirty_for_io",
     "__lock_task_sighand", "ftrace_set_hash", "__list_lru_walk_one"],
)  # fmt: skip
def test_name_that_only_begins_like_a_helpers_is_guilty(name: str) -> None:
    assert innermost([Frame("memcpy", 1), Frame(name, 1), Frame("caller", 1)]) == Frame(name, 1)
