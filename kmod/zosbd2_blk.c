// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the block layer's side: what it may send, requests that come in, and
 * those that time out.
 *
 * What happens to a request after that is in zosbd2_request.c.
 */
#include <linux/jiffies.h>
#include <linux/sched/task.h>

#include "zosbd2.h"
#include "zosbd2_trace.h"

static bool zosbd2_rq_is_servable(const struct zosbd2_device *dev,
				  struct request *rq)
{
	/* The block layer only warns, and device mapper writes all the same. */
	bool writable = !(dev->features & ZOSBD2_FEATURE_READ_ONLY);

	switch (req_op(rq)) {
	case REQ_OP_READ:
		return blk_rq_bytes(rq) <= dev->max_io_bytes;
	case REQ_OP_WRITE:
		return writable && blk_rq_bytes(rq) <= dev->max_io_bytes;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		return writable;
	case REQ_OP_FLUSH:
		return true;
	default:
		return false;
	}
}

/* Nobody serves the device, and nobody is waited for. */
static bool zosbd2_is_given_up(const struct zosbd2_device *dev)
{
	/* Pairs with zosbd2_dev_lose(). */
	return smp_load_acquire(&dev->lost) &&
	       (dev->recovery == ZOSBD2_RECOVERY_FAIL ||
		time_after(jiffies, READ_ONCE(dev->lost_at) +
				     dev->timeout_seconds * HZ));
}

/*
 * The block layer checks a partition's end and not the device's, which may
 * have come nearer since.
 */
static bool zosbd2_is_inside(const struct zosbd2_device *dev,
			     struct request *rq)
{
	return req_op(rq) == REQ_OP_FLUSH ||
	       blk_rq_pos(rq) + blk_rq_sectors(rq) <=
		       zosbd2_sectors(dev, READ_ONCE(dev->blocks));
}

static blk_status_t zosbd2_enqueue(struct zosbd2_queue *queue,
				   struct request *rq)
	__must_hold(&queue->lock)
{
	struct zosbd2_slot *slot = &queue->slots[rq->tag];
	struct zosbd2_device *dev = queue->dev;

	queue->stats.requests++;
	if (unlikely(READ_ONCE(dev->gone) || zosbd2_is_given_up(dev) ||
		     !zosbd2_is_inside(dev, rq))) {
		queue->stats.errors++;
		return BLK_STS_IOERR;
	}
	slot->rq = rq;
	slot->server = NULL;
	slot->id = zosbd2_next_id(dev, slot->id);
	slot->filled = 0;
	slot->state = ZOSBD2_SLOT_QUEUED;
	slot->doomed = false;
	slot->extended = false;
	slot->handed_on = false;
	zosbd2_fifo_add(&queue->queued, slot);
	queue->stats.queued++;
	queue->stats.in_flight++;
	trace_zosbd2_queued(dev->handle_id, slot->id, rq);
	return BLK_STS_OK;
}

/*
 * Have somebody fetch what was queued.  The queue's memory outlives the RCU
 * section that we are called in, whatever becomes of its requests.
 */
static void zosbd2_kick(struct zosbd2_queue *queue)
	__releases(&queue->lock)
{
	struct task_struct *idle = NULL;
	bool waiting = false;

	/* Who spins looks by himself. */
	if (!queue->spinning) {
		idle = zosbd2_queue_pop_idle(queue);
		/* Pairs with the barrier of who waits for queue->queued. */
		waiting = !idle && wq_has_sleeper(&queue->wait);
		if (!idle && !waiting)
			queue->stats.queue_waits++;
	}
	spin_unlock(&queue->lock);

	if (idle) {
		wake_up_process(idle);
		put_task_struct(idle);
	} else if (waiting) {
		wake_up(&queue->wait);
	}
}

static blk_status_t zosbd2_queue_rq(struct blk_mq_hw_ctx *hctx,
				    const struct blk_mq_queue_data *bd)
{
	struct zosbd2_queue *queue = hctx->driver_data;
	blk_status_t status;

	if (unlikely(!zosbd2_rq_is_servable(queue->dev, bd->rq)))
		return BLK_STS_NOTSUPP;

	blk_mq_start_request(bd->rq);

	spin_lock(&queue->lock);
	status = zosbd2_enqueue(queue, bd->rq);
	if (bd->last && status == BLK_STS_OK)
		zosbd2_kick(queue);
	else
		spin_unlock(&queue->lock);
	return status;
}

/* The last of those that were queued was not the last that had been meant to. */
static void zosbd2_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct zosbd2_queue *queue = hctx->driver_data;

	spin_lock(&queue->lock);
	if (zosbd2_fifo_is_empty(&queue->queued))
		spin_unlock(&queue->lock);
	else
		zosbd2_kick(queue);
}

/* Queue those at the head of a list that come through the same queue. */
static void zosbd2_queue_run(struct rq_list *list, struct rq_list *refused)
{
	struct zosbd2_queue *queue = rq_list_peek(list)->mq_hctx->driver_data;
	struct rq_list failed = { };
	struct request *rq;

	spin_lock(&queue->lock);
	while ((rq = rq_list_peek(list)) &&
	       rq->mq_hctx->driver_data == queue) {
		rq_list_pop(list);
		if (unlikely(!zosbd2_rq_is_servable(queue->dev, rq))) {
			rq_list_add_tail(refused, rq);
			continue;
		}
		zosbd2_own_tag(rq);
		blk_mq_start_request(rq);
		if (unlikely(zosbd2_enqueue(queue, rq) != BLK_STS_OK))
			rq_list_add_tail(&failed, rq);
	}
	zosbd2_kick(queue);
	while ((rq = rq_list_pop(&failed)))
		zosbd2_rq_end(rq, BLK_STS_IOERR);
}

