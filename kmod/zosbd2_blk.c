// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the block layer's side: requests come in, time out and end here.
 *
 * The life of a request
 * ---------------------
 * Every tag of a device has a slot.  The slot's state, under dev->lock, says
 * who may end the request, so that it is ended once and never touched after:
 *
 *	IDLE --queue_rq--> QUEUED --fetch--> OWNED --copied--> FETCHED
 *	                      ^                |
 *	                      +---bad buffer---+
 *	FETCHED --read answer--> OWNED --copied--> IDLE
 *	             ^             |
 *	             +-bad buffer--+
 *	FETCHED --any other or failed answer--> IDLE
 *	FETCHED --server gone, recovery "wait"--> QUEUED
 *	FETCHED --server gone, recovery "fail"--> ENDING --> IDLE
 *	QUEUED, FETCHED --time-out--> IDLE
 *	QUEUED --last server gone, recovery "fail"--> ENDING --> IDLE
 *	QUEUED, FETCHED --kill--> ENDING --> IDLE
 *
 * In QUEUED and FETCHED whoever holds dev->lock may take the request away.
 * OWNED belongs to the one thread that copies data between its pages and a
 * server's buffer.  That copy takes no page fault, hence a bounded time;
 * time-out and kill only set slot->doomed, and the owner fails the request
 * when the copy is over.  blk_mq_end_request() is always called without
 * dev->lock, after the slot has become idle: the tag, and with it the slot,
 * is free for the next request from then on.
 *
 * A request is found again by its operation id, which is the tag and a
 * generation that grows with each use of the slot and each time its request
 * is handed on: an answer to an earlier use of the tag, or of a server that is
 * gone, finds nothing.
 *
 * The time-out of a request runs from when it was queued, and anew from when
 * its server or the last server was lost and from when a request that was
 * handed on is fetched again.
 */
#include <linux/jiffies.h>

#include "zosbd2.h"
#include "zosbd2_trace.h"

/*
 * Discards carry no data, but a server may walk over what they cover, and the
 * time-out runs meanwhile.
 */
#define ZOSBD2_MAX_DISCARD_BYTES	(128U << 20)

static bool zosbd2_rq_is_servable(const struct zosbd2_device *dev,
				  struct request *rq)
{
	/* The block layer only warns, and device mapper writes all the same. */
	bool writable = !(dev->features & ZOSBD2_FEATURE_READ_ONLY);

