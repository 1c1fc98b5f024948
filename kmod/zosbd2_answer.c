// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the answers of servers: which request they are for, and its end.
 */
#include <linux/nospec.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "zosbd2.h"
#include "zosbd2_trace.h"

static struct zosbd2_slot *zosbd2_find_fetched(struct zosbd2_queue *queue,
					       u32 id)
	__must_hold(&queue->lock)
{
	struct zosbd2_device *dev = queue->dev;
	u32 tag = id & ((1U << dev->tag_bits) - 1);
	struct zosbd2_slot *slot;

	if (tag >= dev->queue_depth)
		return NULL;
	slot = &queue->slots[array_index_nospec(tag, dev->queue_depth)];
	if (slot->state != ZOSBD2_SLOT_FETCHED || (u32)slot->id != id)
		return NULL;
	return slot;
}

/*
 * A response that says nothing about its length is one of a server that wrote
 * or discarded everything: only a read has data that must be there.
 */
static bool zosbd2_length_fits(struct request *rq, u64 total_length)
{
	if (total_length == blk_rq_bytes(rq))
		return true;
	return req_op(rq) != REQ_OP_READ && !total_length;
}

/*
 * Copy the data of a read into the pages of its request, and end it.  Called
 * with queue->lock held, returns without it.  Returns false if the buffer's
 * pages were not there: then the request is with @server.
 */
static bool zosbd2_finish_read(struct zosbd2_queue *queue,
			       struct zosbd2_server *server,
			       struct zosbd2_slot *slot, void __user *data)
	__releases(&queue->lock)
{
	bool copied;

	/* Another process may have fetched it. */
	zosbd2_request_take_away(queue, slot);
	zosbd2_request_give(slot, server);
	slot->state = ZOSBD2_SLOT_OWNED;
	spin_unlock(&queue->lock);

	pagefault_disable();
	copied = zosbd2_copy_from_server(slot->rq, data);
	pagefault_enable();

	spin_lock(&queue->lock);
	if (copied || slot->doomed) {
		trace_zosbd2_answered(queue->dev->handle_id, slot->id, 0);
		zosbd2_request_end(queue, slot,
				   slot->doomed ? BLK_STS_IOERR : BLK_STS_OK);
		return true;
	}
	zosbd2_request_disown(queue, slot);
	spin_unlock(&queue->lock);
	return false;
}

/**
 * zosbd2_status - what an error of a server is to the block layer
 * @rq: the request
 * @error: 0 or a negative errno; any that is not known is one of I/O
 *
 * Return: BLK_STS_*.
 */
blk_status_t zosbd2_status(const struct request *rq, s32 error)
{
	switch (error) {
	case 0:
		return BLK_STS_OK;
	case -ENOSPC:
		return BLK_STS_NOSPC;
	case -EOPNOTSUPP:
		/* fsync() takes this for a device that needs no flush. */
		if (req_op(rq) == REQ_OP_FLUSH)
			return BLK_STS_IOERR;
		return BLK_STS_NOTSUPP;
	default:
		return BLK_STS_IOERR;
	}
}

/* Nobody waits for this server any more.  See zosbd2_takeover.c for the lock. */
static bool zosbd2_is_out(const struct zosbd2_queue *queue,
			  const struct zosbd2_server *server)
	__must_hold(&queue->lock)
{
	u64 retired_by = READ_ONCE(server->retired_by);

	return !READ_ONCE(server->attached) ||
	       (retired_by && retired_by != READ_ONCE(queue->dev->take_over));
}

/**
 * zosbd2_answer - take an answer
 * @queue: the queue that the request came through
 * @server: whose it is, NULL when the device is gone
 * @head: the start of the buffer
 * @tail: and the end of the struct in it
 * @data: what is behind that
 *
 * An operation id that names no request that is with a server is no error: the
 * answer came late, or a second time.  So did any answer of a server that has
 * been detached or is retired for good: it has no request any more, and nobody
 * would take one away from it that it got by copying the data of a read.
 *
 * Return: 0; -EINVAL, -EFAULT or -EINTR, and then the request stays with its
 * server.
 */
int zosbd2_answer(struct zosbd2_queue *queue, struct zosbd2_server *server,
		  const struct zosbd2_head *head,
		  const struct zosbd2_tail *tail, void __user *data)
{
	struct zosbd2_slot *slot;
	struct request *rq;
	unsigned int bytes;

	for (;;) {
		spin_lock(&queue->lock);
		slot = zosbd2_find_fetched(queue, tail->operation_id);
		if (!slot || !server || zosbd2_is_out(queue, server))
			break;
		rq = slot->rq;
		bytes = blk_rq_bytes(rq);
		if (head->header.operation != zosbd2_response_op(rq) ||
		    (!tail->error &&
		     !zosbd2_length_fits(rq, head->response.total_length))) {
			spin_unlock(&queue->lock);
			return -EINVAL;
		}
		if (tail->error || req_op(rq) != REQ_OP_READ) {
			trace_zosbd2_answered(queue->dev->handle_id, slot->id,
					      tail->error);
			zosbd2_request_end(queue, slot,
					   zosbd2_status(rq, tail->error));
			return 0;
		}
		if (!access_ok(data, bytes)) {
			spin_unlock(&queue->lock);
			return -EFAULT;
		}
		if (zosbd2_finish_read(queue, server, slot, data))
			return 0;

		if (fault_in_readable(data, bytes))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	queue->stats.late_answers++;
	spin_unlock(&queue->lock);
	return 0;
}
