# SPDX-License-Identifier: MIT
"""Kernel functions that are never guilty themselves: they report, lock, copy, wait, allocate.

Each entry is a regular expression for the whole name. A title that names one of them would put
unrelated faults under one name and the same fault under several.
"""

from __future__ import annotations

import re
from functools import cache


def _names(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{word})" for text in patterns for word in text.split()))


_HELPERS = _names(
    # Reporting.
    r"_*dump_stack(_lvl|_set_arch_desc|_print_info)? show_stack(_\w+)? show_regs.* show_trace.*"
    r" _*show_trace.* (dump|unwind)_backtrace\w* stack_trace_\w+ save_stack\w*"
    r" print_(\w+_)?(addr|bug|context|dependenc|description|dump|fault|held|info|marker|metadata"
    r"|modules|page_map|pte|report|section|stack_trace|stall|track|trailer)\w* _*printk\w*"
    r" _printk vprintk\w* v?s?c?n?printf devkmsg_emit _*dump_page\w*"
    r" string(_nocheck)? (hex|widen|ip[46](_addr)?|ip6_compressed|ip_addr|mac_address|uuid|symbol"
    r"|resource|bitmap(_list)?|escaped|device_node|fwnode|flags|fourcc)_string(_sa)? pointer number"
    r" format_decode (file_)?dentry_name hex_dump_to_buffer console_(unlock|flush_all)"
    r" .*(report|dump)_bug_report.* \w*panic\w* make_task_dead oops_\w+ die"
    r" die_(addr|nmi|kernel_fault|with_backtrace) __die.* arm64_notify_die bug_handler"
    r" brk_handler call_break_hook early_brk64 do_debug_exception report_bug\w* _*report_bug"
    r" fixup_bug handle_bug _*warn\w* __warn_\w+ warn_slowpath\w* warn_alloc\w*"
    r" do_error_trap do_trap\w* do_invalid_op \w*exc_\w+ asm_\w+ invalid_op \w*_trap"
    r" page_fault\w* (do_)?async_page_fault _*do_page_fault handle_page_fault do_user_addr_fault"
    r" do_kern_addr_fault spurious_kernel_fault bad_area\w*"
    r" __bad_area\w* no_context page_fault_oops kernelmode_fixup_or_oops\w* exc_page_fault"
    r" search_exception\w* __do_kernel_fault do_translation_fault do_tag_\w+ do_sea do_bad"
    r" do_mem_abort do_bad_area"
    r" do_alignment_fault do_serror el[01]\w* do_(el\d_)?undef(instr)?"
    r" do_sp_pc_abort (handle_|__)?bad_stack arm64_force_sig_fault handle_(exception|break)"
    r" (do_)?(general_protection|double_fault|int3) error_entry ret_from_exception"
    r" program_check_\w+ machine_check\w* do_kernel_\w*fault do_DataAbort"
    r" rust_helper_BUG (_R\w*)?rust_begin_unwind _R\w*4core9panicking\w*"
    r" _R\w*4core6(option|result)\d+(unwrap|expect)_failed\w*"
    r" __invalid_\w+ _*sanitizer\w* entry_SYSCALL_64\w* refcount_error_report"
    r" (btrfs_)?assertfail assfail add_uevent_var",
    # Sanitizers and other debugging aids.
    r"_*kasan\w* .*_kasan_.* _*asan_\w+ __hwasan_\w+ _*kmsan\w* __msan_\w+ _*kcsan\w* __tsan_\w+"
    r" kfence\w* _*ubsan\w* __ubsan_\w+ check_memory_region\w* memory_is_\w+ end_report"
    r" address_is_\w+ _*mte_check\w* check_region_inline check_slab_allocation"
    r" debug_(object|print_object|obj)\w* _*debug_(object|check)\w* lookup_object_or_alloc"
    r" (timer|work)_is_static_object debug_objects\w* debug_timer\w* debug_(de)?activate"
    r" debug_assert_init debug_work\w* debug_rcu\w* debug_hrtimer\w* debug_lockdep\w*"
    r" debug_locks_off debug_mutex\w* object_err slab_err slab_fix slab_pad_check slab_bug"
    r" check_poison\w* check_bytes\w* check_object check_slab alloc_debug_processing"
    r" free_debug_processing on_freelist init_object set_freepointer get_freepointer"
    r" free_consistency_checks alloc_consistency_checks free_to_partial_list"
    r" validate_slab\w* kmemleak\w* create_object\w* __create_object\w* instrument_\w+"
    r" _*skip_kmemleak\w* memcpy_orig stack_depot_\w+ set_track(_prepare|_update)?"
    r" page_ext_get page_owner\w* _*set_page_owner __reset_page_owner"
    r" refcount\w* __refcount\w* refcount_warn_saturate kref_(get|put)\w*"
    r" __list_(add|del|splice)\w*"
    r" list_(add|del|move|splice|replace|empty|rotate|cut|swap)\w* _*hlist_(add|del|bl|null)\w*"
    r" __sanitizer_cov\w* __fentry__ ftrace_(regs_)?(call|stub)\w* ftrace_graph_call\w*"
    r" ftrace_(trampoline|bug|ops_(assist|list)_func) __fortify\w* fortify\w*"
    r" _*usercopy\w* check_(heap_object|page_span|object_size|copy_size|stack_object)"
    r" ref_tracker_\w+ __check_(heap_object|object_size) __stack_chk_fail skb_(over_|under_)?panic"
    r" skb_(put|push) bad_page\w*"
    r" __cfi_\w+ __pfx_\w+ __x86_(indirect|return)\w* srso_\w+ retbleed_\w+"
    r" perf_trace_\w+ trace_event_raw_event_\w+ __traceiter_\w+ __pi_\w+ __efi_\w+"
    r" cfi_(slowpath|check|fail)\w* (report|handle)_cfi_failure",
    # Lockdep, locks, sleeping.
    r"lockdep\w* _*lock_(acquire|release|acquired|contended|is_held|downgrade|set_class)\w*"
    r" _*lock_(un|re)?pin_lock __lock_text_\w+ validate_chain"
    r" check_\w*(prev|noncircular|deadlock|irq|usage|chain|wait_context)\w*"
    r" mark_(lock|usage|held_locks)\w* valid_state register_lock_class look_up_lock_class"
    r" assign_lock_key hlock_(class|id) reacquire_held_locks find_held_lock"
    r" __bfs check_path save_trace trace_(hard|soft"
    r")irqs\w* match_held_lock is_valid_lock \w*check_and_add\w* add_chain_\w+ add_lock_to_list"
    r" _*raw_(spin|read|write)_\w+ do_raw_(spin|read|write)_\w+ spin_(lock|unlock|bug|dump"
    r"|trylock)\w* rt_(spin|read|write|mutex)\w* _*rt_mutex\w* rtlock\w* (read|write)_(lock"
    r"|unlock)\w* _*rwbase\w* rwlock_bug bit_spin_\w+ osq_(un)?lock owner_on_cpu"
    r" queued_\w+ native_queued\w+ __pv_queued\w* pv_\w+"
    r" (down|up)(_read|_write|_trylock|_interruptible|_killable|_timeout)\w* down up"
    r" _*down _*(down|up)_(common|read|write)\w* rwsem_\w+ downgrade_write percpu_(down|up)\w*"
    r" __percpu_(down|up)\w* _*mutex_\w+ _*ww_mutex\w* _*might_(sleep|resched|fault)\w*"
    r" ___might_sleep __cant_sleep __cant_migrate __might_fault local_bh_\w+"
    r" __local_bh_\w+ _*rcu_(read|note|dynticks|lockdep|preempt|irq|eqs)\w* rcu_is_watching"
    r" preempt_\w+ __preempt\w* _*schedule(?!_tail)\w* io_schedule\w* _*context_switch"
    r" __schedule_bug __switch_to\w* _*cond_resched\w*"
    r" dynamic_cond_resched dequeue_task\w*"
    r" _*wait_(for|on)_(common|completion|bit)\w* _*wait_for_common _*wait_on_bit\w*"
    r" out_of_line_wait\w* do_wait_for_common bit_wait\w* _*wait_rcu_gp _*synchronize_(rcu|sched"
    r"|srcu)\w* msleep\w* ssleep usleep\w* schedule_timeout\w*"
    r" do_nanosleep freezer\w* try_to_freeze\w* __refrigerator folio_(lock(?!_anon)|wait)\w*"
    r" __folio_lock\w* folio_wait_bit\w* wait_on_page_bit\w* __lock_page\w* lock_page\w*"
    r" _*wait_event\w* check_preemption_disabled debug_smp_processor_id __this_cpu_preempt_check",
    # Strings, copies, numbers, bits.
    r"_*mem(cpy|cmp|set|move|chr|scan|dup)\w* mmio(cpy|set) bcmp"
    r" (sized_)?_*str(n|l|s|r|c|case|ncase|nc|nd)?(cpy|cat|cmp|len|chr|chrnul|str|spn|dup|sep"
    r"|pbrk|im|replace)(_\w+)? kstrn?dup\w* k?vmemdup\w*"
    r" _*(arch_|asm_)?copy_(to|from|in)_(user|kernel)\w* __copy_user\w* fallback_scalar_usercopy"
    r" _*raw_copy\w* copy_(user|mc)\w* copy_page(_regs|_erms|_rep)? rep_(movs|stos)\w*"
    r" _*(arch_)?(get|put|clear)_user(_(nocheck|nofault|asm|highpage|[1248])\w*)?"
    r" clear_page(?!_dirty)\w* kv?asprintf kvasprintf _*bitmap_(?!ip|port)\w+"
    r" _*(set|clear|change|test)_bit\w* test_and_\w+_bit\w*"
    r" (arch_|raw_)?atomic(64|_long)?_(read|set|inc|dec|add|sub|and|or|xor|x?chg|cmpxchg|fetch"
    r"|try)\w*"
    r" _atomic_dec_and_(raw_)?lock\w*"
    r" __read_once\w* __write_once\w* read_word_at_a_time _*find_(next|first|last)_\w*bit\w*"
    r" (dev|netdev)_(info|notice|warn|err|alert|crit|emerg|v?printk\w*) _dev_\w+ _*netdev_printk"
    r" __dev_printk csum_partial\w*"
    r" _*crc(7|8|16|32c?|64)(_(le|be|arch|base|nvme)\w*)? _*crc_(ccitt|itu_t|t10dif)\w*"
    r" io(read|write)(8|16|32|64)\w* _*(raw_)?(read|write)s?[bwlq](_relaxed)?"
    r" _*(logic_)?(in|out)s?[bwl](_p)?"
    r" csd_lock_\w+ smp_call_function\w* on_each_cpu\w* delay_\w+ __delay"
    r" __const_udelay __udelay __ndelay ndelay udelay",
    # Allocation.
    r"_*(k|v|kv)(m|z|c|re)?alloc(_\w+)? _*kmem_cache_\w+"
    r" kz?free(_sensitive|_const|_bulk|_rcu\w*)? kvfree\w*"
    r" __kfree __k[zv]free\w* _*slab_\w+ ___slab_alloc __slab_\w+ slab_\w+ do_slab_free new_slab"
    r" allocate_slab alloc_slab_page cache_(alloc|free|grow)\w* ____cache\w* _*cache_free\w*"
    r" memdup_user _*refill_(objects|sheaf)\w* __pcs_replace_\w+"
    r" _*alloc_(page|pages|folio|frozen)\w* _*folio_alloc\w*"
    r" (vma|filemap)_alloc_folio\w* _*get_free_pages\w* get_zeroed_page\w*"
    r" _*free_(page|pages|unref|frozen|pcppages|one_page|large_kmalloc|page_is_bad|tail)\w*"
    r" get_page_from_freelist prep_new_page post_alloc_hook rmqueue\w* __rmqueue\w* kmalloc_\w+"
    r" bulk_alloc\w* _*vmalloc\w* _*vmap_(small_)?pages?\w* should_fail\w* fail_dump"
    r" \w*failslab\w* kasprintf kmemdup\w* _*do_k[mz]alloc\w* kmalloc_trace qlist_free\w*"
    r" qlink_free out_of_memory oom_kill_process dump_header __devm_\w*alloc devm_k[mz]alloc"
    r" _*alloc_percpu\w* pcpu_alloc\w* _*alloc_slowpath\w* alloc_workqueue_fmt",
)

