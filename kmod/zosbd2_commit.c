// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the answers of a channel: copied out of its ring and carried out.
 *
 * They are taken in rounds.  A round claims its requests under the queue's lock,
 * copies their data without it, and under it again ends them or gives them back
 * to the server; they are owned in between, see zosbd2_request.c, so the copy
 * takes no page fault.  When memory of the server is not there, the round ends
 * before that answer, which is tried again when the memory has been brought in.
 */
#include <linux/blk-mq.h>
#include <linux/highmem.h>
#include <linux/nospec.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "zosbd2.h"
#include "zosbd2_trace.h"

/* Bytes from which on a round is long enough. */
#define ZOSBD2_ROUND_BYTES	SZ_1M

static bool zosbd2_ends(const struct zosbd2_reply *reply)
{
	return reply->answer.flags & ZOSBD2_ANSWER_END;
}

static bool zosbd2_copies(const struct zosbd2_reply *reply)
{
	return reply->answer.flags & ZOSBD2_ANSWER_COPY;
}

/* What can be said of an answer without looking at its request. */
static bool zosbd2_answer_is_sane(const struct zosbd2_ring_answer *answer)
{
	const unsigned int all = ZOSBD2_ANSWER_COPY | ZOSBD2_ANSWER_END;

	if (!(answer->flags & all) || answer->flags & ~all ||
	    answer->reserved)
		return false;
	/* An error is for the end of a request, and without data. */
	return !answer->error || answer->flags == ZOSBD2_ANSWER_END;
}

/* Fills the length in. */
static int zosbd2_check_copy(const struct zosbd2_slot *slot,
			     struct zosbd2_ring_answer *answer)
{
	unsigned int bytes = blk_rq_bytes(slot->rq);
	bool reads = req_op(slot->rq) == REQ_OP_READ;

	if (!reads && req_op(slot->rq) != REQ_OP_WRITE)
		return -EBADMSG;
	if (answer->offset > bytes)
		return -EBADMSG;
	if (!answer->length_bytes)
		answer->length_bytes = bytes - answer->offset;
	if (answer->length_bytes > bytes - answer->offset ||
	    (reads && answer->offset != slot->filled))
		return -EBADMSG;
	if (!access_ok(u64_to_user_ptr(answer->address), answer->length_bytes))
		return -EFAULT;
	return 0;
}

static struct zosbd2_slot *zosbd2_find_own(struct zosbd2_queue *queue,
					   const struct zosbd2_server *server,
					   u64 id)
	__must_hold(&queue->lock)
{
	const struct zosbd2_device *dev = queue->dev;
	u32 tag = id & ((1U << dev->tag_bits) - 1);
	struct zosbd2_slot *slot;

	if (tag >= dev->queue_depth)
		return NULL;
	slot = &queue->slots[array_index_nospec(tag, dev->queue_depth)];
	return slot->id == id && slot->server == server ? slot : NULL;
}

/*
 * Claim the requests of a round.  Returns how many of its answers can be
 * carried out, with what is wrong about the next one.
 */
static unsigned int zosbd2_claim(struct zosbd2_channel *channel,
				 unsigned int count, int *err)
{
	struct zosbd2_reply *round = channel->round;
	struct zosbd2_queue *queue = zosbd2_channel_queue(channel);
	struct zosbd2_slot *slot;
	unsigned int i;
	u64 bytes = 0;

	spin_lock(&queue->lock);
	for (i = 0; i < count && bytes < ZOSBD2_ROUND_BYTES; i++) {
		*err = zosbd2_answer_is_sane(&round[i].answer) ? 0 : -EBADMSG;
		if (*err)
			break;
		slot = zosbd2_find_own(queue, channel->server,
				       round[i].answer.id);
		/* The next piece of a read has to wait for its turn. */
		if (slot && slot->state == ZOSBD2_SLOT_OWNED)
			break;
		if (!slot || slot->state != ZOSBD2_SLOT_FETCHED) {
			round[i].slot = NULL;
			queue->stats.late_answers++;
			continue;
		}
		if (zosbd2_copies(&round[i]))
			*err = zosbd2_check_copy(slot, &round[i].answer);
		if (*err)
			break;
		bytes += round[i].answer.length_bytes;
		round[i].slot = slot;
		round[i].reads = req_op(slot->rq) == REQ_OP_READ;
		slot->state = ZOSBD2_SLOT_OWNED;
	}
	spin_unlock(&queue->lock);
	return i;
}

/* Copy what an answer says.  Returns false if memory was not there. */
static bool zosbd2_carry_out(const struct zosbd2_reply *reply)
{
	const struct zosbd2_ring_answer *answer = &reply->answer;
	struct request *rq = reply->slot->rq;
	u32 filled = reply->slot->filled;

	if (zosbd2_copies(reply)) {
		if (!zosbd2_copy_piece(rq, u64_to_user_ptr(answer->address),
				       answer->offset, answer->length_bytes))
			return false;
		if (reply->reads)
			filled += answer->length_bytes;
	}
	if (reply->reads && zosbd2_ends(reply) && !answer->error &&
	    filled < blk_rq_bytes(rq))
		zosbd2_zero_rest(rq, filled);
	return true;
}

static unsigned int zosbd2_carry_out_all(const struct zosbd2_reply *round,
					 unsigned int count)
{
	unsigned int i;

	pagefault_disable();
	for (i = 0; i < count; i++)
		if (round[i].slot && !zosbd2_carry_out(&round[i]))
			break;
	pagefault_enable();
	return i;
}

