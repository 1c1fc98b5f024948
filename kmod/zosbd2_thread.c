// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the threads that serve a device.
 *
 * They are remembered, so that each gets told once that the device is gone,
 * also if it is not waiting at that moment.  A record stays while its thread
 * lives and is used by it alone, but for the list, which is under dev->lock.
 * Records of dead threads are dropped when the table has doubled, so it is
 * bounded by twice the number of living ones.
 */
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "zosbd2.h"

#define ZOSBD2_REAP_MIN	64

static struct zosbd2_thread *zosbd2_thread_find(struct zosbd2_device *dev)
	__must_hold(&dev->lock)
{
	struct pid *tid = task_pid(current);
	struct zosbd2_thread *thread;

	hash_for_each_possible(dev->threads, thread, node, (unsigned long)tid)
		if (thread->tid == tid)
			return thread;
	return NULL;
}

static void zosbd2_threads_free(struct hlist_head *list)
{
	struct zosbd2_thread *thread;
	struct hlist_node *next;

	hlist_for_each_entry_safe(thread, next, list, node) {
		put_pid(thread->tid);
		kfree(thread);
	}
}

static void zosbd2_threads_reap(struct zosbd2_device *dev,
				struct hlist_head *dead)
	__must_hold(&dev->lock)
{
	struct zosbd2_thread *thread;
	struct hlist_node *next;
	int bucket;

	if (dev->nr_threads < dev->reap_at)
		return;
	hash_for_each_safe(dev->threads, bucket, next, thread, node) {
		if (zosbd2_pid_is_alive(thread->tid, PIDTYPE_PID))
			continue;
		hash_del(&thread->node);
		hlist_add_head(&thread->node, dead);
		dev->nr_threads--;
	}
	dev->reap_at = max(ZOSBD2_REAP_MIN, 2 * dev->nr_threads);
}

/* It may have closed the device and opened it again since it served last. */
static void zosbd2_thread_is_opener(struct zosbd2_device *dev,
				    struct zosbd2_thread *thread)
	__must_hold(&dev->lock)
{
	if (thread->opener_changes == dev->opener_changes)
		return;
	thread->opener_changes = dev->opener_changes;
	zosbd2_client_is_server(dev);
}

/**
 * zosbd2_thread_attach - find or make the record of the calling thread
 * @dev: the device
 * @is_opener: it serves through the block device
 * @attached: set to the record
 *
 * Return: 0; -ENOENT when the device is gone and the thread never served it or
 * knows already; -ENOMEM.
 */
int zosbd2_thread_attach(struct zosbd2_device *dev, bool is_opener,
			 struct zosbd2_thread **attached)
{
	struct zosbd2_thread *thread, *spare;
	HLIST_HEAD(dead);

	spin_lock(&dev->lock);
	thread = zosbd2_thread_find(dev);
	if (likely(thread) && is_opener)
		zosbd2_thread_is_opener(dev, thread);
	spin_unlock(&dev->lock);
	if (likely(thread)) {
		*attached = thread;
		return thread->told_gone ? -ENOENT : 0;
	}

	spare = kzalloc_obj(*spare, GFP_KERNEL);
	if (!spare)
		return -ENOMEM;
	spare->tid = get_pid(task_pid(current));

	spin_lock(&dev->lock);
	if (dev->gone) {
		spin_unlock(&dev->lock);
		put_pid(spare->tid);
		kfree(spare);
		return -ENOENT;
	}
	zosbd2_threads_reap(dev, &dead);
	hash_add(dev->threads, &spare->node, (unsigned long)spare->tid);
	dev->nr_threads++;
	if (is_opener)
		zosbd2_thread_is_opener(dev, spare);
	spin_unlock(&dev->lock);
	zosbd2_threads_free(&dead);
	*attached = spare;
	return 0;
}

/**
 * zosbd2_thread_count - count the living threads that serve or served a device
 * @dev: the device
 *
 * There is one for each channel.
 *
 * Return: how many there are.
 */
unsigned int zosbd2_thread_count(struct zosbd2_device *dev)
{
	struct zosbd2_session *session;
	struct zosbd2_thread *thread;
	unsigned int count = 0;
	int bucket;

	spin_lock(&dev->lock);
	hash_for_each(dev->threads, bucket, thread, node)
		if (zosbd2_pid_is_alive(thread->tid, PIDTYPE_PID))
			count++;
	list_for_each_entry(session, &dev->sessions, node)
		if (session->is_channel)
			count++;
	spin_unlock(&dev->lock);
	return count;
}

/**
 * zosbd2_thread_free_all - drop all records
 * @dev: the device, of which nobody else has a reference
 */
void zosbd2_thread_free_all(struct zosbd2_device *dev)
{
	int bucket;

	for (bucket = 0; bucket < HASH_SIZE(dev->threads); bucket++)
		zosbd2_threads_free(&dev->threads[bucket]);
}
