// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: ZOSBD2_IOC_ENTER: carry out answers, wait, bring requests.
 *
 * Requests are brought under the queue's lock, straight into the ring, which
 * is memory of ours and always there.
 *
 * A thread that finds none sleeps on queue->idle.  Who queues a request takes
 * one thread off that list and wakes it; who finds himself off the list and
 * leaves without a request has to wake another one.
 *
 * Where there is more than one CPU, a thread looks for a while before it
 * sleeps, if that has been worth it: how long adapts as in
 * drivers/cpuidle/governors/haltpoll.c.
 */
#include <linux/cpumask.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>

#include "zosbd2.h"
#include "zosbd2_trace.h"

/* Nanoseconds. */
#define ZOSBD2_SPIN_FIRST	4000U
#define ZOSBD2_SPIN_MAX		64000U

/* Every field, as the server may have written anything there. */
static void zosbd2_describe(struct zosbd2_ring_request *entry,
			    const struct zosbd2_slot *slot)
{
	const struct request *rq = slot->rq;
	u64 start = (u64)blk_rq_pos(rq) << SECTOR_SHIFT;
	u16 operation, flags = 0;

	switch (req_op(rq)) {
	case REQ_OP_READ:
		operation = ZOSBD2_RING_READ;
		break;
	case REQ_OP_WRITE:
		operation = ZOSBD2_RING_WRITE;
		flags = zosbd2_request_flags(rq);
		break;
	case REQ_OP_FLUSH:
		operation = ZOSBD2_RING_FLUSH;
		start = 0;
		break;
	case REQ_OP_WRITE_ZEROES:
		operation = ZOSBD2_RING_WRITE_ZEROES;
		flags = zosbd2_request_flags(rq);
		break;
	default:
		operation = ZOSBD2_RING_DISCARD;
		break;
	}
	*entry = (struct zosbd2_ring_request){
		.id = slot->id,
		.start_byte = start,
		.length_bytes = blk_rq_bytes(rq),
		.operation = operation,
		.flags = flags,
	};
}

/*
 * Bring up to @max requests, as many as there is room for.  Returns how many,
 * or -EPROTO if the server's position cannot be, -ENOBUFS if there is no room.
 */
static int zosbd2_bring(struct zosbd2_channel *channel, unsigned int max)
	__must_hold(&channel->session.queue->lock)
{
	struct zosbd2_queue *queue = zosbd2_channel_queue(channel);
	struct zosbd2_ring *ring = channel->ring;
	u32 tail = channel->request_tail;
	u32 used = tail - READ_ONCE(ring->request_head);
	struct zosbd2_slot *slot;
	unsigned int i;

	if (unlikely(used > channel->entries))
		return -EPROTO;
	if (unlikely(used == channel->entries && max))
		return -ENOBUFS;
	max = min(max, channel->entries - used);
	for (i = 0; i < max && !zosbd2_fifo_is_empty(&queue->queued); i++) {
		slot = zosbd2_fifo_take(&queue->queued);
		queue->stats.queued--;
		zosbd2_request_give(slot, channel->server);
		slot->state = ZOSBD2_SLOT_FETCHED;
		if (unlikely(slot->handed_on))
			zosbd2_request_extend(queue, slot);
		zosbd2_describe(&channel->requests[tail++ &
						   (channel->entries - 1)],
				slot);
		trace_zosbd2_fetched(queue->dev->handle_id, slot->id, slot->rq);
	}
	if (i) {
		channel->request_tail = tail;
		/* The requests come first, for who looks from another CPU. */
		smp_store_release(&ring->request_tail, tail);
		/* One was woken for many. */
		if (unlikely(!zosbd2_fifo_is_empty(&queue->queued)))
			zosbd2_queue_wake_locked(queue);
	}
	return i;
}

/* Something has happened to the device or to the server. */
static bool zosbd2_is_disturbed(const struct zosbd2_channel *channel)
{
	const struct zosbd2_server *server = channel->server;

	return READ_ONCE(channel->session.dev->gone) ||
	       READ_ONCE(server->retired_by) || !READ_ONCE(server->attached);
}

