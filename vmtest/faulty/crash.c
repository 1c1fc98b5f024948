// SPDX-License-Identifier: GPL-2.0-only
/* Faults that end the calling task, or leave an end behind. */
#include <linux/bug.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/timer.h>

#include "faulty.h"

unsigned long faulty_sink;

noinline void faulty_oops(void)
{
	*(volatile int *)hide((unsigned long)0) = 1;
}

noinline void faulty_paging(void)
{
	(void)*(volatile int *)hide((unsigned long)0xffffffffff400000ul);
}

noinline void faulty_null_call(void)
{
	void (*function)(void) = (void (*)(void))hide((unsigned long)0);

	function();
}

noinline void faulty_gpf(void)
{
	(void)*(volatile int *)hide((unsigned long)0xdead000000000100ul);
}

noinline void faulty_divide(void)
{
	faulty_sink = hide(100) / hide(0);
}

noinline void faulty_bug(void)
{
	BUG();
}

noinline void faulty_warn(void)
{
	WARN_ON(1);
}

noinline void faulty_panic(void)
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

noinline void faulty_stack_overflow(void)
{
	faulty_sink = overflow_stack(0);
}

noinline void faulty_stack_smash(void)
{
	char buffer[16];
	char *end = hide(&buffer[0]);
	int i;

	for (i = 0; i < hide(64); i++)
		WRITE_ONCE(end[i], 'x');
}

void faulty_timer_fired(struct timer_list *timer)
{
	mod_timer(timer, jiffies + HZ / 10);
}

noinline void faulty_use_after_unload(void)
{
	/* Not in the module's memory: only the timer's function is to be gone. */
	struct timer_list *stray_timer = kmalloc(sizeof(*stray_timer), GFP_KERNEL);

	if (!stray_timer)
		return;
	timer_setup(stray_timer, faulty_timer_fired, 0);
	mod_timer(stray_timer, jiffies + HZ / 10);
}
