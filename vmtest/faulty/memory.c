// SPDX-License-Identifier: GPL-2.0-only
/* Faults with memory that only a debugging aid sees. */
#include <linux/jiffies.h>
#include <linux/kfence.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timer.h>

#include "faulty.h"

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

noinline void faulty_use_after_free(void)
{
	char *object = kmalloc_watched(128);

	if (!object)
		return;
	kfree(object);
	faulty_sink = READ_ONCE(*hide(&object[16]));
}

noinline void faulty_oob(void)
{
	char *object = kmalloc_watched(120);

	if (!object)
		return;
	WRITE_ONCE(*hide(&object[120]), 'x');
	kfree(object);
}

noinline void faulty_double_free(void)
{
	void *object = kmalloc_watched(96);
	void *again = hide(object);

	kfree(object);
	kfree(again);
}

noinline void faulty_leak(void)
{
	int i;

	/* Several, as a stale copy of one pointer may hide one object. */
	for (i = 0; i < 8; i++)
		memset(kmalloc(72, GFP_KERNEL | __GFP_NOFAIL), i, 72);
}

noinline void faulty_list_corruption(void)
{
	LIST_HEAD(head);
	struct list_head first, second;

	list_add(&first, &head);
	head.next = hide(&second);
	second.prev = &second;
	list_add(&second, &head);
}

noinline void faulty_refcount(void)
{
	refcount_t count;

	refcount_set(&count, 0);
	refcount_inc(&count);
}

noinline void faulty_bad_page(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		return;
	atomic_set(&page->_mapcount, 3);
	__free_page(page);
}

noinline void faulty_odebug(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, faulty_timer_fired, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

noinline void faulty_ubsan(void)
{
	faulty_sink = 1 << hide(40);
}
