// SPDX-License-Identifier: GPL-2.0-only
/* Faults in which time passes and nothing is done, and their end. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/nmi.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/time64.h>

#include "faulty.h"

/* No loop of this module runs longer, released or not. */
#define LOOP_LIMIT_SECONDS 120
/* A CPU with interrupts off soon blocks all others, so nobody gets to release this loop. */
#define HARD_LIMIT_SECONDS 20
#define LOOP_MICROSECONDS 1000
#define LOOPS_A_SECOND (USEC_PER_SEC / LOOP_MICROSECONDS)

bool faulty_released;
static DECLARE_COMPLETION(release);

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
 * Without a look at a clock: KCSAN reports each as a race, and what is printed
 * touches the watchdogs.
 */
static bool looping(unsigned int *left)
{
	udelay(LOOP_MICROSECONDS);
	return !READ_ONCE(faulty_released) && --*left;
}

static int soft_lockup_thread(void *unused)
{
	unsigned int left = LOOPS_A_SECOND * LOOP_LIMIT_SECONDS;

	preempt_disable();
	while (looping(&left))
		;
	preempt_enable();
	return 0;
}

static int rcu_stall_thread(void *unused)
{
	unsigned int left = LOOPS_A_SECOND * LOOP_LIMIT_SECONDS;

	rcu_read_lock();
	preempt_disable();
	while (looping(&left))
		touch_softlockup_watchdog();
	preempt_enable();
	rcu_read_unlock();
	return 0;
}

static int hard_lockup_thread(void *unused)
{
	unsigned int left = LOOPS_A_SECOND * HARD_LIMIT_SECONDS;

	local_irq_disable();
	while (looping(&left))
		;
	local_irq_enable();
	return 0;
}

void faulty_hang_task(void)
{
	reinit_completion(&release);
	faulty_start(hang_thread, NULL, "hang");
}

void faulty_soft_lockup(void)
{
	WRITE_ONCE(faulty_released, false);
	faulty_start(soft_lockup_thread, NULL, "soft");
}

void faulty_rcu_stall(void)
{
	WRITE_ONCE(faulty_released, false);
	faulty_start(rcu_stall_thread, NULL, "rcu");
}

void faulty_hard_lockup(void)
{
	WRITE_ONCE(faulty_released, false);
	faulty_start(hard_lockup_thread, NULL, "hard");
}

void faulty_release(void)
{
	WRITE_ONCE(faulty_released, true);
	complete_all(&release);
}