	switch (req_op(rq)) {
	case REQ_OP_READ:
		return blk_rq_bytes(rq) <= ZOSBD2_MAX_DATA_BYTES;
	case REQ_OP_WRITE:
		return writable && blk_rq_bytes(rq) <= ZOSBD2_MAX_DATA_BYTES;
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
	__must_hold(&dev->lock)
{
	return dev->lost &&
	       (dev->recovery == ZOSBD2_RECOVERY_FAIL ||
		time_after(jiffies, dev->lost_at + dev->timeout_seconds * HZ));
}

/*
 * The block layer checks a partition's end and not the device's, which may
 * have come nearer since.
 */
static bool zosbd2_is_inside(const struct zosbd2_device *dev,
			     struct request *rq)
	__must_hold(&dev->lock)
{
	return req_op(rq) == REQ_OP_FLUSH ||
	       blk_rq_pos(rq) + blk_rq_sectors(rq) <=
		       dev->blocks * ZOSBD2_BLOCK_SIZE >> SECTOR_SHIFT;
}

/* Generation 0 is never used, so that a zeroed answer names no request. */
static u32 zosbd2_next_id(const struct zosbd2_device *dev, u32 id)
{
	u32 next = id + (1U << dev->tag_bits);

	if (!(next >> dev->tag_bits))
		next += 1U << dev->tag_bits;
	return next;
}

static blk_status_t zosbd2_queue_rq(struct blk_mq_hw_ctx *hctx,
				    const struct blk_mq_queue_data *bd)
{
	struct zosbd2_device *dev = hctx->queue->queuedata;
	struct request *rq = bd->rq;
	struct zosbd2_slot *slot = &dev->slots[rq->tag];
	bool waiting;

	if (unlikely(!zosbd2_rq_is_servable(dev, rq)))
		return BLK_STS_NOTSUPP;

	blk_mq_start_request(rq);

	spin_lock(&dev->lock);
	if (unlikely(dev->gone || zosbd2_is_given_up(dev) ||
		     !zosbd2_is_inside(dev, rq))) {
		dev->stats.requests++;
		dev->stats.errors++;
		spin_unlock(&dev->lock);
		return BLK_STS_IOERR;
	}
	slot->rq = rq;
	slot->server = NULL;
	slot->id = zosbd2_next_id(dev, slot->id);
	slot->state = ZOSBD2_SLOT_QUEUED;
	slot->doomed = false;
	slot->extended = false;
	slot->handed_on = false;
	list_add_tail(&slot->node, &dev->queued);
	dev->stats.requests++;
	dev->stats.queued++;
	dev->stats.in_flight++;
	trace_zosbd2_queued(dev->handle_id, slot->id, rq);

	/* Pairs with the barrier of a waiter that looks at dev->queued. */
	waiting = wq_has_sleeper(&dev->wait);
	if (!waiting)
		dev->stats.queue_waits++;
	spin_unlock(&dev->lock);

	/*
	 * The request may have ended by now.  dev is still there: its memory
	 * outlives the RCU section that we are called in.
	 */
	if (waiting)
		wake_up(&dev->wait);
	return BLK_STS_OK;
}

static enum blk_eh_timer_return zosbd2_timeout(struct request *rq)
{
	struct zosbd2_device *dev = rq->q->queuedata;
	struct zosbd2_slot *slot = &dev->slots[rq->tag];

	spin_lock(&dev->lock);
	/*
	 * Either queue_rq was held up between starting the request and taking
	 * the lock, or the request has just ended, where a timer does no harm.
	 */
	if (slot->rq != rq || slot->state == ZOSBD2_SLOT_ENDING) {
		spin_unlock(&dev->lock);
		return BLK_EH_RESET_TIMER;
	}
	if (slot->extended && time_before(jiffies, slot->deadline)) {
		rq->timeout = slot->deadline - jiffies;
		spin_unlock(&dev->lock);
		return BLK_EH_RESET_TIMER;
	}
	dev->stats.timeouts++;
	trace_zosbd2_timed_out(dev->handle_id, slot->id, rq);
	if (slot->state == ZOSBD2_SLOT_OWNED) {
		slot->doomed = true;
		spin_unlock(&dev->lock);
		return BLK_EH_DONE;
	}
	if (slot->state == ZOSBD2_SLOT_QUEUED) {
		list_del(&slot->node);
		dev->stats.queued--;
	}
	zosbd2_blk_end(dev, slot, BLK_STS_IOERR);
	return BLK_EH_DONE;
}

const struct blk_mq_ops zosbd2_mq_ops = {
	.queue_rq	= zosbd2_queue_rq,
	.timeout	= zosbd2_timeout,
};

static void zosbd2_count_end(struct zosbd2_device *dev, struct request *rq,
			     blk_status_t status)
{
	dev->stats.in_flight--;
	if (status != BLK_STS_OK) {
		dev->stats.errors++;
		return;
	}
	switch (req_op(rq)) {
	case REQ_OP_READ:
		dev->stats.read_bytes += blk_rq_bytes(rq);
		break;
	case REQ_OP_WRITE:
	case REQ_OP_WRITE_ZEROES:
		dev->stats.write_bytes += blk_rq_bytes(rq);
		break;
	case REQ_OP_FLUSH:
		dev->stats.flushes++;
		break;
	default:
		dev->stats.discard_bytes += blk_rq_bytes(rq);
		break;
	}
}

/**
 * zosbd2_blk_take_away - note that a request is with no server any more
 * @dev: the device, dev->lock held
 * @slot: its slot
 */
void zosbd2_blk_take_away(struct zosbd2_device *dev, struct zosbd2_slot *slot)
{
	/* Somebody waits until a server that he takes over from has none. */
	if (slot->server && slot->server->retired_by)
		wake_up_all(&dev->retired_wait);
	slot->server = NULL;
}

/**
 * zosbd2_blk_end - end the request of a slot and drop the lock
 * @dev: the device, dev->lock held
 * @slot: fetched, taken off the queue, or owned by the caller
 * @status: how the request ends
 */
void zosbd2_blk_end(struct zosbd2_device *dev, struct zosbd2_slot *slot,
		    blk_status_t status)
	__releases(&dev->lock)
{
	struct request *rq = slot->rq;

	zosbd2_count_end(dev, rq, status);
	slot->rq = NULL;
	slot->state = ZOSBD2_SLOT_IDLE;
	zosbd2_blk_take_away(dev, slot);
	spin_unlock(&dev->lock);

	blk_mq_end_request(rq, status);
}

/**
 * zosbd2_blk_extend - start the time-out of a request again
 * @dev: the device, dev->lock held
 * @slot: not idle
 */
void zosbd2_blk_extend(struct zosbd2_device *dev, struct zosbd2_slot *slot)
{
	slot->deadline = jiffies + dev->timeout_seconds * HZ;
	slot->extended = true;
}

/**
 * zosbd2_blk_hand_on - put a request back whose server is gone
 * @dev: the device, dev->lock held
 * @slot: fetched, or owned by the caller
 */
void zosbd2_blk_hand_on(struct zosbd2_device *dev, struct zosbd2_slot *slot)
{
	zosbd2_blk_take_away(dev, slot);
	slot->id = zosbd2_next_id(dev, slot->id);
	slot->state = ZOSBD2_SLOT_QUEUED;
	slot->handed_on = true;
	zosbd2_blk_extend(dev, slot);
	list_add(&slot->node, &dev->queued);
	dev->stats.queued++;
	dev->stats.handed_on++;
	trace_zosbd2_handed_on(dev->handle_id, slot->id, slot->rq);
}

/**
 * zosbd2_blk_disown - stop copying: the request is with its server
 * @dev: the device, dev->lock held
 * @slot: owned by the caller
 */
void zosbd2_blk_disown(struct zosbd2_device *dev, struct zosbd2_slot *slot)
{
	if (slot->server->attached) {
		slot->state = ZOSBD2_SLOT_FETCHED;
		return;
	}
	/* Its server closed the device while one of its threads copied. */
	zosbd2_blk_hand_on(dev, slot);
	wake_up(&dev->wait);
}

/**
 * zosbd2_blk_doom - take a request that is to fail
 * @dev: the device, dev->lock held
 * @slot: queued or fetched
 * @ending: it goes there, for zosbd2_blk_end_doomed()
 */
void zosbd2_blk_doom(struct zosbd2_device *dev, struct zosbd2_slot *slot,
		     struct list_head *ending)
{
	if (slot->state == ZOSBD2_SLOT_QUEUED) {
		list_del(&slot->node);
		dev->stats.queued--;
	}
	/* Its server may be gone before it has ended, and must not see it. */
	zosbd2_blk_take_away(dev, slot);
	slot->state = ZOSBD2_SLOT_ENDING;
	list_add_tail(&slot->node, ending);
}

/**
 * zosbd2_blk_end_doomed - fail requests
 * @dev: the device
 * @ending: those that zosbd2_blk_doom() has taken
 */
void zosbd2_blk_end_doomed(struct zosbd2_device *dev, struct list_head *ending)
{
	struct zosbd2_slot *slot, *next;

	list_for_each_entry_safe(slot, next, ending, node) {
		spin_lock(&dev->lock);
		zosbd2_blk_end(dev, slot, BLK_STS_IOERR);
	}
}

/**
 * zosbd2_blk_kill - fail what is under way and let every server go
 * @dev: the device
 *
 * From here on no request is accepted.  Those that a thread is copying right
 * now are failed by that thread.  Safe to call again.
 */
void zosbd2_blk_kill(struct zosbd2_device *dev)
{
	struct zosbd2_slot *slot;
	unsigned int i;
	LIST_HEAD(ending);

	spin_lock(&dev->lock);
	WRITE_ONCE(dev->gone, true);
	for (i = 0; i < dev->queue_depth; i++) {
		slot = &dev->slots[i];
		switch (slot->state) {
		case ZOSBD2_SLOT_OWNED:
			slot->doomed = true;
			break;
		case ZOSBD2_SLOT_QUEUED:
		case ZOSBD2_SLOT_FETCHED:
			zosbd2_blk_doom(dev, slot, &ending);
			break;
		}
	}
	spin_unlock(&dev->lock);

	zosbd2_blk_end_doomed(dev, &ending);
	wake_up_all(&dev->wait);
	wake_up_all(&dev->retired_wait);
	/* The write-back may be cancelled before it has begun. */
	wake_up_all(&dev->sync_wait);
}

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
	lim->logical_block_size = ZOSBD2_BLOCK_SIZE;
	lim->physical_block_size = ZOSBD2_BLOCK_SIZE;
	lim->max_hw_sectors = ZOSBD2_MAX_DATA_BYTES >> SECTOR_SHIFT;
	lim->max_segments = dev->max_segments;
	lim->max_segment_size = ZOSBD2_MAX_DATA_BYTES;
	zosbd2_limit_cache(lim, dev->features & ZOSBD2_FEATURE_FLUSH,
			   dev->features & ZOSBD2_FEATURE_FUA);
	if (dev->features & ZOSBD2_FEATURE_READ_ONLY)
		return;
	lim->max_hw_discard_sectors = ZOSBD2_MAX_DISCARD_BYTES >> SECTOR_SHIFT;
	lim->max_discard_segments = 1;
	lim->discard_granularity = ZOSBD2_BLOCK_SIZE;
	if (dev->features & ZOSBD2_FEATURE_WRITE_ZEROES)
		lim->max_write_zeroes_sectors =
			ZOSBD2_MAX_DISCARD_BYTES >> SECTOR_SHIFT;
}
