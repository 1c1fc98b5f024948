// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: a request between its coming in and its end.
 *
 * The life of a request
 * ---------------------
 * Every tag of a device has a slot.  The slot's state, under queue->lock, says
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
 * In QUEUED and FETCHED whoever holds queue->lock may take the request away.
 * OWNED belongs to the one thread that copies data between its pages and a
 * server's buffer.  That copy takes no page fault, hence a bounded time;
 * time-out and kill only set slot->doomed, and the owner fails the request
 * when the copy is over.  blk_mq_end_request() is always called without
 * queue->lock, after the slot has become idle: the tag, and with it the slot,
 * is free for the next request from then on.
 *
 * The module ends requests as most drivers do, who are in an interrupt then: it
 * calls blk_mq_end_request() between zosbd2_ending_begin() and _end().  The end
 * of a bio may drop the last reference to a file, as that of an asynchronous
 * read does whose file has been closed meanwhile, and fput() leaves the rest to
 * the calling task, to be done on its way back to userspace.  A server would be
 * that task: it would not get there as long as it waits for its next request,
 * and then release a disk whose open_mutex is held by somebody who waits for
 * it, or free blocks of a file system that it has to read from itself.  With
 * bottom halves off, fput() leaves the rest to a work item (the kernel's ublk
 * driver does that since commit c258f5c4502c, "ublk: fix deadlock when reading
 * partition table").  It is one for all: while it waits for a device whose
 * server is stuck, files of others that end like this wait too.  Interrupts are
 * off for who decides by them and in_task() whether he may sleep, f2fs in
 * f2fs_read_end_io().  On PREEMPT_RT they stay on, as they do there for others.
 * What a poller has collected, and what queue_rq refuses, the block layer ends,
 * in the task of the submitter.  Of polled requests none closes a file: who
 * polls for them has it open.
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

static void zosbd2_count_end(struct zosbd2_queue *queue, struct request *rq,
			     blk_status_t status)
	__must_hold(&queue->lock)
{
	queue->stats.in_flight--;
	if (status != BLK_STS_OK) {
		queue->stats.errors++;
		return;
	}
	switch (req_op(rq)) {
	case REQ_OP_READ:
		queue->stats.read_bytes += blk_rq_bytes(rq);
		break;
	case REQ_OP_WRITE:
	case REQ_OP_WRITE_ZEROES:
		queue->stats.write_bytes += blk_rq_bytes(rq);
		break;
	case REQ_OP_FLUSH:
		queue->stats.flushes++;
		break;
	default:
		queue->stats.discard_bytes += blk_rq_bytes(rq);
		break;
	}
}

/**
 * zosbd2_request_take_away - note that a request is with no server any more
 * @queue: its queue, lock held
 * @slot: its slot
 */
void zosbd2_request_take_away(struct zosbd2_queue *queue,
			      struct zosbd2_slot *slot)
{
	struct zosbd2_server *server = slot->server;

	if (!server)
		return;
	slot->server = NULL;
	/* Somebody waits until a server that he takes over from has none. */
	if (!--server->held && READ_ONCE(server->retired_by))
		wake_up_all(&queue->dev->retired_wait);
}

/**
 * zosbd2_request_take - take a request out of its slot, to end it
 * @queue: its queue, lock held
 * @slot: fetched, taken off the queue, or owned by the caller
 * @status: how the request will end
 *
 * Return: the request, to be ended without the lock.
 */
struct request *zosbd2_request_take(struct zosbd2_queue *queue,
				    struct zosbd2_slot *slot,
				    blk_status_t status)
{
	struct request *rq = slot->rq;

	zosbd2_count_end(queue, rq, status);
	slot->rq = NULL;
	slot->state = ZOSBD2_SLOT_IDLE;
	zosbd2_request_take_away(queue, slot);
	return rq;
}

/**
 * zosbd2_rq_end - end a request
 * @rq: the request, whose slot is idle
 * @status: how it ends
 */
void zosbd2_rq_end(struct request *rq, blk_status_t status)
{
	unsigned long flags;

	/* Its bio goes to a cache that must not be touched like this (6.1). */
	if (unlikely(rq->cmd_flags & REQ_POLLED)) {
		blk_mq_end_request(rq, status);
		return;
	}
	flags = zosbd2_ending_begin();
	blk_mq_end_request(rq, status);
	zosbd2_ending_end(flags);
}

/**
 * zosbd2_requests_reap - end what was left to who polls
 * @queue: the queue
 * @batch: collects them, or NULL
 *
 * Return: how many there were.
 */
int zosbd2_requests_reap(struct zosbd2_queue *queue,
			 struct io_comp_batch *batch)
{
	struct request *rq, *next;
	LIST_HEAD(polled);
	int count = 0;

	/* Asked all the time by who polls. */
	if (list_empty_careful(&queue->polled))
		return 0;
	spin_lock(&queue->lock);
	list_splice_init(&queue->polled, &polled);
	spin_unlock(&queue->lock);
	list_for_each_entry_safe(rq, next, &polled, queuelist) {
		list_del_init(&rq->queuelist);
		if (!blk_mq_add_to_batch(rq, batch, false,
					 blk_mq_end_request_batch))
			zosbd2_rq_end(rq, BLK_STS_OK);
		count++;
	}
	return count;
}

/**
 * zosbd2_request_end - end the request of a slot and drop the lock
 * @queue: its queue, lock held
 * @slot: fetched, taken off the queue, or owned by the caller
 * @status: how the request ends
 */
void zosbd2_request_end(struct zosbd2_queue *queue, struct zosbd2_slot *slot,
			blk_status_t status)
	__releases(&queue->lock)
{
	struct request *rq = zosbd2_request_take(queue, slot, status);
	bool left = zosbd2_request_leave(queue, rq, status);

	spin_unlock(&queue->lock);
	if (!left)
		zosbd2_rq_end(rq, status);
}

/**
 * zosbd2_request_extend - start the time-out of a request again
 * @queue: its queue, lock held
 * @slot: not idle
 */
void zosbd2_request_extend(struct zosbd2_queue *queue,
			   struct zosbd2_slot *slot)
{
	slot->deadline = jiffies + queue->dev->timeout_seconds * HZ;
	slot->extended = true;
}

/**
 * zosbd2_request_hand_on - put a request back whose server is gone
 * @queue: its queue, lock held
 * @slot: fetched, or owned by the caller
 */
void zosbd2_request_hand_on(struct zosbd2_queue *queue,
			    struct zosbd2_slot *slot)
{
	zosbd2_request_take_away(queue, slot);
	slot->id = zosbd2_next_id(queue->dev, slot->id);
	slot->state = ZOSBD2_SLOT_QUEUED;
	slot->filled = 0;
	slot->handed_on = true;
	zosbd2_request_extend(queue, slot);
	zosbd2_fifo_add_first(&queue->queued, slot);
	queue->stats.queued++;
	queue->stats.handed_on++;
	trace_zosbd2_handed_on(queue->dev->handle_id, slot->id, slot->rq);
}

/**
 * zosbd2_request_disown - stop copying: the request is with its server
 * @queue: its queue, lock held
 * @slot: owned by the caller
 */
void zosbd2_request_disown(struct zosbd2_queue *queue,
			   struct zosbd2_slot *slot)
{
	if (READ_ONCE(slot->server->attached)) {
		slot->state = ZOSBD2_SLOT_FETCHED;
		return;
	}
	/* Its server closed the device while one of its threads copied. */
	zosbd2_request_hand_on(queue, slot);
	zosbd2_queue_wake_locked(queue);
}

/**
 * zosbd2_request_doom - take a request that is to fail
 * @queue: its queue, lock held
 * @slot: queued or fetched
 * @ending: it goes there, for zosbd2_requests_end_doomed()
 */
void zosbd2_request_doom(struct zosbd2_queue *queue, struct zosbd2_slot *slot,
			 struct zosbd2_fifo *ending)
{
	if (slot->state == ZOSBD2_SLOT_QUEUED) {
		zosbd2_fifo_remove(&queue->queued, slot);
		queue->stats.queued--;
	}
	/* Its server may be gone before it has ended, and must not see it. */
	zosbd2_request_take_away(queue, slot);
	slot->state = ZOSBD2_SLOT_ENDING;
	zosbd2_fifo_add(ending, slot);
}

/**
 * zosbd2_requests_end_doomed - fail requests
 * @ending: those that zosbd2_request_doom() has taken
 */
void zosbd2_requests_end_doomed(struct zosbd2_fifo *ending)
{
	struct zosbd2_queue *queue;
	struct zosbd2_slot *slot;

	while (!zosbd2_fifo_is_empty(ending)) {
		slot = zosbd2_fifo_take(ending);
		queue = slot->rq->mq_hctx->driver_data;
		spin_lock(&queue->lock);
		zosbd2_request_end(queue, slot, BLK_STS_IOERR);
	}
}
