# SPDX-License-Identifier: MIT
"""The log parser on a live console: death, pending reports, boots, fields of a report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from vmtest.klog import (
    DeathReason,
    Kind,
    LogParser,
    Report,
    distinct,
    lost_connection,
    no_output,
    parse,
)

FIXTURES = Path(__file__).parent / "fixtures" / "klog"


def fixture(name: str) -> str:
    return (FIXTURES / f"{name}.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[   12.000000] Kernel panic - not syncing: Fatal exception", DeathReason.PANIC),
        ("<0>[   12.000000][ T1] Kernel panic - not syncing: x", DeathReason.PANIC),
        ("Kernel panic - not syncing: no stamps", DeathReason.PANIC),
        ("root@guest:~# ls[   12.000000] Kernel panic - not syncing: x", DeathReason.PANIC),
        ("[   12.000000] ---[ end Kernel panic - not syncing: x ]---", DeathReason.PANIC),
        ("[   12.000000] Rebooting in 1 seconds..", DeathReason.REBOOT),
        ("[   12.000000] reboot: Restarting system", DeathReason.REBOOT),
        ("[   12.000000] sysrq: Resetting", DeathReason.REBOOT),
        ("[   12.000000] kexec_core: Starting new kernel", DeathReason.REBOOT),
        ("[   12.000000] Starting crashdump kernel...", DeathReason.REBOOT),
        ("[   12.000000] reboot: Power down", DeathReason.POWER_OFF),
        ("[   12.000000] reboot: System halted", DeathReason.HALT),
        (" -- System halted", DeathReason.HALT),
    ],
)
def test_death_is_known_before_its_line_is_complete(line: str, reason: DeathReason) -> None:
    parser = LogParser()
    parser.feed("[    1.000000] virtio_blk: fine\n")
    parser.feed(line)
    assert parser.death is not None
    assert parser.death.reason is reason
    assert parser.death.number == 2


@pytest.mark.parametrize(
    "line",
    [
        "echo Kernel panic - not syncing",
        "[    0.000000] Kernel command line: panic=-1 oops=panic",
        "[    0.000000] kernel.panic = 0",
        "Rebooting is not needed",
    ],
)
def test_harmless_line_is_no_death(line: str) -> None:
    parser = LogParser()
    parser.feed(line + "\n")
    assert parser.death is None


def test_first_death_stays() -> None:
    parser = LogParser()
    parser.feed("[ 1.000000] Kernel panic - not syncing: x\n[ 2.000000] Rebooting in 1 seconds..\n")
    assert parser.death is not None
    assert parser.death.reason is DeathReason.PANIC


def test_open_report_is_pending_until_flushed() -> None:
    parser = LogParser()
    log = fixture("kasan-uaf-6.6-callers")
    early = parser.feed(log[: len(log) // 2])
    assert early == []
    assert parser.pending
    [report] = parser.flush()
    assert report.title == "KASAN: slab-use-after-free Read in zosbd2_fetch"
    assert not parser.pending
    assert parser.finish() == []


def test_report_is_returned_once_something_else_follows() -> None:
    parser = LogParser()
    lines = fixture("warn-6.18-format").split("\n")[1:]
    after = [f"[   16.{n:06}] usb 1-1: new device" for n in range(20)]
    reports = parser.feed("\n".join([*lines, *after]) + "\n")
    assert [report.title for report in reports] == ["WARNING in zosbd2_check"]
    assert reports[0].lines[-1].endswith("---[ end trace 0000000000000000 ]---")


def test_report_of_a_silent_context_ends_by_age() -> None:
    parser = LogParser()
    log = fixture("warn-panic-on-warn").split("not syncing")[0].rsplit("\n", 1)[0] + "\n"
    reports = parser.feed(log)
    reports += parser.feed("".join(f"[ 16.{n:06}][   T9] fine\n" for n in range(700)))
    assert [report.title for report in reports] == ["WARNING in zosbd2_check"]


def test_report_names_its_function_module_and_time() -> None:
    [report] = parse(fixture("kasan-uaf-6.6-callers"))
    assert report.function == "zosbd2_fetch"
    assert report.module == "zosbd2"
    assert report.time == pytest.approx(84.112233)
    assert not report.truncated
    assert "Read of size 8" in report.text


def test_lost_messages_make_a_report_truncated() -> None:
    [report] = parse(fixture("printk-loss"))
    assert report.truncated


@pytest.mark.parametrize("prompt", ["root@guest:~# ", "guest login: ", "~ # ", "[root@guest ~]# "])
def test_headline_behind_a_prompt_is_seen(prompt: str) -> None:
    [report] = parse(f"{prompt}kernel BUG at fs/block.c:33!\nRIP: 0010:split_block+0x1ad/0x1f0\n")
    assert report.title == "kernel BUG in split_block"


@pytest.mark.parametrize("headline", ["kernel BUG at fs/block.c:33!", "Kernel panic - not syncing"])
def test_indented_headline_alone_is_no_report(headline: str) -> None:
    assert parse(f"The script looks for:\n    {headline}\n    BUG: KASAN: in the log\n") == []


def test_header_alone_makes_a_report_truncated() -> None:
    [report] = parse("[ 1.000000] BUG: kernel NULL pointer dereference, address: 00000008\n")
    assert report.title == "BUG: unable to handle kernel NULL pointer dereference"
    assert report.truncated


def test_harmless_log_gives_nothing() -> None:
    assert parse(fixture("harmless")) == []


def test_words_of_programs_are_no_report() -> None:
    assert parse((FIXTURES / "programs.txt").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "prefix",
    [
        "[   91.112233] guest kernel: ",  # journalctl -o short-monotonic
        "[   91.112233] <4>",
        "[   91.112233] [   T12] ",
        "<4>[   91.112233][   T12] ",
        "Nov 25 01:02:03 guest kern.warn kernel: [   91.112233] ",  # busybox
        "Nov 25 01:02:03 guest kernel: [   91.112233] ",
        "2026-11-25T01:02:03.123456+01:00 guest kernel: ",
        "[Wed Nov 25 01:02:03 2026] ",
        "[Mi Nov 25 01:02:03 2026] ",  # dmesg -T, in German
        "[Wed Nov 25 01:02:03 2026 <    0.000012>] ",  # dmesg -dT
        "[Nov25 01:02] ",  # dmesg -e
        "[Nov 5 01:02] ",
        "[  +0.000012] ",
        "2026-11-25T01:02:03,112233+0100 ",  # dmesg --time-format iso
        "Nov 25 01:02:03 kernel: ",  # journalctl --no-hostname
        "Wed 2026-11-25 01:02:03 CET guest kernel: ",  # journalctl -o short-full
        "1764032523.123456 guest kernel: ",  # journalctl -o short-unix
        "Nov 25 01:02:03 guest kern.warn kernel: ",  # busybox, without printk's stamp
        "Wed Nov 25 01:02:03 2026 kern.warn kernel: ",  # logread
        "<4>1 2026-11-25T01:02:03.123456+01:00 guest kernel - - - ",  # RFC 5424
        "kernel: ",  # what people leave of it
        "4,1423,91112233,-,caller=T12;",
        "6.12.0-rc1+,4,1423,91112233,-,caller=T12,cpu=1;",  # netconsole
        "executing program[   91.112233][   T12] ",
        "[   91.112233] c0   2011 ",
        "[   91.112233] (2)[123:kworker/2:1]",
        "<4>[   91.112233]  (2)[123:kworker/2:1]",
        "[   91.112233] -(2)[123:kworker/2:1]",
        "<4>[   91.112233]  [2:    kworker/2:1:  123] ",
        "<4>[   91.112233] I[2:    kworker/2:1:  123] ",
        "root@guest:~# [   91.112233] ",
        "    [   91.112233] ",
        "\t<4>[   91.112233] ",
        "  Nov 25 01:02:03 guest kernel: ",
        "[32m[   91.112233] [0m[1;31m",
        "^[[32m[   91.112233] ^[[0m",
        "\xa0\xa0[\xa0\xa0\xa091.112233]\xa0",
    ],
)
def test_prefixes_are_taken_off(prefix: str) -> None:
    log = "".join(
        f"{prefix}{line}\n"
        for line in [
            "------------[ cut here ]------------",
            "WARNING: CPU: 0 PID: 12 at drivers/slot.c:33 free_slot+0x1ad/0x1f0",
            "RIP: 0010:free_slot+0x1ad/0x1f0",
            "---[ end trace 0000000000000000 ]---",
        ]
    )
    [report] = parse(log)
    assert report.title == "WARNING in free_slot"
    assert len(report.lines) == 4


def test_tag_of_logcat_is_part_of_the_message() -> None:
    log = (
        "11-25 01:02:03.112     0     0 W         : ------------[ cut here ]------------\n"
        "11-25 01:02:03.112     0     0 W WARNING : CPU: 0 PID: 12 at slot.c:33 free_slot+0x1/0x2\n"
        "11-25 01:02:03.112   701   733 W WARNING : CPU: 0 PID: 12 at slot.c:33 of_app+0x1/0x2\n"
        "11-25 01:02:03.113  root     0     0 E BUG     : Bad rss-counter state mm:1 type:0 val:1\n"
    )
    assert [report.title for report in parse(log)] == [
        "WARNING in free_slot",
        "BUG: Bad rss-counter state",
    ]


def test_program_with_the_kernels_prefix_is_no_report() -> None:
    assert parse("[   91.112300] guest systemd[1]: BUG: of a program\n") == []
    assert parse("Nov 25 01:02:03 guest user.info program: BUG: of it\n") == []


def test_log_printed_again_by_a_second_console_is_no_reboot() -> None:
    boot = "[    0.000000] Linux version 6.12.0\n[    0.500000] printk: console enabled\n"
    assert parse(boot + boot + "[    9.000000] fine\n") == []


def test_version_shown_to_a_user_is_no_reboot() -> None:
    assert parse("[   20.000000] fine\nLinux version 6.12.0 (gcc 14)\n[   21.000000] fine\n") == []


@pytest.mark.parametrize(
    ("before", "stamp"),
    [
        ("root@guest:~# dmesg | head\n", "[    0.000000] "),
        ("+ dmesg\n\n", "[    0.000000] "),
        ("", "<5>[    0.000000] "),
        ("", "kern  :notice: [    0.000000] "),
        ("", "[Wed Nov 25 01:02:03 2026] "),
        ("", "[    0.000000][    T0] "),
    ],
)
def test_log_shown_by_a_program_is_no_reboot(before: str, stamp: str) -> None:
    boot = "[    0.000000] Linux version 6.12.0\n[   20.000000] fine\n"
    log = f"{stamp}Booting Linux on physical CPU 0x0\n{stamp}Linux version 6.12.0\n"
    assert parse(boot + before + log + "[   21.000000] fine\n") == []


def test_first_lines_of_a_kernel_without_stamps_are_one_boot() -> None:
    boot = "Booting Linux on physical CPU 0x0\nLinux version 6.12.0\nMachine model: x\n"
    assert parse(boot) == []
    assert [report.kind for report in parse(boot + boot)] == [Kind.REBOOT]


def test_decompressor_after_a_reset_begins_a_boot() -> None:
    log = "[   20.000000] fine\nDecompressing Linux... Parsing ELF... done.\nBooting the kernel.\n"
    assert [report.kind for report in parse(log)] == [Kind.REBOOT]


def test_firmware_before_the_first_kernel_is_no_reboot() -> None:
    log = "SeaBIOS (version 1.16.2)\nBooting from ROM..\n[    0.000000] Linux version 6.12.0\n"
    assert parse(log) == []
    assert parse(log.replace("[    0.000000] ", "")) == []


def test_reboot_after_a_panic_is_the_panics_doing() -> None:
    log = "[   20.000000] Kernel panic - not syncing: x\n[    0.000000] Linux version 6.12.0\n"
    assert [report.title for report in parse(log)] == ["kernel panic: x"]


def test_reboot_that_was_ordered_is_no_report() -> None:
    order = "[   20.000000] kexec_core: Starting new kernel\n"
    assert parse(order + "[    0.000000] Linux version 6.12.0\n") == []


@pytest.mark.parametrize("stamp", ["", "[    0.000000] "])
def test_next_boot_in_a_file_of_syslog_is_no_report(stamp: str) -> None:
    boot = f"Nov 25 01:02:03 guest kernel: {stamp}Linux version 6.12.0\n"
    last = "Nov 25 01:02:04 guest kernel: [   20.000000] fine\n" if stamp else ""
    assert parse(boot + last + boot) == []


@pytest.mark.parametrize("first", ["SeaBIOS (version 1.16.2)\n", ""])
def test_boot_behind_a_fault_is_the_faults_doing(first: str) -> None:
    boot = first + "[    0.000000] Linux version 6.12.0\n"
    [report] = parse(fixture("real-6.12-oops") + boot)
    assert report.fatal
    after = "".join(f"[  500.{n:06}] usb 1-1: new device\n" for n in range(40))
    assert len(parse(fixture("real-6.12-oops") + after + boot)) == 2


def test_boot_after_a_reset_is_one_report() -> None:
    log = "[   20.000000] fine\nSeaBIOS (version 1.16.2)\n[    0.000000] Linux version 6.12.0\n"
    assert [report.kind for report in parse(log)] == [Kind.REBOOT]


def test_panic_long_after_a_report_of_another_context_is_its_own() -> None:
    stall = "[ 1.000000][   C0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [x:1]\n"
    panic = "[ 2.000000][   T9] Kernel panic - not syncing: Fatal exception\n"
    quiet = "".join(f"[ 1.{n:06}][   T8] fine\n" for n in range(40))
    assert [report.fatal for report in parse(stall + panic)] == [True]
    assert [report.fatal for report in parse(stall + quiet + panic)] == [False, True]


def test_stack_of_the_panic_is_not_the_stack_of_the_report() -> None:
    log = (
        "[ 1.000000] BUG: KASAN: use-after-free in memcpy+0x1/0x2\n"
        "[ 1.000000] Read of size 8 at addr ffff8880123450a8 by task a/1\n"
        "[ 1.000000] Call Trace:\n[ 1.000000]  kasan_report+0x1/0x2\n[ 1.000000]  memcpy+0x1/0x2\n"
        "[ 1.000000] Kernel panic - not syncing: KASAN: panic_on_warn set ...\n"
        "[ 1.000000] Call Trace:\n[ 1.000000]  panic+0x1/0x2\n[ 1.000000]  innocent+0x1/0x2\n"
    )
    assert [report.title for report in parse(log)] == ["KASAN: use-after-free Read in memcpy"]


UNLOADED = (
    "[ 1.000000] BUG: unable to handle page fault for address: ffffffffc05b37a8\n"
    "[ 1.000000] #PF: error_code(0x0002) - not-present page\n"
    "[ 1.000000] Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI\n"
    "[ 1.000000] CPU: 0 UID: 0 PID: 19 Comm: rcu_preempt\n"
    "[ 1.000000] RIP: 0010:enqueue_timer+0x24/0x100\n"
    "[ 1.000000] Modules linked in: ext4 [last unloaded: vmtest_faulty(OE)]\n"
)


def test_fault_on_data_of_an_unloaded_module_names_the_module() -> None:
    [report] = parse(UNLOADED)
    assert report.kind is Kind.USE_AFTER_UNLOAD
    assert report.title == "BUG: use after unload of vmtest_faulty in enqueue_timer"
    assert report.module == "vmtest_faulty"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("not-present page", "permissions violation"),
        ("ffffffffc05b37a8", "ffff888005b37a8f"),
        (" [last unloaded: vmtest_faulty(OE)]", ""),
    ],
)
def test_other_faults_are_not_blamed_on_an_unloaded_module(old: str, new: str) -> None:
    [report] = parse(UNLOADED.replace(old, new))
    assert report.kind is Kind.OOPS


def test_ruler_of_the_next_report_is_not_the_end_of_a_stall() -> None:
    stall = "[ 1.000000] INFO: task x:12 blocked for more than 5 seconds.\n[ 1.000000]  f+0x1/0x2\n"
    ruler = f"[ 2.000000] {'=' * 66}\n"
    first, second = parse(stall + ruler + "[ 2.000000] BUG: KFENCE: invalid free in g+0x1/0x2\n")
    assert (first.end, second.start) == (2, 3)


_LOCKUP = """\
[ 9.000000][    C0] watchdog: Watchdog detected hard LOCKUP on cpu 1
[ 9.000001][    C0] Sending NMI from CPU 0 to CPUs 1:
[ 9.000002][    C1] NMI backtrace for cpu 1
[ 9.000003][    C1] CPU: 1 UID: 0 PID: 122 Comm: x
[ 9.000004][    C1] RIP: 0010:stuck+0x36/0xa0
[ 9.000005][    C1] Call Trace:
[ 9.000006][    C1]  caller+0x3c/0x40
"""

_RACE = f"""\
[ 5.000000][    C1] {"=" * 66}
[ 5.000001][    C1] BUG: KCSAN: data-race in f / g
[ 5.000002][    C1] read to 0xffff88800324b1b4 of 1 bytes by interrupt on cpu 1:
[ 5.000003][    C1]  f+0x3c/0x40
[ 5.000004][    C1] {"=" * 66}
"""

_SOFT_LOCKUP = """\
[ 5.000000][    C1] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [y:12]
[ 5.000001][    C1] CPU: 1 PID: 12 Comm: y
[ 5.000002][    C1] RIP: 0010:busy+0x3c/0x40
"""


@pytest.mark.parametrize(
    ("before", "title"),
    [
        (_RACE, "KCSAN: data-race in f / g"),
        (_SOFT_LOCKUP + "[ 6.000000][   T99] all is well\n" * 20, "BUG: soft lockup in busy"),
    ],
    ids=["race", "stall"],
)
def test_a_cpu_that_had_a_report_shows_its_stack_for_the_stall_of_now(
    before: str, title: str
) -> None:
    first, second = parse(before + _LOCKUP)
    assert (first.title, second.title) == (title, "BUG: hard lockup in stuck")
    assert len(first.lines) == len([x for x in before.splitlines() if "C1]" in x])
    assert len(second.lines) == 7


def test_a_cpu_that_shows_its_stack_for_its_own_stall_keeps_it() -> None:
    """Although another CPU has begun to report one meanwhile."""
    log = """\
