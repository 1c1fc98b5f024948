// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: DEVICE_OPERATION: take an answer, wait, hand out a request.
 *
 * A thread owns a request only while it copies between the request's pages
 * and the server's buffer, and it copies with page faults disabled.  When a
 * page of the buffer is not there, it gives the request back first, brings
 * the page in, and takes the request again: a buffer whose pages come slowly
 * or never (userfaultfd, FUSE, a mapping of this very device) delays neither
 * a time-out nor a destroy nor another server.
 *
 * Nothing here may wait for I/O to make memory free, the I/O could be ours.
 */
#include <linux/highmem.h>
#include <linux/nospec.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "zosbd2.h"
#include "zosbd2_trace.h"

/* The start of struct zosbd2_operation, as far as it is used. */
struct zosbd2_head {
	__u32 handle_id;
	__u32 reserved0;
	struct zosbd2_op_header header;
	union {
		struct zosbd2_op_request request;
		struct zosbd2_op_response response;
	};
	struct zosbd2_segment segment;
};

/* And its end. */
struct zosbd2_tail {
	__s32 error;
	__u32 operation_id;
};

#define ZOSBD2_HEAD_IN_BYTES	offsetof(struct zosbd2_head, segment)
#define ZOSBD2_TAIL_OFFSET	offsetof(struct zosbd2_operation, error)

static_assert(ZOSBD2_HEAD_IN_BYTES ==
	      offsetof(struct zosbd2_operation, segments));
static_assert(sizeof(struct zosbd2_operation) == ZOSBD2_OPERATION_SIZE);
static_assert(ZOSBD2_TAIL_OFFSET + sizeof(struct zosbd2_tail) ==
	      ZOSBD2_OPERATION_SIZE);
static_assert(sizeof(struct zosbd2_head) == 64);

/* How the two directions name the same kind of request. */
static u32 zosbd2_request_op(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return ZOSBD2_OP_READ_REQUEST;
	case REQ_OP_WRITE:
		return ZOSBD2_OP_WRITE_REQUEST;
	default:
		return ZOSBD2_OP_DISCARD_REQUEST;
	}
}

static u32 zosbd2_response_op(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return ZOSBD2_OP_READ_RESPONSE;
	case REQ_OP_WRITE:
		return ZOSBD2_OP_WRITE_RESPONSE;
	default:
		return ZOSBD2_OP_DISCARD_RESPONSE;
	}
}

static bool zosbd2_copy_to_server(struct request *rq, void __user *data)
{
	struct req_iterator iter;
	struct iov_iter to;
	struct bio_vec bv;

	iov_iter_ubuf(&to, ITER_DEST, data, blk_rq_bytes(rq));
	rq_for_each_segment(bv, rq, iter)
		if (copy_page_to_iter(bv.bv_page, bv.bv_offset, bv.bv_len,
				      &to) != bv.bv_len)
			return false;
	return true;
}

static bool zosbd2_copy_from_server(struct request *rq, void __user *data)
{
	struct req_iterator iter;
	struct iov_iter from;
	struct bio_vec bv;

	iov_iter_ubuf(&from, ITER_SOURCE, data, blk_rq_bytes(rq));
	rq_for_each_segment(bv, rq, iter)
		if (copy_page_from_iter(bv.bv_page, bv.bv_offset, bv.bv_len,
					&from) != bv.bv_len)
			return false;
	return true;
}

