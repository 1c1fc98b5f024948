// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: DEVICE_OPERATION: take an answer, wait, hand out a request.  How an
 * answer is taken is in zosbd2_answer.c.
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
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "zosbd2.h"
#include "zosbd2_trace.h"

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
 * Hand the oldest request to the caller.  Called with queue->lock held and a
 * request queued, returns without the lock.  Returns how many bytes of the
 * buffer must be brought in before the next try, 0 if the call is over.
 */
static size_t zosbd2_hand_out(struct zosbd2_queue *queue,
			      struct zosbd2_server *server, char __user *buf)
	__releases(&queue->lock)
{
	struct zosbd2_device *dev = queue->dev;
	struct zosbd2_slot *slot;
	bool copied, more;
	size_t bytes;

	slot = zosbd2_fifo_take(&queue->queued);
	queue->stats.queued--;
	zosbd2_request_give(slot, server);
	slot->state = ZOSBD2_SLOT_OWNED;
	more = !zosbd2_fifo_is_empty(&queue->queued);
	spin_unlock(&queue->lock);
	/* One was woken for many. */
	if (more)
		zosbd2_queue_wake(queue);

	bytes = ZOSBD2_OPERATION_SIZE;
	if (req_op(slot->rq) == REQ_OP_WRITE)
		bytes += blk_rq_bytes(slot->rq);
	copied = access_ok(buf, bytes);
	if (copied) {
		pagefault_disable();
		copied = zosbd2_copy_request(dev, slot, buf);
		pagefault_enable();
	}

	spin_lock(&queue->lock);
	if (slot->doomed) {
		zosbd2_request_end(queue, slot, BLK_STS_IOERR);
		return bytes;
	}
	if (copied) {
		trace_zosbd2_fetched(dev->handle_id, slot->id, slot->rq);
		if (slot->handed_on)
			zosbd2_request_extend(queue, slot);
		zosbd2_request_disown(queue, slot);
		spin_unlock(&queue->lock);
		return 0;
	}
	zosbd2_request_take_away(queue, slot);
	slot->state = ZOSBD2_SLOT_QUEUED;
	zosbd2_fifo_add_first(&queue->queued, slot);
	queue->stats.queued++;
	spin_unlock(&queue->lock);
	/* Another server may have its buffer at hand. */
	zosbd2_queue_wake(queue);
	return bytes;
}

/* The number of a signal that the caller is about to get, or 0. */
static int zosbd2_pending_signal(void)
{
	struct sighand_struct *sighand;
	sigset_t pending;
	int sig;

	/* It goes with the task, not before. */
	sighand = rcu_dereference_protected(current->sighand, true);
	spin_lock_irq(&sighand->siglock);
	sigorsets(&pending, &current->pending.signal,
		  &current->signal->shared_pending.signal);
	sigandnsets(&pending, &pending, &current->blocked);
	spin_unlock_irq(&sighand->siglock);

	for (sig = 1; sig <= _NSIG; sig++)
		if (sig != SIGURG && sigismember(&pending, sig))
			return sig;
	return sigismember(&pending, SIGURG) ? SIGURG : 0;
}

static bool zosbd2_has_work(struct zosbd2_queue *queue,
			    const struct zosbd2_server *server)
{
	return !zosbd2_fifo_is_empty(&queue->queued) ||
	       READ_ONCE(queue->dev->gone) ||
	       READ_ONCE(server->retired_by) || !READ_ONCE(server->attached);
}

/* What becomes of a retired server is not decided yet. */
static bool zosbd2_is_quiescing(struct zosbd2_device *dev,
				const struct zosbd2_server *server)
{
	u64 retired_by = READ_ONCE(server->retired_by);

	return retired_by && retired_by == READ_ONCE(dev->take_over) &&
	       !READ_ONCE(dev->gone) && READ_ONCE(server->attached);
}

