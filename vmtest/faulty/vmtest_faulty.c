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
 * bad-page          CONFIG_DEBUG_VM, CONFIG_PAGE_POISONING, init_on_alloc=1
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
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kfence.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nmi.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/uaccess.h>

/* No loop of this module runs longer, released or not. */
#define LOOP_LIMIT_SECONDS 120

static struct dentry *directory;
static DECLARE_COMPLETION(release);
static bool released;
static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);
static DEFINE_MUTEX(idle_lock);
static DEFINE_SPINLOCK(irq_lock);
static unsigned long shared_counter;
static int __rcu *rcu_number;

/* The compiler must not know what comes out of here, or it would act on the fault itself. */
#define hide(value) ({ typeof(value) __v = (value); OPTIMIZER_HIDE_VAR(__v); __v; })

/* Faults of the calling task. */

static noinline void faulty_oops(void)
{
	*(volatile int *)hide((unsigned long)0) = 1;
}

static noinline void faulty_paging(void)
{
	(void)*(volatile int *)hide((unsigned long)0xffffffffff400000ul);
}

static noinline void faulty_null_call(void)
{
	void (*function)(void) = (void (*)(void))hide((unsigned long)0);

	function();
}

static noinline void faulty_gpf(void)
{
	(void)*(volatile int *)hide((unsigned long)0xdead000000000100ul);
}

static noinline void faulty_divide(void)
{
	shared_counter = hide(100) / hide(0);
}

static noinline void faulty_bug(void)
{
	BUG();
}

static noinline void faulty_warn(void)
{
	WARN_ON(1);
}

static noinline void faulty_panic(void)
{
	panic("vmtest_faulty: panic on demand");
}

static noinline int overflow_stack(int depth)
{
	volatile char frame[512];

	frame[0] = depth;
	frame[511] = 1;
	if (depth < hide(1000000))
		return overflow_stack(depth + 1) + frame[511];
	return frame[0];
}

static noinline void faulty_stack_overflow(void)
{
	shared_counter = overflow_stack(0);
}

static noinline void faulty_stack_smash(void)
{
	char buffer[16];
	char *end = hide(&buffer[0]);
	int i;

	for (i = 0; i < hide(64); i++)
		WRITE_ONCE(end[i], 'x');
}

static void stray_timer_fired(struct timer_list *timer)
{
	mod_timer(timer, jiffies + HZ / 10);
}

static noinline void faulty_use_after_unload(void)
{
	/* Not in the module's memory: only the timer's function is to be gone. */
	struct timer_list *stray_timer = kmalloc(sizeof(*stray_timer), GFP_KERNEL);

	if (!stray_timer)
		return;
	timer_setup(stray_timer, stray_timer_fired, 0);
	mod_timer(stray_timer, jiffies + HZ / 10);
}

/* Memory. */

/*
 * An object whose misuse somebody watches. KFENCE guards one allocation an interval
 * (kfence.sample_interval), so take several; KASAN watches them all.
 */
static void *kmalloc_watched(size_t size)
{
	unsigned long end = jiffies + 4 * HZ;
	void *object = kmalloc(size, GFP_KERNEL);

	while (IS_ENABLED(CONFIG_KFENCE) && !IS_ENABLED(CONFIG_KASAN) &&
	       object && !is_kfence_address(object) && time_before(jiffies, end)) {
		kfree(object);
		cond_resched();
		object = kmalloc(size, GFP_KERNEL);
	}
	return object;
}

static noinline void faulty_use_after_free(void)
{
	char *object = kmalloc_watched(128);

	if (!object)
		return;
	kfree(object);
	shared_counter = READ_ONCE(*hide(&object[16]));
}

static noinline void faulty_oob(void)
{
	char *object = kmalloc_watched(120);

	if (!object)
		return;
	WRITE_ONCE(*hide(&object[120]), 'x');
	kfree(object);
}

static noinline void faulty_double_free(void)
{
	void *object = kmalloc_watched(96);
	void *again = hide(object);

	kfree(object);
	kfree(again);
}

static noinline void faulty_leak(void)
{
	int i;

	/* Several, as a stale copy of one pointer may hide one object. */
	for (i = 0; i < 8; i++)
		memset(kmalloc(72, GFP_KERNEL | __GFP_NOFAIL), i, 72);
}

static noinline void faulty_list_corruption(void)
{
	LIST_HEAD(head);
	struct list_head first, second;

	list_add(&first, &head);
	head.next = hide(&second);
	second.prev = &second;
	list_add(&second, &head);
}

static noinline void faulty_refcount(void)
{
	refcount_t count;

	refcount_set(&count, 0);
	refcount_inc(&count);
}

