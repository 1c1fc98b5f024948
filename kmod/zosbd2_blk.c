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
 *	FETCHED --write, discard or failed answer--> IDLE
 *	QUEUED, FETCHED --time-out--> IDLE
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
 * generation that grows with each use of the slot: an answer to an earlier
 * use of the tag finds nothing.
 */
#include <linux/hdreg.h>
#include <linux/module.h>

#include "zosbd2.h"
#include "zosbd2_trace.h"

/* Heads and sectors of the geometry that we make up: cylinders of 1 MiB. */
#define ZOSBD2_GEO_HEADS	64
#define ZOSBD2_GEO_SECTORS	32

/*
 * Discards carry no data, but a server may walk over what they cover, and the
 * time-out runs meanwhile.
 */
#define ZOSBD2_MAX_DISCARD_BYTES	(128U << 20)

static bool zosbd2_rq_is_servable(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		return blk_rq_bytes(rq) <= ZOSBD2_MAX_DATA_BYTES;
	case REQ_OP_DISCARD:
		return true;
	default:
		return false;
	}
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

	if (unlikely(!zosbd2_rq_is_servable(rq)))
		return BLK_STS_NOTSUPP;

	blk_mq_start_request(rq);

	spin_lock(&dev->lock);
	if (unlikely(dev->gone)) {
		spin_unlock(&dev->lock);
		return BLK_STS_IOERR;
	}
	slot->rq = rq;
	slot->id = zosbd2_next_id(dev, slot->id);
	slot->state = ZOSBD2_SLOT_QUEUED;
	slot->doomed = false;
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
		dev->stats.write_bytes += blk_rq_bytes(rq);
		break;
	default:
		dev->stats.discard_bytes += blk_rq_bytes(rq);
		break;
	}
}

/**
 * zosbd2_blk_end - end the request of a slot and drop the lock
 * @dev: the device, dev->lock held
 * @slot: fetched, taken off the queue, or owned by the caller
 * @status: how the request ends
 */
void zosbd2_blk_end(struct zosbd2_device *dev, struct zosbd2_slot *slot,
		    blk_status_t status)
{
	struct request *rq = slot->rq;

	zosbd2_count_end(dev, rq, status);
	slot->rq = NULL;
	slot->state = ZOSBD2_SLOT_IDLE;
	spin_unlock(&dev->lock);

	blk_mq_end_request(rq, status);
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
	struct zosbd2_slot *slot, *next;
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
			list_del(&slot->node);
			dev->stats.queued--;
			fallthrough;
		case ZOSBD2_SLOT_FETCHED:
			slot->state = ZOSBD2_SLOT_ENDING;
			list_add_tail(&slot->node, &ending);
			break;
		}
	}
	spin_unlock(&dev->lock);

	list_for_each_entry_safe(slot, next, &ending, node) {
		spin_lock(&dev->lock);
		zosbd2_blk_end(dev, slot, BLK_STS_IOERR);
	}
	wake_up_all(&dev->wait);
	/* The write-back may be cancelled before it has begun. */
	wake_up_all(&dev->sync_wait);
}

/**
 * zosbd2_blk_limits - what the block layer may send
 * @dev: the device
 * @lim: zeroed, filled in here
 *
 * No volatile write cache: a classic server knows no flush, a write is as
 * durable as it made it before it answered.
 */
void zosbd2_blk_limits(const struct zosbd2_device *dev,
		       struct queue_limits *lim)
{
	lim->logical_block_size = ZOSBD2_BLOCK_SIZE;
	lim->physical_block_size = ZOSBD2_BLOCK_SIZE;
	lim->max_hw_sectors = ZOSBD2_MAX_DATA_BYTES >> SECTOR_SHIFT;
	lim->max_segments = dev->max_segments;
	lim->max_segment_size = ZOSBD2_MAX_DATA_BYTES;
	lim->max_hw_discard_sectors = ZOSBD2_MAX_DISCARD_BYTES >> SECTOR_SHIFT;
	lim->max_discard_segments = 1;
	lim->discard_granularity = ZOSBD2_BLOCK_SIZE;
}

static int zosbd2_bdev_open(struct gendisk *disk, blk_mode_t mode)
{
	return zosbd2_client_open(disk->private_data, mode & BLK_OPEN_WRITE);
}

BDEV_OP_OPEN(zosbd2_bdev_open)

static void zosbd2_bdev_release(struct gendisk *disk)
{
	zosbd2_client_release(disk->private_data);
}

BDEV_OP_RELEASE(zosbd2_bdev_release)

/* The disk may be dead already: its openers still learn so from here. */
static int zosbd2_bdev_ioctl(struct block_device *bdev, blk_mode_t mode,
			     unsigned int cmd, unsigned long arg)
{
	struct zosbd2_device *dev = bdev->bd_disk->private_data;

	switch (cmd) {
	case ZOSBD2_IOCTL_DEVICE_PING:
	case ZOSBD2_IOCTL_DEVICE_OPERATION:
		break;
	default:
		return -ENOTTY;
	}

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (cmd == ZOSBD2_IOCTL_DEVICE_PING)
		return READ_ONCE(dev->gone) ? -ENOENT : 0;
	if (!(mode & BLK_OPEN_WRITE))
		return -EBADF;
	return zosbd2_serve(dev, (void __user *)arg);
}

static int zosbd2_bdev_getgeo(struct gendisk *disk, struct hd_geometry *geo)
{
	sector_t cylinders = get_capacity(disk);

	sector_div(cylinders, ZOSBD2_GEO_HEADS * ZOSBD2_GEO_SECTORS);
	geo->heads = ZOSBD2_GEO_HEADS;
	geo->sectors = ZOSBD2_GEO_SECTORS;
	geo->cylinders = min_t(sector_t, cylinders, U16_MAX);
	return 0;
}

BDEV_OP_GETGEO(zosbd2_bdev_getgeo)

/* Only for disks that were added; the last opener has closed by then. */
static void zosbd2_bdev_free_disk(struct gendisk *disk)
{
	zosbd2_dev_put(disk->private_data);
}

/*
 * No compat_ioctl: the layouts of 32-bit processes differ, and without it
 * they get ENOTTY.
 */
const struct block_device_operations zosbd2_bdev_ops = {
	.owner		= THIS_MODULE,
	.open		= BDEV_OP_6_5(zosbd2_bdev_open),
	.release	= BDEV_OP_6_5(zosbd2_bdev_release),
	.ioctl		= zosbd2_bdev_ioctl,
	.getgeo		= BDEV_OP_6_18(zosbd2_bdev_getgeo),
	.free_disk	= zosbd2_bdev_free_disk,
};