/*
 * What the caller is told then, who has or has not asked for requests; 1 if
 * that can be waited for.
 */
static int zosbd2_tell_disturbed(struct zosbd2_channel *channel, bool asked)
{
	struct zosbd2_device *dev = channel->session.dev;
	struct zosbd2_server *server = channel->server;
	struct zosbd2_ring *ring = channel->ring;
	u64 retired_by;

	if (READ_ONCE(dev->gone)) {
		WRITE_ONCE(ring->state, ZOSBD2_RING_GONE);
		return -ENOENT;
	}
	if (!READ_ONCE(server->attached))
		return -EBADF;
	switch (zosbd2_retirement(server, &retired_by)) {
	case ZOSBD2_RETIRED:
		WRITE_ONCE(ring->state, ZOSBD2_RING_TAKEN_OVER);
		return -ENOENT;
	case ZOSBD2_RETIRING:
		WRITE_ONCE(ring->state, ZOSBD2_RING_QUIESCING);
		if (channel->told_retired == retired_by)
			return 1;
		if (asked)
			WRITE_ONCE(channel->told_retired, retired_by);
		return 0;
	default:
		WRITE_ONCE(ring->state, ZOSBD2_RING_SERVING);
		return 1;
	}
}

static bool zosbd2_retirement_is_open(struct zosbd2_channel *channel)
{
	struct zosbd2_server *server = channel->server;
	u64 retired_by;

	return !READ_ONCE(channel->session.dev->gone) &&
	       READ_ONCE(server->attached) &&
	       zosbd2_retirement(server, &retired_by) == ZOSBD2_RETIRING;
}

/* Returns 0 when it is known what becomes of the take-over. */
static int zosbd2_await_retirement(struct zosbd2_channel *channel)
{
	struct zosbd2_device *dev = channel->session.dev;

	if (wait_event_interruptible(dev->retired_wait,
				     !zosbd2_retirement_is_open(channel) ||
				     READ_ONCE(channel->kicked)))
		return -ERESTARTNOHAND;
	return 0;
}

static bool zosbd2_take_kick(struct zosbd2_channel *channel)
{
	struct zosbd2_queue *queue = zosbd2_channel_queue(channel);
	bool kicked;

	spin_lock(&queue->lock);
	kicked = channel->kicked;
	channel->kicked = false;
	spin_unlock(&queue->lock);
	return kicked;
}

/**
 * zosbd2_kick_channel - have who sleeps in a call, or will, return
 * @channel: the channel
 */
void zosbd2_kick_channel(struct zosbd2_channel *channel)
{
	struct zosbd2_queue *queue = zosbd2_channel_queue(channel);
	struct task_struct *task = NULL;

	spin_lock(&queue->lock);
	WRITE_ONCE(channel->kicked, true);
	if (!hlist_unhashed(&channel->idle)) {
		hlist_del_init(&channel->idle);
		task = get_task_struct(channel->task);
	}
	spin_unlock(&queue->lock);
	if (task) {
		wake_up_process(task);
		put_task_struct(task);
	}
	/* Or it waits for what becomes of a take-over, or somebody polls. */
	wake_up_all(&queue->dev->retired_wait);
	wake_up_all(&queue->wait);
}

/*
 * Look for a request without sleeping.  Nobody is woken meanwhile, so it must
 * not be preempted; where it cannot help that, it does not spin.
 */
static void zosbd2_spin(struct zosbd2_channel *channel)
	__must_hold(&channel->session.queue->lock)
{
	struct zosbd2_queue *queue = zosbd2_channel_queue(channel);
	u64 until = local_clock() + channel->spin_ns;

	preempt_disable();
	queue->spinning++;
	spin_unlock(&queue->lock);
	/* Not at the expense of who could run here and submit something. */
	while (zosbd2_fifo_is_empty(&queue->queued) &&
	       !zosbd2_is_disturbed(channel) && !READ_ONCE(channel->kicked) &&
	       single_task_running() && !need_resched() &&
	       !signal_pending(current) && local_clock() < until)
		cpu_relax();
	spin_lock(&queue->lock);
	queue->spinning--;
	preempt_enable();
}