/* What stays in the list goes to queue_rq, which has the answer. */
static void zosbd2_queue_rqs(struct rq_list *list)
{
	struct rq_list refused = { };

	while (!rq_list_empty(list))
		zosbd2_queue_run(list, &refused);
	*list = refused;
}

BLK_MQ_QUEUE_RQS(zosbd2_queue_rqs)

static enum blk_eh_timer_return zosbd2_timeout(struct request *rq)
{
	struct zosbd2_queue *queue = rq->mq_hctx->driver_data;
	int tag = READ_ONCE(rq->tag);
	struct zosbd2_slot *slot;
	long left;

	/* It has just ended, and was one whose tag a flush had borrowed. */
	if (tag < 0)
		return BLK_EH_RESET_TIMER;
	slot = &queue->slots[tag];

	spin_lock(&queue->lock);
	/*
	 * Either queue_rq was held up between starting the request and taking
	 * the lock, or the request has just ended, where a timer does no harm.
	 */
	if (slot->rq != rq || slot->state == ZOSBD2_SLOT_ENDING) {
		spin_unlock(&queue->lock);
		/* Nor if who should have polled for its end has not. */
		zosbd2_requests_reap(queue, NULL);
		return BLK_EH_RESET_TIMER;
	}
	left = slot->deadline - jiffies;
	if (slot->extended && left > 0) {
		rq->timeout = left;
		spin_unlock(&queue->lock);
		return BLK_EH_RESET_TIMER;
	}
	queue->stats.timeouts++;
	trace_zosbd2_timed_out(queue->dev->handle_id, slot->id, rq);
	if (slot->state == ZOSBD2_SLOT_OWNED) {
		slot->doomed = true;
		spin_unlock(&queue->lock);
		return BLK_EH_DONE;
	}
	if (slot->state == ZOSBD2_SLOT_QUEUED) {
		zosbd2_fifo_remove(&queue->queued, slot);
		queue->stats.queued--;
	}
	zosbd2_request_end(queue, slot, BLK_STS_IOERR);
	return BLK_EH_DONE;
}

static int zosbd2_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *batch)
{
	return zosbd2_requests_reap(hctx->driver_data, batch);
}

static void zosbd2_map_queues(struct blk_mq_tag_set *set)
{
	struct zosbd2_device *dev = set->driver_data;
	unsigned int ordinary = dev->nr_queues - dev->nr_poll_queues;
	struct blk_mq_queue_map *map = set->map;

	map[HCTX_TYPE_DEFAULT].nr_queues = ordinary;
	map[HCTX_TYPE_DEFAULT].queue_offset = 0;
	blk_mq_map_queues(&map[HCTX_TYPE_DEFAULT]);
	if (!dev->nr_poll_queues)
		return;
	map[HCTX_TYPE_READ].nr_queues = 0;
	map[HCTX_TYPE_POLL].nr_queues = dev->nr_poll_queues;
	map[HCTX_TYPE_POLL].queue_offset = ordinary;
	blk_mq_map_queues(&map[HCTX_TYPE_POLL]);
}

static int zosbd2_init_hctx(struct blk_mq_hw_ctx *hctx, void *data,
			    unsigned int index)
{
	struct zosbd2_device *dev = data;

	hctx->driver_data = &dev->queues[index];
	return 0;
}

const struct blk_mq_ops zosbd2_mq_ops = {
	.queue_rq	= zosbd2_queue_rq,
	.queue_rqs	= BLK_MQ_OP_6_13(zosbd2_queue_rqs),
	.commit_rqs	= zosbd2_commit_rqs,
	.timeout	= zosbd2_timeout,
	.poll		= zosbd2_poll,
	.map_queues	= zosbd2_map_queues,
	.init_hctx	= zosbd2_init_hctx,
};

/**
 * zosbd2_blk_limits - what the block layer may send
 * @dev: the device
 * @lim: zeroed, filled in here
 *
 * Without ZOSBD2_FEATURE_FLUSH there is no volatile write cache: a write is as
 * durable as its server made it before it answered.
 */
void zosbd2_blk_limits(const struct zosbd2_device *dev,
		       struct queue_limits *lim)
{
	lim->logical_block_size = dev->block_size;
	lim->physical_block_size = dev->physical_block_size;
	lim->io_min = dev->physical_block_size;
	lim->io_opt = dev->io_opt;
	lim->max_hw_sectors = dev->max_io_bytes >> SECTOR_SHIFT;
	lim->max_segments = dev->max_segments;
	lim->max_segment_size = dev->max_io_bytes;
	/* Memory of a block can be in as many pieces as it has sectors. */
	lim->dma_alignment = SECTOR_SIZE - 1;
	if (dev->max_segments < dev->block_size >> SECTOR_SHIFT)
		lim->dma_alignment = min_t(u32, dev->block_size, PAGE_SIZE) - 1;
	zosbd2_limit_cache(lim, dev->features & ZOSBD2_FEATURE_FLUSH,
			   dev->features & ZOSBD2_FEATURE_FUA);
	zosbd2_limit_rotational(lim, dev->features & ZOSBD2_FEATURE_ROTATIONAL);
	if (dev->features & ZOSBD2_FEATURE_READ_ONLY)
		return;
	lim->max_hw_discard_sectors = dev->max_discard_bytes >> SECTOR_SHIFT;
	lim->max_discard_segments = 1;
	lim->discard_granularity = dev->discard_granularity;
	if (dev->features & ZOSBD2_FEATURE_WRITE_ZEROES)
		lim->max_write_zeroes_sectors =
			dev->max_discard_bytes >> SECTOR_SHIFT;
}
