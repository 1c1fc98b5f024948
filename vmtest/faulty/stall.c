// SPDX-License-Identifier: GPL-2.0-only
/* Faults in which time passes and nothing is done, and their end. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/nmi.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/time64.h>
#include <linux/timex.h>

#include "faulty.h"

/* No loop of this module runs longer, released or not. */
#define LOOP_LIMIT_SECONDS 120
/* A CPU with interrupts off soon blocks all others, so nobody gets to release this loop. */
#define HARD_LIMIT_SECONDS 20
/* A grace period begins within less, if anybody can begin one at all. */
#define BEGIN_LIMIT_SECONDS 5
#define CALIBRATION_MILLISECONDS 20

bool faulty_released;
static DECLARE_COMPLETION(release);
/* Set before the thread starts that reads it. */
static cycles_t cycles_per_millisecond;

void faulty_start(int (*function)(void *), void *argument, const char *name)
{
	struct task_struct *task = kthread_run(function, argument, "faulty/%s", name);

	if (IS_ERR(task))
		pr_err("vmtest_faulty: no thread for %s: %ld\n", name, PTR_ERR(task));
}

static int hang_thread(void *unused)
{
	wait_for_completion(&release);
	return 0;
}

/*
 * By the cycle counter. KCSAN reports each look at a clock as a race, and what
 * is printed touches the watchdogs. udelay() is worth nothing on a CPU that the
 * kernel failed to calibrate, as 6.1 does with emulated ones.
 */
static __always_inline bool looping(unsigned int *left)
{
	const cycles_t millisecond = cycles_per_millisecond;
	const cycles_t begin = get_cycles();

	while (get_cycles() - begin < millisecond)
		cpu_relax();
	return !READ_ONCE(faulty_released) && --*left;
}

static void start_loop(int (*function)(void *), const char *name)
{
	const ktime_t begin = ktime_get();
	const cycles_t first = get_cycles();

	msleep(CALIBRATION_MILLISECONDS);
	cycles_per_millisecond =
		div64_s64(get_cycles() - first, ktime_ms_delta(ktime_get(), begin));
	if (!cycles_per_millisecond) {
		pr_err("vmtest_faulty: no %s: this CPU counts no cycles\n", name);
		return;
	}
	WRITE_ONCE(faulty_released, false);
	faulty_start(function, NULL, name);
}

/*
 * Only a grace period that has begun can stall, and who begins it may need this
 * CPU: the thread that does has a real-time priority on PREEMPT_RT, and stays
 * on the CPU where it ran last. A reader that is preempted meanwhile begins
 * anew: of it the kernel would not show the stack that runs.
 *
 * Returns as a reader, with preemption disabled.
 */
static void begin_grace_period(void)
{
	unsigned int left = MSEC_PER_SEC * BEGIN_LIMIT_SECONDS;
	unsigned long cookie, preempted;

	for (;;) {
		rcu_read_lock();
		preempted = READ_ONCE(current->nivcsw);
		cookie = start_poll_synchronize_rcu();
		while (get_state_synchronize_rcu() == cookie && looping(&left))
			;
		preempt_disable();
		if (READ_ONCE(current->nivcsw) == preempted || !left)
			return;
		preempt_enable();
		rcu_read_unlock();
	}
}

static int soft_lockup_thread(void *unused)
{
	unsigned int left = MSEC_PER_SEC * LOOP_LIMIT_SECONDS;

	preempt_disable();
	while (looping(&left))
		;
	preempt_enable();
	return 0;
}

static int rcu_stall_thread(void *unused)
{
	unsigned int left = MSEC_PER_SEC * LOOP_LIMIT_SECONDS;

	begin_grace_period();
	while (looping(&left))
		touch_softlockup_watchdog();
	preempt_enable();
	rcu_read_unlock();
	return 0;
}

static int hard_lockup_thread(void *unused)
{
	unsigned int left = MSEC_PER_SEC * HARD_LIMIT_SECONDS;

	begin_grace_period();
	local_irq_disable();
	while (looping(&left))
		;
	local_irq_enable();
	preempt_enable();
	rcu_read_unlock();
	return 0;
}

void faulty_hang_task(void)
{
	reinit_completion(&release);
	faulty_start(hang_thread, NULL, "hang");
}

void faulty_soft_lockup(void)
{
	start_loop(soft_lockup_thread, "soft");
}

void faulty_rcu_stall(void)
{
	start_loop(rcu_stall_thread, "rcu");
}

void faulty_hard_lockup(void)
{
	start_loop(hard_lockup_thread, "hard");
}

void faulty_release(void)
{
	WRITE_ONCE(faulty_released, true);
	complete_all(&release);
}