/* A sleep was so long: would spinning have been worth it? */
static void zosbd2_adapt_spin(struct zosbd2_channel *channel, u64 slept)
{
	if (slept > ZOSBD2_SPIN_MAX)
		channel->spin_ns /= 2;
	else if (slept > channel->spin_ns)
		channel->spin_ns = clamp(2 * channel->spin_ns,
					 ZOSBD2_SPIN_FIRST, ZOSBD2_SPIN_MAX);
}

/* Sleep until woken; the caller looks why. */
static void zosbd2_sleep(struct zosbd2_channel *channel)
	__must_hold(&channel->session.queue->lock)
{
	struct zosbd2_queue *queue = zosbd2_channel_queue(channel);
	bool adapts = !IS_ENABLED(CONFIG_PREEMPT_RT) && num_online_cpus() > 1;
	u64 since = adapts ? local_clock() : 0;

	channel->task = current;
	hlist_add_head(&channel->idle, &queue->idle);
	set_current_state(TASK_INTERRUPTIBLE);
	spin_unlock(&queue->lock);
	schedule();
	spin_lock(&queue->lock);
	/* Unless who woke it has taken it off. */
	hlist_del_init(&channel->idle);
	if (adapts)
		zosbd2_adapt_spin(channel, local_clock() - since);
	else
		channel->spin_ns = 0;
}

/* As zosbd2_enter(), for a server that nobody disturbs; 0 if somebody does. */
static int zosbd2_fetch_ring(struct zosbd2_channel *channel, unsigned int max,
			     bool wait, bool *disturbed)
{
	struct zosbd2_queue *queue = zosbd2_channel_queue(channel);
	bool spun = false, waited = false;
	int ret;

	spin_lock(&queue->lock);
	for (;;) {
		/* A dying server must not take a request with it. */
		if (unlikely(fatal_signal_pending(current))) {
			ret = -EINTR;
			break;
		}
		*disturbed = zosbd2_is_disturbed(channel);
		ret = 0;
		if (unlikely(*disturbed))
			break;
		ret = zosbd2_bring(channel, max);
		if (ret)
			break;
		if (unlikely(channel->kicked)) {
			channel->kicked = false;
			break;
		}
		if (!wait || !max)
			break;
		if (signal_pending(current)) {
			/* Without a handler, as for the freezer, go on. */
			ret = -ERESTARTNOHAND;
			break;
		}
		waited = true;
		if (channel->spin_ns && !spun) {
			zosbd2_spin(channel);
			spun = true;
			continue;
		}
		zosbd2_sleep(channel);
	}
	/* It may have been woken for a request, or have spun for one. */
	if (waited && ret <= 0 && !zosbd2_fifo_is_empty(&queue->queued))
		zosbd2_queue_wake_locked(queue);
	spin_unlock(&queue->lock);
	if (!*disturbed)
		WRITE_ONCE(channel->ring->state, ZOSBD2_RING_SERVING);
	return ret;
}

/**
 * zosbd2_enter - one ZOSBD2_IOC_ENTER
 * @channel: the channel, whose server the caller is
 * @max: how many requests to bring at most
 * @wait: sleep until there is one
 *
 * Return: how many were brought, or a negative errno, see
 * <uapi/linux/zosbd2_ring.h>.
 */
int zosbd2_enter(struct zosbd2_channel *channel, unsigned int max, bool wait)
{
	bool disturbed;
	int ret;

	ret = zosbd2_commit(channel);
	if (ret)
		return ret;
	for (;;) {
		disturbed = false;
		ret = zosbd2_fetch_ring(channel, max, wait, &disturbed);
		if (likely(!disturbed))
			return ret;
		ret = zosbd2_tell_disturbed(channel, max);
		if (ret <= 0)
			return ret;
		if (!wait)
			return 0;
		ret = zosbd2_await_retirement(channel);
		if (ret)
			return ret;
		if (zosbd2_take_kick(channel))
			return 0;
	}
}