static noinline void faulty_bad_page(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		return;
	atomic_set(&page->_mapcount, 3);
	__free_page(page);
}

static noinline void faulty_odebug(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, stray_timer_fired, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

static noinline void faulty_ubsan(void)
{
	shared_counter = 1 << hide(40);
}

/* Context and locking. */

static noinline void faulty_sleep_atomic(void)
{
	preempt_disable();
	mutex_lock(&idle_lock);
	mutex_unlock(&idle_lock);
	preempt_enable();
}

static noinline void faulty_schedule_atomic(void)
{
	preempt_disable();
	schedule_timeout_uninterruptible(1);
	preempt_enable();
}

static noinline void faulty_rcu_usage(void)
{
	shared_counter = (unsigned long)rcu_dereference(rcu_number);
}

static void take_irq_lock(struct irq_work *work)
{
	spin_lock(&irq_lock);
	spin_unlock(&irq_lock);
}

static struct irq_work lock_work = IRQ_WORK_INIT_HARD(take_irq_lock);

static noinline void faulty_irq_lock(void)
{
	irq_work_queue(&lock_work);
	irq_work_sync(&lock_work);
	spin_lock(&irq_lock);
	spin_unlock(&irq_lock);
}

static noinline void faulty_bad_unlock(void)
{
	spin_lock(&irq_lock);
	spin_release(&irq_lock.dep_map, _RET_IP_);
	spin_unlock(&irq_lock);
}

static int abba_thread(void *reversed)
{
	struct mutex *first = reversed ? &lock_b : &lock_a;
	struct mutex *second = reversed ? &lock_a : &lock_b;

	mutex_lock(first);
	msleep(500); /* until the other one has its first lock too */
	mutex_lock(second);
	mutex_unlock(second);
	mutex_unlock(first);
	return 0;
}

static int recursive_thread(void *unused)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_a);
	return 0;
}

static int race_thread(void *unused)
{
	unsigned long end = jiffies + 20 * HZ;

	while (time_before(jiffies, end) && !READ_ONCE(released)) {
		shared_counter++;
		barrier();
		cond_resched();
	}
	return 0;
}

/* Time that passes with nothing done. */

static int hang_thread(void *unused)
{
	wait_for_completion(&release);
	return 0;
}

static u64 loop_end(void)
{
	return ktime_get_mono_fast_ns() + LOOP_LIMIT_SECONDS * NSEC_PER_SEC;
}

static bool looping(u64 end)
{
	cpu_relax();
	return !READ_ONCE(released) && ktime_get_mono_fast_ns() < end;
}

static int soft_lockup_thread(void *unused)
{
	u64 end = loop_end();

	preempt_disable();
	while (looping(end))
		;
	preempt_enable();
	return 0;
}

static int rcu_stall_thread(void *unused)
{
	u64 end = loop_end();

	rcu_read_lock();
	preempt_disable();
	while (looping(end))
		touch_softlockup_watchdog();
	preempt_enable();
	rcu_read_unlock();
	return 0;
}

static int hard_lockup_thread(void *unused)
{
	u64 end = loop_end();

	local_irq_disable();
	while (looping(end))
		;
	local_irq_enable();
	return 0;
}

static void start(int (*function)(void *), void *argument, const char *name)
{
	struct task_struct *task = kthread_run(function, argument, "faulty/%s", name);

	if (IS_ERR(task))
		pr_err("vmtest_faulty: no thread for %s: %ld\n", name, PTR_ERR(task));
}

static void faulty_deadlock_abba(void)
{
	start(abba_thread, NULL, "ab");
	start(abba_thread, &lock_b, "ba");
}

static void faulty_recursive_lock(void)
{
	start(recursive_thread, NULL, "aa");
}

static void faulty_data_race(void)
{
	WRITE_ONCE(released, false);
	start(race_thread, NULL, "race0");
	start(race_thread, NULL, "race1");
}

static void faulty_hang_task(void)
{
	reinit_completion(&release);
	start(hang_thread, NULL, "hang");
}

static void faulty_soft_lockup(void)
{
	WRITE_ONCE(released, false);
	start(soft_lockup_thread, NULL, "soft");
}

static void faulty_rcu_stall(void)
{
	WRITE_ONCE(released, false);
	start(rcu_stall_thread, NULL, "rcu");
}

static void faulty_hard_lockup(void)
{
	WRITE_ONCE(released, false);
	start(hard_lockup_thread, NULL, "hard");
}

static void faulty_release(void)
{
	WRITE_ONCE(released, true);
	complete_all(&release);
}

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
	{ "rcu-usage", faulty_rcu_usage },
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
