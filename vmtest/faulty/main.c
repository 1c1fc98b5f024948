// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmtest_faulty: faults on demand, for the negative controls of a test harness.
 *
 * Each word written to /sys/kernel/debug/vmtest_faulty/trigger makes the kernel misbehave in one
 * way, so that a harness can prove that it notices. Only for throwaway VMs.
 *
 * word              seen by
 * ----------------  -------------------------------------------------------------------------
 * oops              every kernel (write through a NULL pointer)
 * paging            every kernel (read of an unmapped kernel address)
 * null-call         every kernel (call through a NULL pointer)
 * gpf               every kernel on x86-64 (read of a non-canonical address)
 * divide            every kernel on x86-64 (division by zero)
 * bug               CONFIG_BUG
 * warn              CONFIG_BUG
 * panic             every kernel
 * stack-overflow    CONFIG_VMAP_STACK
 * stack-smash       CONFIG_STACKPROTECTOR
 * use-after-unload  every kernel, after rmmod (a timer is left running)
 * use-after-free    CONFIG_KASAN; CONFIG_KFENCE with a short kfence.sample_interval
 * oob               CONFIG_KASAN; CONFIG_KFENCE as above
 * double-free       CONFIG_KASAN; CONFIG_KFENCE as above; before 6.18 (sheaves) also
 *                   CONFIG_SLAB_FREELIST_HARDENED
 * leak              CONFIG_DEBUG_KMEMLEAK, after two scans
 * list-corruption   CONFIG_DEBUG_LIST, CONFIG_LIST_HARDENED
 * refcount          every kernel
 * bad-page          CONFIG_DEBUG_VM; from 6.3 on also init_on_alloc=1
 * odebug            CONFIG_DEBUG_OBJECTS_FREE with CONFIG_DEBUG_OBJECTS_TIMERS
 * ubsan             CONFIG_UBSAN_SHIFT
 * data-race         CONFIG_KCSAN
 * sleep-atomic      CONFIG_DEBUG_ATOMIC_SLEEP
 * schedule-atomic   CONFIG_PREEMPT_COUNT
 * rcu-usage         CONFIG_PROVE_RCU
 * deadlock-abba     CONFIG_PROVE_LOCKING at once, CONFIG_DETECT_HUNG_TASK later
 * recursive-lock    CONFIG_PROVE_LOCKING at once, CONFIG_DETECT_HUNG_TASK later
 * irq-lock          CONFIG_PROVE_LOCKING (a lock taken with and without interrupts)
 * bad-unlock        CONFIG_PROVE_LOCKING
 * hang-task         CONFIG_DETECT_HUNG_TASK
 * soft-lockup       CONFIG_SOFTLOCKUP_DETECTOR
 * rcu-stall         CONFIG_RCU_STALL_COMMON
 * hard-lockup       CONFIG_HARDLOCKUP_DETECTOR and a PMU (or the buddy detector)
 * release           ends hang-task, soft-lockup, rcu-stall, hard-lockup
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "faulty.h"

static struct dentry *directory;

static const struct {
	const char *word;
	void (*function)(void);
} faults[] = {
	{ "oops", faulty_oops },
	{ "paging", faulty_paging },
	{ "null-call", faulty_null_call },
	{ "gpf", faulty_gpf },
	{ "divide", faulty_divide },
	{ "bug", faulty_bug },
	{ "warn", faulty_warn },
	{ "panic", faulty_panic },
	{ "stack-overflow", faulty_stack_overflow },
	{ "stack-smash", faulty_stack_smash },
	{ "use-after-unload", faulty_use_after_unload },
	{ "use-after-free", faulty_use_after_free },
	{ "oob", faulty_oob },
	{ "double-free", faulty_double_free },
	{ "leak", faulty_leak },
	{ "list-corruption", faulty_list_corruption },
	{ "refcount", faulty_refcount },
	{ "bad-page", faulty_bad_page },
	{ "odebug", faulty_odebug },
	{ "ubsan", faulty_ubsan },
	{ "data-race", faulty_data_race },
	{ "sleep-atomic", faulty_sleep_atomic },
	{ "schedule-atomic", faulty_schedule_atomic },
	{ "rcu-usage", faulty_unlocked_deref },
	{ "deadlock-abba", faulty_deadlock_abba },
	{ "recursive-lock", faulty_recursive_lock },
	{ "irq-lock", faulty_irq_lock },
	{ "bad-unlock", faulty_bad_unlock },
	{ "hang-task", faulty_hang_task },
	{ "soft-lockup", faulty_soft_lockup },
	{ "rcu-stall", faulty_rcu_stall },
	{ "hard-lockup", faulty_hard_lockup },
	{ "release", faulty_release },
};

static ssize_t trigger_write(struct file *file, const char __user *buffer, size_t size,
			     loff_t *position)
{
	char text[32] = {};
	char *word;
	int i;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buffer, size))
		return -EFAULT;
	word = strim(text);
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (strcmp(word, faults[i].word) == 0) {
			pr_info("vmtest_faulty: trigger %s\n", word);
			faults[i].function();
			return size;
		}
	}
	return -EINVAL;
}

static const struct file_operations trigger_operations = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = trigger_write,
};

static int __init faulty_init(void)
{
	directory = debugfs_create_dir("vmtest_faulty", NULL);
	debugfs_create_file("trigger", 0200, directory, NULL, &trigger_operations);
	return 0;
}

static void __exit faulty_exit(void)
{
	debugfs_remove_recursive(directory);
	/* The timer of use-after-unload stays armed. */
}

module_init(faulty_init);
module_exit(faulty_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Faults on demand, for the negative controls of a test harness");
