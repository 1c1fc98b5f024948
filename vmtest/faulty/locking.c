// SPDX-License-Identifier: GPL-2.0-only
/* Faults with locks, contexts and shared data. */
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "faulty.h"

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);
static DEFINE_MUTEX(idle_lock);
static DEFINE_RAW_SPINLOCK(irq_lock); /* the hard interrupt may take it */
static int __rcu *rcu_number;

noinline void faulty_sleep_atomic(void)
{
	preempt_disable();
	mutex_lock(&idle_lock);
	mutex_unlock(&idle_lock);
	preempt_enable();
}

noinline void faulty_schedule_atomic(void)
{
	preempt_disable();
	schedule_timeout_uninterruptible(1);
	preempt_enable();
}

noinline void faulty_unlocked_deref(void)
{
	faulty_sink = (unsigned long)rcu_dereference(rcu_number);
}

static void take_irq_lock(struct irq_work *work)
{
	raw_spin_lock(&irq_lock);
	raw_spin_unlock(&irq_lock);
}

static struct irq_work lock_work = IRQ_WORK_INIT_HARD(take_irq_lock);

noinline void faulty_irq_lock(void)
{
	irq_work_queue(&lock_work);
	irq_work_sync(&lock_work);
	raw_spin_lock(&irq_lock);
	raw_spin_unlock(&irq_lock);
}

noinline void faulty_bad_unlock(void)
{
	raw_spin_lock(&irq_lock);
	spin_release(&irq_lock.dep_map, _RET_IP_);
	raw_spin_unlock(&irq_lock);
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

void faulty_deadlock_abba(void)
{
	faulty_start(abba_thread, NULL, "ab");
	faulty_start(abba_thread, &lock_b, "ba");
}

void faulty_recursive_lock(void)
{
	faulty_start(recursive_thread, NULL, "aa");
}

static int race_thread(void *unused)
{
	unsigned long end = jiffies + 20 * HZ;

	while (time_before(jiffies, end) && !READ_ONCE(faulty_released)) {
		faulty_sink++;
		barrier();
		cond_resched();
	}
	return 0;
}

void faulty_data_race(void)
{
	WRITE_ONCE(faulty_released, false);
	faulty_start(race_thread, NULL, "race0");
	faulty_start(race_thread, NULL, "race1");
}
