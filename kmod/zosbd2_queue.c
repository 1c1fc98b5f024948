// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the hardware queues of a device, and what happens to all at once.
 */
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "zosbd2.h"

/**
 * zosbd2_queues_free - free what the queues of a device have
 * @dev: the device, of which nobody else has a reference
 */
void zosbd2_queues_free(struct zosbd2_device *dev)
{
	struct zosbd2_queue *queue;

	for (queue = dev->queues; queue < zosbd2_queues_end(dev); queue++)
		kvfree(queue->slots);
}

/**
 * zosbd2_queues_init - make the queues of a new device
 * @dev: the device, zeroed but for its number of queues and their depth
 *
 * Return: 0 or -ENOMEM.
 */
int zosbd2_queues_init(struct zosbd2_device *dev)
{
	struct zosbd2_queue *queue;
	unsigned int i;

	for (queue = dev->queues; queue < zosbd2_queues_end(dev); queue++) {
		queue->dev = dev;
		spin_lock_init(&queue->lock);
		INIT_LIST_HEAD(&queue->polled);
		zosbd2_fifo_init(&queue->queued);
		INIT_HLIST_HEAD(&queue->idle);
		init_waitqueue_head(&queue->wait);
		queue->slots = kvcalloc(dev->queue_depth,
					sizeof(*queue->slots), GFP_KERNEL);
		if (!queue->slots) {
			zosbd2_queues_free(dev);
			return -ENOMEM;
		}
		for (i = 0; i < dev->queue_depth; i++)
			queue->slots[i].id = i;
	}
	return 0;
}

/**
 * zosbd2_queue_pop_idle - choose a channel that is to wake up
 * @queue: the queue, lock held
 *
 * Return: its thread, to be woken and put; NULL if none sleeps.
 */
struct task_struct *zosbd2_queue_pop_idle(struct zosbd2_queue *queue)
{
	struct zosbd2_channel *channel;

	if (hlist_empty(&queue->idle))
		return NULL;
	channel = hlist_entry(queue->idle.first, struct zosbd2_channel, idle);
	hlist_del_init(&channel->idle);
	return get_task_struct(channel->task);
}

/**
 * zosbd2_queue_wake_locked - wake somebody for a request that is queued
 * @queue: the queue, lock held
 *
 * Who was woken for a request and does not take it has to call this.
 */
void zosbd2_queue_wake_locked(struct zosbd2_queue *queue)
{
	struct task_struct *task = zosbd2_queue_pop_idle(queue);

	if (task) {
		wake_up_process(task);
		put_task_struct(task);
	} else if (wq_has_sleeper(&queue->wait)) {
		wake_up(&queue->wait);
	}
}

/**
 * zosbd2_queue_wake - the same without the lock
 * @queue: the queue
 */
void zosbd2_queue_wake(struct zosbd2_queue *queue)
{
	spin_lock(&queue->lock);
	zosbd2_queue_wake_locked(queue);
	spin_unlock(&queue->lock);
}

static void zosbd2_queue_wake_all(struct zosbd2_queue *queue)
{
	struct task_struct *task;

	/* Under the lock, or who goes back to sleep is woken again and again. */
	spin_lock(&queue->lock);
	while ((task = zosbd2_queue_pop_idle(queue))) {
		wake_up_process(task);
		put_task_struct(task);
	}
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
}

/**
 * zosbd2_queues_wake_all - have every server thread look at its device
 * @dev: the device
 */
void zosbd2_queues_wake_all(struct zosbd2_device *dev)
{
	struct zosbd2_queue *queue;

	for (queue = dev->queues; queue < zosbd2_queues_end(dev); queue++)
		zosbd2_queue_wake_all(queue);
	wake_up_all(&dev->retired_wait);
}

static void zosbd2_queue_kill(struct zosbd2_queue *queue,
			      struct zosbd2_fifo *ending)
	__must_hold(&queue->lock)
{
	struct zosbd2_slot *slot;
	unsigned int i;

	while (!zosbd2_fifo_is_empty(&queue->queued))
		zosbd2_request_doom(queue, queue->queued.first, ending);
	for (i = 0; i < queue->dev->queue_depth; i++) {
		slot = &queue->slots[i];
		if (slot->state == ZOSBD2_SLOT_OWNED)
			slot->doomed = true;
		else if (slot->state == ZOSBD2_SLOT_FETCHED)
			zosbd2_request_doom(queue, slot, ending);
	}
}

/**
 * zosbd2_queues_kill - fail what is under way and let every server go
 * @dev: the device
 *
 * From here on no request is accepted.  Those that a thread is copying right
 * now are failed by that thread.  Safe to call again.
 */
void zosbd2_queues_kill(struct zosbd2_device *dev)
{
	struct zosbd2_queue *queue;
	struct zosbd2_fifo ending;

	zosbd2_fifo_init(&ending);
	spin_lock(&dev->lock);
	WRITE_ONCE(dev->gone, true);
	spin_unlock(&dev->lock);
	for (queue = dev->queues; queue < zosbd2_queues_end(dev); queue++) {
		spin_lock(&queue->lock);
		zosbd2_queue_kill(queue, &ending);
		spin_unlock(&queue->lock);
	}

	zosbd2_requests_end_doomed(&ending);
	/* Nobody may poll for them any more. */
	for (queue = dev->queues; queue < zosbd2_queues_end(dev); queue++)
		zosbd2_requests_reap(queue, NULL);
	zosbd2_queues_wake_all(dev);
	/* The write-back may be cancelled before it has begun. */
	wake_up_all(&dev->sync_wait);
}

/**
 * zosbd2_queues_sum - add up a counter
 * @dev: the device
 * @counter: its offset in struct zosbd2_stats
 *
 * Return: the sum over all queues, each at a moment of its own.
 */
u64 zosbd2_queues_sum(struct zosbd2_device *dev, size_t counter)
{
	struct zosbd2_queue *queue;
	u64 sum = 0;

	for (queue = dev->queues; queue < zosbd2_queues_end(dev); queue++) {
		spin_lock(&queue->lock);
		sum += *(u64 *)((char *)&queue->stats + counter);
		spin_unlock(&queue->lock);
	}
	return sum;
}