/* What is over leaves its slot, or goes back to the server as the rest does. */
static void zosbd2_settle(struct zosbd2_queue *queue, struct zosbd2_reply *reply,
			  bool done)
	__must_hold(&queue->lock)
{
	struct zosbd2_slot *slot = reply->slot;
	struct request *rq;

	reply->ended = NULL;
	if (!slot)
		return;
	if (done && zosbd2_copies(reply))
		slot->filled += reply->answer.length_bytes;
	if (likely(done && zosbd2_ends(reply))) {
		reply->status = BLK_STS_OK;
		if (unlikely(reply->answer.error))
			reply->status = zosbd2_status(slot->rq,
						      reply->answer.error);
	} else if (!slot->doomed) {
		zosbd2_request_disown(queue, slot);
		return;
	}
	if (unlikely(slot->doomed))
		reply->status = BLK_STS_IOERR;
	trace_zosbd2_answered(queue->dev->handle_id, slot->id,
			      reply->answer.error);
	rq = zosbd2_request_take(queue, slot, reply->status);
	if (!zosbd2_request_leave(queue, rq, reply->status))
		reply->ended = rq;
}

/* With interrupts off, so not much at once.  Returns where it has stopped. */
static struct zosbd2_reply *zosbd2_end_some(struct zosbd2_reply *reply,
					    struct zosbd2_reply *end)
{
	DEFINE_IO_COMP_BATCH(batch);
	unsigned long flags;
	u64 bytes = 0;

	flags = zosbd2_ending_begin();
	for (; reply < end && bytes < ZOSBD2_ROUND_BYTES; reply++) {
		if (unlikely(!reply->ended))
			continue;
		bytes += blk_rq_bytes(reply->ended);
		if (unlikely(reply->status != BLK_STS_OK)) {
			zosbd2_ending_end(flags);
			zosbd2_rq_end(reply->ended, reply->status);
			flags = zosbd2_ending_begin();
		} else if (!blk_mq_add_to_batch(reply->ended, &batch, false,
						blk_mq_end_request_batch)) {
			blk_mq_end_request(reply->ended, BLK_STS_OK);
		}
	}
	if (batch.complete)
		batch.complete(&batch);
	zosbd2_ending_end(flags);
	return reply;
}

static void zosbd2_finish(struct zosbd2_channel *channel, unsigned int done,
			  unsigned int claimed)
{
	struct zosbd2_queue *queue = zosbd2_channel_queue(channel);
	struct zosbd2_reply *reply = channel->round;
	struct zosbd2_reply *end = reply + claimed;

	spin_lock(&queue->lock);
	for (; reply < end; reply++)
		zosbd2_settle(queue, reply, reply < channel->round + done);
	spin_unlock(&queue->lock);

	reply = channel->round;
	while (reply < end)
		reply = zosbd2_end_some(reply, end);
}

/* Tell the server what became of answers that only asked for data. */
static void zosbd2_tell_outcome(struct zosbd2_channel *channel,
				unsigned int done)
{
	const struct zosbd2_reply *round = channel->round;
	struct zosbd2_ring_answer *answer;
	unsigned int i;

	for (i = 0; i < done; i++) {
		if (zosbd2_ends(&round[i]))
			continue;
		answer = &channel->answers[(channel->answer_head + i) &
					   (channel->entries - 1)];
		WRITE_ONCE(answer->error, round[i].slot ? 0 : -ENOENT);
	}
}

/* Bring in the memory that an answer is about. */
static int zosbd2_fault_in(const struct zosbd2_reply *reply)
{
	void __user *memory = u64_to_user_ptr(reply->answer.address);
	size_t bytes = reply->answer.length_bytes;

	if (reply->reads ? fault_in_readable(memory, bytes) :
			   fault_in_safe_writeable(memory, bytes))
		return -EFAULT;
	return 0;
}

/**
 * zosbd2_commit - carry out the answers of a channel
 * @channel: the channel, which the caller is in a call of
 *
 * Return: 0; -EPROTO, -EBADMSG or -EFAULT for what is wrong; -EINTR if the
 * caller is being killed.
 */
int zosbd2_commit(struct zosbd2_channel *channel)
{
	struct zosbd2_reply *round = channel->round;
	unsigned int i, count, claimed, done;
	struct zosbd2_ring *ring = channel->ring;
	int err = 0;
	u32 tail;

	/* Another CPU may have written answers, if that is worth anything. */
	tail = smp_load_acquire(&ring->answer_tail);
	if (tail - channel->answer_head > channel->entries)
		return -EPROTO;
	while (!err && channel->answer_head != tail) {
		count = min_t(u32, tail - channel->answer_head, ZOSBD2_ROUND);
		for (i = 0; i < count; i++)
			round[i].answer =
				channel->answers[(channel->answer_head + i) &
						 (channel->entries - 1)];
		/* They are not read again. */
		barrier();
		claimed = zosbd2_claim(channel, count, &err);
		done = zosbd2_carry_out_all(round, claimed);
		zosbd2_finish(channel, done, claimed);
		zosbd2_tell_outcome(channel, done);
		channel->answer_head += done;
		/* What they have done comes first, for another CPU. */
		smp_store_release(&ring->answer_head, channel->answer_head);
		if (done < claimed)
			err = zosbd2_fault_in(&round[done]);
		if (channel->answer_head == tail)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return err;
}