[ 9.000000][    C1] rcu: INFO: rcu_preempt self-detected stall on CPU
[ 9.000001][    C0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [y:12]
[ 9.000002][    C1] NMI backtrace for cpu 1
[ 9.000003][    C1] RIP: 0010:stuck+0x36/0xa0
[ 9.000004][    C0] RIP: 0010:busy+0x3c/0x40
"""
    stall, lockup = parse(log)
    assert stall.title == "INFO: rcu detected stall in stuck"
    assert lockup.title == "BUG: soft lockup in busy"


def test_a_stack_behind_a_newer_report_is_not_that_of_an_older_stall() -> None:
    stack = "[ 6.000000][    C2] NMI backtrace for cpu 2\n"
    lockup, race = parse(_SOFT_LOCKUP + _RACE.replace("C1]", "C2]") + stack)
    assert len(lockup.lines) == 3
    assert race.title == "KCSAN: data-race in f / g"


def test_titles_are_free_of_addresses_and_numbers() -> None:
    [report] = parse(
        "[ 1.000000] Kernel panic - not syncing: bad 0xffff888012345678 of task 4711\n"
    )
    assert report.title == "kernel panic: bad ADDR of task NUM"


def test_memory_that_runs_out_is_no_report() -> None:
    assert parse(fixture("oom-killer")) == []
    assert parse(fixture("page-allocation-failure")) == []


def test_distinct_keeps_the_first_of_each_title() -> None:
    [first] = parse(fixture("kmemleak-count"))
    again = dataclasses.replace(first, start=9, end=9)
    assert distinct([first, again]) == [first]


def test_reports_about_silent_guests() -> None:
    lost = lost_connection(["a", "b"], line=10)
    assert (lost.kind, lost.start, lost.end, lost.fatal) == (Kind.LOST_CONNECTION, 9, 10, True)
    silent = no_output(30, ["a"], line=10)
    assert silent.kind is Kind.HANG
    assert silent.lines[-1] == "(nothing on the console for 30 s)"


def test_report_is_a_value() -> None:
    [report] = parse(fixture("kmemleak-count"))
    assert isinstance(report, Report)
    assert hash(report) == hash(dataclasses.replace(report))