# What takes or releases a lock for whoever calls it; lockdep names that caller as the place.
_LOCK_PRIMITIVES = _names(
    r"_*raw_(spin|read|write)_\w+ do_raw_\w+ spin_\w+ (read|write)_(un|try)?lock\w* rt_(spin|read"
    r"|write|mutex)\w* rtlock\w* _*mutex_(un|try)?lock\w* _*ww_mutex\w*"
    r" lock_(acquire|release)\w* __lock_acquire"
)

# Interrupt entry, the tick, and the code that notices and reports a stall.
_MACHINERY = _names(
    r"_*dump_stack(_lvl)? show_(stack|regs)\w* nmi_(cpu|trigger|handle|raise)\w* \w*backtrace\w*"
    r" sched_show_task dump_cpu_task rcu_dump_cpu_stacks print_(cpu|other)\w* check_cpu_stall\w*"
    r" rcu_pending rcu_sched_clock_irq\w* rcu_check\w* rcu_iw_handler update_process_times"
    r" tick_(sched|periodic|nohz)\w* __hrtimer_run_queues hrtimer_interrupt _*hrtimer_run\w*"
    r" local_apic_timer\w* __sysvec\w* sysvec_\w+ asm_sysvec\w* asm_call\w* __run_on_irqstack"
    r" run_(sysvec|irq|softirq)_on_irqstack\w* (smp_)?apic_timer_interrupt watchdog_\w+"
    r" __common_interrupt common_interrupt asm_common_interrupt handle_edge_irq handle_irq\w*"
    r" default_do_nmi exc_nmi end_repeat_nmi asm_exc_nmi do_nmi nmi ret_from_intr"
    r" call_on_irq_stack do_interrupt_handler el[01]h?_\w*irq\w* gic_handle_irq\w* arch_timer_\w+"
    r" handle_percpu_devid_irq generic_handle_\w+ __handle_domain_irq timer_interrupt"
    r" perf_event_\w*overflow\w* intel_pmu_handle_irq x86_pmu_handle_irq perf_event_nmi_handler"
    r" is_hardlockup rcu_exp_\w+ synchronize_rcu_expedited_wait\w* trigger_\w+"
    r" arch_trigger\w* __flush_smp_call\w* generic_smp_call\w* __sysvec_call\w*"
    r" panic check_panic\w*"
)

_IDLE = _names(
    r"default_idle\w* native_safe_halt pv_native_safe_halt mwait_idle\w* acpi_\w*idle\w*"
    r" arch_cpu_idle cpu_idle\w* cpuidle\w* do_idle intel_idle\w* cpu_do_idle native_halt halt"
    r" poll_idle io_idle arch_safe_halt arch_local_irq_enable"
)


@cache
def is_helper(function: str) -> bool:
    """Whether a title should name this function's caller instead."""
    return bool(_HELPERS.fullmatch(function))


@cache
def is_lock_primitive(function: str) -> bool:
    """Whether this function is a lock's own, and not a place where one is taken."""
    return bool(_LOCK_PRIMITIVES.fullmatch(function))


@cache
def is_machinery(function: str) -> bool:
    """Whether this function belongs to the interrupt or NMI that noticed a stall."""
    return bool(_MACHINERY.fullmatch(function))


@cache
def is_idle(function: str) -> bool:
    return bool(_IDLE.fullmatch(function))