/* Returns -ERESTARTSYS if a signal came. */
static int zosbd2_wait_once(struct zosbd2_queue *queue,
			    const struct zosbd2_caller *caller)
{
	struct zosbd2_device *dev = queue->dev;
	const struct zosbd2_server *server = caller->server;
	u64 retired_by = READ_ONCE(server->retired_by);

	/* Who has not been told yet has something to do. */
	if (retired_by && caller->thread->told_retired == retired_by)
		return wait_event_interruptible(dev->retired_wait,
						!zosbd2_is_quiescing(dev,
								     server));
	return wait_event_interruptible_exclusive(queue->wait,
						  zosbd2_has_work(queue,
								  server));
}

/*
 * Wait until there is something to do for the caller.  SIGURG does not
 * disturb: it stays pending until the call is over.
 */
static int zosbd2_wait(struct zosbd2_queue *queue,
		       const struct zosbd2_caller *caller, int *signal)
{
	sigset_t urgent, old;
	bool masked = false;
	int ret;

	for (;;) {
		ret = zosbd2_wait_once(queue, caller);
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

/* Tell a server something that is not a request. */
static int zosbd2_tell(struct zosbd2_device *dev, u32 operation, u32 action,
		       char __user *buf)
{
	struct zosbd2_tail tail = { };
	struct zosbd2_head head;

	/* An initialiser may leave the rest of the union as it was. */
	memset(&head, 0, sizeof(head));
	head.handle_id = dev->handle_id;
	head.header.operation = operation;
	head.signal.signal_action = action;
	if (copy_to_user(buf, &head, ZOSBD2_HEAD_IN_BYTES) ||
	    copy_to_user(buf + ZOSBD2_TAIL_OFFSET, &tail, sizeof(tail)))
		return -EFAULT;
	return 0;
}

static int zosbd2_tell_gone(struct zosbd2_device *dev,
			    struct zosbd2_thread *thread, char __user *buf)
{
	int ret = zosbd2_tell(dev, ZOSBD2_OP_DEVICE_GONE, 0, buf);

	if (!ret)
		thread->told_gone = true;
	return ret;
}

/*
 * A thread of a retired server is asked once to quiesce, and again with each
 * answer that it hands in, as it may have more.  When the take-over has
 * succeeded it is sent away.  Returns 1 while it has to wait for that.
 */
static int zosbd2_tell_retired(struct zosbd2_device *dev,
			       struct zosbd2_thread *thread, u64 retired_by,
			       bool over, bool answered, char __user *buf)
{
	int ret;

	if (thread->told_retired != retired_by || (answered && !over)) {
		ret = zosbd2_tell(dev, ZOSBD2_OP_SIGNAL,
				  ZOSBD2_SIGNAL_SHUTDOWN, buf);
		if (!ret)
			thread->told_retired = retired_by;
		return ret;
	}
	if (!over)
		return 1;
	if (thread->told_over == retired_by)
		return -ENOENT;
	ret = zosbd2_tell(dev, ZOSBD2_OP_DEVICE_GONE, 0, buf);
	if (!ret)
		thread->told_over = retired_by;
	return ret;
}

static int zosbd2_fetch(struct zosbd2_queue *queue,
			const struct zosbd2_caller *caller, bool answered,
			char __user *buf)
{
	struct zosbd2_device *dev = queue->dev;
	struct zosbd2_server *server = caller->server;
	struct zosbd2_thread *thread = caller->thread;
	int ret, signal = 0;
	enum zosbd2_retirement retirement;
	u64 retired_by;
	size_t missing;

	for (;;) {
		/*
		 * A dying server must not take a request with it.  It may be
		 * the one that was woken for it.
		 */
		if (fatal_signal_pending(current)) {
			zosbd2_queue_wake(queue);
			return -EINTR;
		}
		spin_lock(&queue->lock);
		if (READ_ONCE(dev->gone)) {
			spin_unlock(&queue->lock);
			return zosbd2_tell_gone(dev, thread, buf);
		}
		if (!READ_ONCE(server->attached)) {
			/* It has closed what it serves through. */
			spin_unlock(&queue->lock);
			zosbd2_queue_wake(queue);
			return -EBADF;
		}
		if (READ_ONCE(server->retired_by)) {
			spin_unlock(&queue->lock);
			/* It may have been woken for a request. */
			zosbd2_queue_wake(queue);
			retirement = zosbd2_retirement(server, &retired_by);
			if (retirement == ZOSBD2_SERVING)
				continue;
			ret = zosbd2_tell_retired(dev, thread, retired_by,
						  retirement == ZOSBD2_RETIRED,
						  answered, buf);
			if (ret <= 0)
				return ret;
		} else if (!zosbd2_fifo_is_empty(&queue->queued)) {
			missing = zosbd2_hand_out(queue, server, buf);
			if (!missing)
				return 0;
			if (fault_in_safe_writeable(buf, missing) ||
			    zosbd2_take_back(buf))
				return -EFAULT;
			cond_resched();
			continue;
		} else {
			spin_unlock(&queue->lock);
		}

		ret = zosbd2_wait(queue, caller, &signal);
		if (ret) {
			if (ret == -EINTR)
				zosbd2_tell_interrupted(buf, signal);
			return ret;
		}
	}
}

/* Read the start of the buffer, and of an answer the end. */
static int zosbd2_read_call(struct zosbd2_device *dev, struct zosbd2_head *head,
			    struct zosbd2_tail *tail, char __user *buf)
{
	if (copy_from_user(head, buf, ZOSBD2_HEAD_IN_BYTES))
		return -EFAULT;
	if (head->handle_id != dev->handle_id)
		return -EINVAL;
	switch (head->header.operation) {
	case ZOSBD2_OP_NO_RESPONSE:
		return 0;
	case ZOSBD2_OP_READ_RESPONSE:
	case ZOSBD2_OP_WRITE_RESPONSE:
	case ZOSBD2_OP_DISCARD_RESPONSE:
	case ZOSBD2_OP_FLUSH_RESPONSE:
	case ZOSBD2_OP_WRITE_ZEROES_RESPONSE:
		if (copy_from_user(tail, buf + ZOSBD2_TAIL_OFFSET,
				   sizeof(*tail)))
			return -EFAULT;
		return 0;
	default:
		return -EINVAL;
	}
}

static int zosbd2_operate(struct zosbd2_device *dev,
			  struct zosbd2_session *session, char __user *buf)
{
	/* A device with more queues has no classic servers. */
	struct zosbd2_queue *queue = dev->queues;
	struct zosbd2_caller caller = { };
	struct zosbd2_head head;
	struct zosbd2_tail tail;
	bool answered;
	int ret;

	ret = zosbd2_read_call(dev, &head, &tail, buf);
	if (ret)
		return ret;
	ret = zosbd2_server_enter(dev, session, &caller);
	if (ret)
		return ret;
	answered = head.header.operation != ZOSBD2_OP_NO_RESPONSE;
	if (answered)
		ret = zosbd2_answer(queue, caller.server, &head, &tail,
				    buf + ZOSBD2_OPERATION_SIZE);
	if (!ret)
		ret = zosbd2_fetch(queue, &caller, answered, buf);
	zosbd2_server_leave(&caller);
	return ret;
}

/**
 * zosbd2_serve - one DEVICE_OPERATION call
 * @dev: the device
 * @session: what the call came through; NULL for the block device, which the
 *	caller has open for writing
 * @buf: struct zosbd2_operation and data
 *
 * Return: 0 with something for the server in the buffer, or
 * -EFAULT: a bad buffer; what was to be handed out goes to the next caller,
 * what was answered stays with the server;
 * -EINVAL: wrong handle, unknown operation, or an answer of another kind or
 * length than its request, which stays with the server;
 * -EINTR: a signal, named in the buffer;
 * -EBADF: the process closed the block device during the call;
 * -ENOENT: the device is gone or the server was taken over from, and the caller
 * has been told, or never served;
 * -ENOMEM.
 */
int zosbd2_serve(struct zosbd2_device *dev, struct zosbd2_session *session,
		 void __user *buf)
{
	unsigned int noio = memalloc_noio_save();
	int ret;

	ret = zosbd2_operate(dev, session, buf);
	memalloc_noio_restore(noio);
	return ret;
}