static struct zosbd2_slot *zosbd2_find_fetched(struct zosbd2_device *dev,
					       u32 id)
	__must_hold(&dev->lock)
{
	u32 tag = id & ((1U << dev->tag_bits) - 1);
	struct zosbd2_slot *slot;

	if (tag >= dev->queue_depth)
		return NULL;
	slot = &dev->slots[array_index_nospec(tag, dev->queue_depth)];
	if (slot->state != ZOSBD2_SLOT_FETCHED || slot->id != id)
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
 * with dev->lock held, returns without it.  Returns false if the buffer's
 * pages were not there: then the request is as it was before.
 */
static bool zosbd2_finish_read(struct zosbd2_device *dev,
			       struct zosbd2_slot *slot, void __user *data)
	__releases(&dev->lock)
{
	bool copied;

	slot->state = ZOSBD2_SLOT_OWNED;
	spin_unlock(&dev->lock);

	pagefault_disable();
	copied = zosbd2_copy_from_server(slot->rq, data);
	pagefault_enable();

	spin_lock(&dev->lock);
	if (copied || slot->doomed) {
		trace_zosbd2_answered(dev->handle_id, slot->id, 0);
		zosbd2_blk_end(dev, slot,
			       slot->doomed ? BLK_STS_IOERR : BLK_STS_OK);
		return true;
	}
	slot->state = ZOSBD2_SLOT_FETCHED;
	spin_unlock(&dev->lock);
	return false;
}

/*
 * Take an answer.  An operation id that names no request that is with a
 * server is no error: the answer came late, or a second time.  On an error
 * the request stays with the server.
 */
static int zosbd2_answer(struct zosbd2_device *dev,
			 const struct zosbd2_head *head,
			 const struct zosbd2_tail *tail, void __user *data)
{
	struct zosbd2_slot *slot;
	struct request *rq;
	unsigned int bytes;

	for (;;) {
		spin_lock(&dev->lock);
		slot = zosbd2_find_fetched(dev, tail->operation_id);
		if (!slot) {
			dev->stats.late_answers++;
			spin_unlock(&dev->lock);
			return 0;
		}
		rq = slot->rq;
		bytes = blk_rq_bytes(rq);
		if (head->header.operation != zosbd2_response_op(rq) ||
		    (!tail->error &&
		     !zosbd2_length_fits(rq, head->response.total_length))) {
			spin_unlock(&dev->lock);
			return -EINVAL;
		}
		if (tail->error || req_op(rq) != REQ_OP_READ) {
			trace_zosbd2_answered(dev->handle_id, slot->id,
					      tail->error);
			zosbd2_blk_end(dev, slot, tail->error ?
				       BLK_STS_IOERR : BLK_STS_OK);
			return 0;
		}
		if (!access_ok(data, bytes)) {
			spin_unlock(&dev->lock);
			return -EFAULT;
		}
		if (zosbd2_finish_read(dev, slot, data))
			return 0;

		if (fault_in_readable(data, bytes))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

static bool zosbd2_copy_request(struct zosbd2_device *dev,
				struct zosbd2_slot *slot, char __user *buf)
{
	struct request *rq = slot->rq;
	struct zosbd2_head head = {
		.handle_id = dev->handle_id,
		.header.operation = zosbd2_request_op(rq),
		.request.total_length = blk_rq_bytes(rq),
		.request.number_of_segments = 1,
		.segment.start_byte = (u64)blk_rq_pos(rq) << SECTOR_SHIFT,
		.segment.length_bytes = blk_rq_bytes(rq),
	};
	struct zosbd2_tail tail = { .operation_id = slot->id };
	bool has_data = req_op(rq) == REQ_OP_WRITE;

	if (has_data)
		head.header.size = blk_rq_bytes(rq);
	if (copy_to_user(buf, &head, sizeof(head)))
		return false;
	if (has_data && !zosbd2_copy_to_server(rq, buf + ZOSBD2_OPERATION_SIZE))
		return false;
	/* Last: who does not get the request does not get its id either. */
	return !copy_to_user(buf + ZOSBD2_TAIL_OFFSET, &tail, sizeof(tail));
}

/*
 * A hand-out that failed may have overwritten the answer that the call came
 * with, which has been taken.  Leave something in the buffer with which the
 * call can be restarted, see zosbd2_wait().
 */
static int zosbd2_take_back(char __user *buf)
{
	u32 operation = ZOSBD2_OP_NO_RESPONSE;

	if (copy_to_user(buf + offsetof(struct zosbd2_head, header.operation),
			 &operation, sizeof(operation)))
		return -EFAULT;
	return 0;
}

/*
 * Hand the oldest request to the caller.  Called with dev->lock held and a
 * request queued, returns without the lock.  Returns how many bytes of the
 * buffer must be brought in before the next try, 0 if the call is over.
 */
static size_t zosbd2_hand_out(struct zosbd2_device *dev, char __user *buf)
	__releases(&dev->lock)
{
	struct zosbd2_slot *slot;
	size_t bytes;
	bool copied;

	slot = list_first_entry(&dev->queued, struct zosbd2_slot, node);
	list_del(&slot->node);
	dev->stats.queued--;
	slot->state = ZOSBD2_SLOT_OWNED;
	spin_unlock(&dev->lock);

	bytes = ZOSBD2_OPERATION_SIZE;
	if (req_op(slot->rq) == REQ_OP_WRITE)
		bytes += blk_rq_bytes(slot->rq);
	copied = access_ok(buf, bytes);
	if (copied) {
		pagefault_disable();
		copied = zosbd2_copy_request(dev, slot, buf);
		pagefault_enable();
	}

	spin_lock(&dev->lock);
	if (slot->doomed) {
		zosbd2_blk_end(dev, slot, BLK_STS_IOERR);
		return bytes;
	}
	if (copied) {
		slot->state = ZOSBD2_SLOT_FETCHED;
		trace_zosbd2_fetched(dev->handle_id, slot->id, slot->rq);
		spin_unlock(&dev->lock);
		return 0;
	}
	slot->state = ZOSBD2_SLOT_QUEUED;
	list_add(&slot->node, &dev->queued);
	dev->stats.queued++;
	spin_unlock(&dev->lock);
	/* Another server may have its buffer at hand. */
	wake_up(&dev->wait);
	return bytes;
}

/* The number of a signal that the caller is about to get, or 0. */
static int zosbd2_pending_signal(void)
{
	sigset_t pending;
	int sig;

	spin_lock_irq(&current->sighand->siglock);
	sigorsets(&pending, &current->pending.signal,
		  &current->signal->shared_pending.signal);
	sigandnsets(&pending, &pending, &current->blocked);
	spin_unlock_irq(&current->sighand->siglock);

	for (sig = 1; sig <= _NSIG; sig++)
		if (sig != SIGURG && sigismember(&pending, sig))
			return sig;
	return sigismember(&pending, SIGURG) ? SIGURG : 0;
}

static bool zosbd2_has_work(struct zosbd2_device *dev)
{
	return !list_empty_careful(&dev->queued) || READ_ONCE(dev->gone);
}

/*
 * Wait until there is a request or the device is gone.  SIGURG does not
 * disturb: it stays pending until the call is over.
 */
static int zosbd2_wait(struct zosbd2_device *dev, int *signal)
{
	sigset_t urgent, old;
	bool masked = false;
	int ret;

	for (;;) {
		ret = wait_event_interruptible_exclusive(dev->wait,
							 zosbd2_has_work(dev));
		if (!ret)
			break;
		*signal = zosbd2_pending_signal();
		if (*signal == SIGURG && !masked) {
			siginitset(&urgent, sigmask(SIGURG));
			sigprocmask(SIG_BLOCK, &urgent, &old);
			masked = true;
			continue;
		}
		/*
		 * Without a signal it is task work or the freezer: start again
		 * unseen.  The answer comes a second time then, and is dropped.
		 */
		ret = *signal ? -EINTR : -ERESTARTNOINTR;
		break;
	}
	if (masked)
		sigprocmask(SIG_SETMASK, &old, NULL);
	return ret;
}

/* The caller gets its signal whether the buffer can take the news or not. */
static void zosbd2_tell_interrupted(char __user *buf, int signal)
{
	struct zosbd2_op_header header = {
		.operation = ZOSBD2_OP_NO_REQUEST,
		.signal_number = signal,
	};

	if (fatal_signal_pending(current))
		return;
	if (copy_to_user(buf + offsetof(struct zosbd2_operation, header),
			 &header, sizeof(header)))
		return;
}

static int zosbd2_tell_gone(struct zosbd2_device *dev,
			    struct zosbd2_server *server, char __user *buf)
{
	struct zosbd2_head head = {
		.handle_id = dev->handle_id,
		.header.operation = ZOSBD2_OP_DEVICE_GONE,
	};
	struct zosbd2_tail tail = { };

	if (copy_to_user(buf, &head, ZOSBD2_HEAD_IN_BYTES) ||
	    copy_to_user(buf + ZOSBD2_TAIL_OFFSET, &tail, sizeof(tail)))
		return -EFAULT;
	server->told = true;
	return 0;
}

static int zosbd2_fetch(struct zosbd2_device *dev,
			struct zosbd2_server *server, char __user *buf)
{
	int ret, signal = 0;
	size_t missing;

	for (;;) {
		/*
		 * A dying server must not take a request with it.  It may be
		 * the one that was woken for it.
		 */
		if (fatal_signal_pending(current)) {
			wake_up(&dev->wait);
			return -EINTR;
		}
		spin_lock(&dev->lock);
		if (!list_empty(&dev->queued)) {
			missing = zosbd2_hand_out(dev, buf);
			if (!missing)
				return 0;
			if (fault_in_safe_writeable(buf, missing) ||
			    zosbd2_take_back(buf))
				return -EFAULT;
			cond_resched();
			continue;
		}
		if (dev->gone) {
			spin_unlock(&dev->lock);
			return zosbd2_tell_gone(dev, server, buf);
		}
		spin_unlock(&dev->lock);

		ret = zosbd2_wait(dev, &signal);
		if (ret) {
			if (ret == -EINTR)
				zosbd2_tell_interrupted(buf, signal);
			return ret;
		}
	}
}

static int zosbd2_operate(struct zosbd2_device *dev, char __user *buf)
{
	struct zosbd2_server *server;
	struct zosbd2_head head;
	struct zosbd2_tail tail;
	int ret;

	if (copy_from_user(&head, buf, ZOSBD2_HEAD_IN_BYTES))
		return -EFAULT;
	if (head.handle_id != dev->handle_id)
		return -EINVAL;
	switch (head.header.operation) {
	case ZOSBD2_OP_NO_RESPONSE:
		break;
	case ZOSBD2_OP_READ_RESPONSE:
	case ZOSBD2_OP_WRITE_RESPONSE:
	case ZOSBD2_OP_DISCARD_RESPONSE:
		if (copy_from_user(&tail, buf + ZOSBD2_TAIL_OFFSET,
				   sizeof(tail)))
			return -EFAULT;
		break;
	default:
		return -EINVAL;
	}

	server = zosbd2_server_attach(dev);
	if (IS_ERR(server))
		return PTR_ERR(server);

	if (head.header.operation != ZOSBD2_OP_NO_RESPONSE) {
		ret = zosbd2_answer(dev, &head, &tail,
				    buf + ZOSBD2_OPERATION_SIZE);
		if (ret)
			return ret;
	}
	return zosbd2_fetch(dev, server, buf);
}

/**
 * zosbd2_serve - one DEVICE_OPERATION call
 * @dev: the device that the caller has open for writing
 * @buf: struct zosbd2_operation and data
 *
 * Return: 0 with something for the server in the buffer, or
 * -EFAULT: a bad buffer; what was to be handed out goes to the next caller,
 * what was answered stays with the server;
 * -EINVAL: wrong handle, unknown operation, or an answer of another kind or
 * length than its request, which stays with the server;
 * -EINTR: a signal, named in the buffer;
 * -ENOENT: the device is gone and the caller has been told, or never served;
 * -ENOMEM.
 */
int zosbd2_serve(struct zosbd2_device *dev, void __user *buf)
{
	unsigned int noio = memalloc_noio_save();
	int ret;

	ret = zosbd2_operate(dev, buf);
	memalloc_noio_restore(noio);
	return ret;
}
