// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the processes that serve a device: how they come and go.
 *
 * A server is a process with an address space, together with what it serves
 * through: a session, or the block device.  It is attached by its first call,
 * or with its channel, and detached when it is gone, which is when
 *
 *  - its address space is: an mmu notifier tells.  That is after each of its
 *    threads has left the kernel, so neither a call nor a write to its storage
 *    is still under way, and before its files are closed, where the last close
 *    of a block device waits for write-back that this server will not serve;
 *  - the process has ended and another one still has its address space, see
 *    zosbd2_watch.c;
 *  - its session is closed for the last time;
 *  - it has closed the block device, if it serves through that, see
 *    zosbd2_client.c;
 *  - the device is removed.
 *
 * One that executes another program while a process that is not its thread has
 * its address space is gone when that one is; until then its requests wait, at
 * most for their time-out.
 *
 * Detaching it decides about the requests that it had fetched, by the device's
 * recovery policy, and about all others if nobody serves the device any more.
 * A request that is handed on gets a new operation id, so no answer of the old
 * server finds it.
 *
 * Lifetime: the notifier is embedded and owns the memory, which is freed in
 * an SRCU callback after mmu_notifier_put().  server->users, under dev->lock,
 * counts the attachment, the watch or its work item, and each call; who drops the
 * last one calls mmu_notifier_put().  A server holds a reference to its device.
 *
 * How one takes over from others that live is in zosbd2_takeover.c.
 */
#include <linux/jiffies.h>
#include <linux/mmu_notifier.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "zosbd2.h"

#ifndef CONFIG_MMU_NOTIFIER
#error "without CONFIG_MMU_NOTIFIER the death of a server goes unnoticed"
#endif

/**
 * zosbd2_dev_is_served - will somebody fetch requests
 * @dev: the device, dev->lock held
 *
 * A session counts before its first call, and its processes do later.
 *
 * Return: whether somebody will.
 */
bool zosbd2_dev_is_served(struct zosbd2_device *dev)
{
	struct zosbd2_session *session;
	struct zosbd2_server *server;

	list_for_each_entry(server, &dev->servers, node)
		if (!server->retired_by)
			return true;
	list_for_each_entry(session, &dev->sessions, node)
		if (!session->used && !session->retired_by)
			return true;
	return false;
}

/* Is a process among those that serve, before a certain place of the list? */
static bool zosbd2_serves(struct zosbd2_device *dev, struct pid *tgid,
			  const struct zosbd2_server *before)
	__must_hold(&dev->lock)
{
	struct zosbd2_server *server;

	list_for_each_entry(server, &dev->servers, node) {
		if (server == before)
			break;
		if (server->tgid == tgid && !server->retired_by)
			return true;
	}
	return false;
}

/* Likewise, who attached a session and has not called yet. */
static bool zosbd2_will_serve(struct zosbd2_device *dev, struct pid *tgid,
			      const struct zosbd2_session *before)
	__must_hold(&dev->lock)
{
	struct zosbd2_session *session;

	list_for_each_entry(session, &dev->sessions, node) {
		if (session == before)
			break;
		if (session->tgid == tgid && !session->used &&
		    !session->retired_by)
			return true;
	}
	return false;
}

/**
 * zosbd2_server_count - how many processes serve a device
 * @dev: the device
 *
 * One that serves through several sessions counts once.
 *
 * Return: 0 exactly while zosbd2_dev_is_served() is false.
 */
unsigned int zosbd2_server_count(struct zosbd2_device *dev)
{
	struct zosbd2_session *session;
	struct zosbd2_server *server;
	unsigned int count = 0;

	spin_lock(&dev->lock);
	list_for_each_entry(server, &dev->servers, node)
		if (!server->retired_by &&
		    !zosbd2_serves(dev, server->tgid, server))
			count++;
	list_for_each_entry(session, &dev->sessions, node)
		if (!session->used && !session->retired_by &&
		    !zosbd2_serves(dev, session->tgid, NULL) &&
		    !zosbd2_will_serve(dev, session->tgid, session))
			count++;
	spin_unlock(&dev->lock);
	return count;
}

/* Does a process serve through anything else than a server that goes? */
static bool zosbd2_serves_on(struct zosbd2_device *dev, struct pid *tgid)
	__must_hold(&dev->lock)
{
	struct zosbd2_server *server;

	list_for_each_entry(server, &dev->servers, node)
		if (server->tgid == tgid)
			return true;
	return false;
}

/**
 * zosbd2_server_put - drop one of a server's users
 * @server: the server
 */
void zosbd2_server_put(struct zosbd2_server *server)
{
	struct zosbd2_device *dev = server->dev;
	bool last;

	spin_lock(&dev->lock);
	last = !--server->users;
	spin_unlock(&dev->lock);
	if (last)
		mmu_notifier_put(&server->notifier);
}

/* What a queue has of a server that fetches no more. */
static void zosbd2_hand_on(struct zosbd2_queue *queue,
			   struct zosbd2_server *server,
			   struct zosbd2_fifo *ending)
	__must_hold(&queue->lock)
{
	bool fail = queue->dev->recovery == ZOSBD2_RECOVERY_FAIL;
	struct zosbd2_slot *slot;
	unsigned int i;

	for (i = 0; server->held && i < queue->dev->queue_depth; i++) {
		slot = &queue->slots[i];
		if (slot->server != server)
			continue;
		if (slot->state == ZOSBD2_SLOT_OWNED) {
			/* One of its threads is about to look. */
			slot->doomed |= fail;
		} else if (fail) {
			zosbd2_request_doom(queue, slot, ending);
		} else {
			zosbd2_request_hand_on(queue, slot);
		}
	}
}

/**
 * zosbd2_dev_lose - act when nobody serves a device any more
 * @dev: the device, dev->lock held
 * @ending: gets the slots of requests that are to fail
 */
void zosbd2_dev_lose(struct zosbd2_device *dev, struct zosbd2_fifo *ending)
{
	struct zosbd2_slot *slot, *next;
	struct zosbd2_queue *queue;

	if (dev->gone || !dev->ever_served || dev->lost ||
	    zosbd2_dev_is_served(dev))
		return;
	WRITE_ONCE(dev->lost_at, jiffies);
	/* A request that does not see it is queued before we look. */
	smp_store_release(&dev->lost, true);
	for (queue = dev->queues; queue < zosbd2_queues_end(dev); queue++) {
		spin_lock(&queue->lock);
		for (slot = queue->queued.first; slot; slot = next) {
			next = slot->next;
			if (dev->recovery == ZOSBD2_RECOVERY_FAIL)
				zosbd2_request_doom(queue, slot, ending);
			else
				zosbd2_request_extend(queue, slot);
		}
		spin_unlock(&queue->lock);
	}
}

/**
 * zosbd2_server_detach - decide what becomes of the requests of a server
 * @server: the server, of which the caller has a user; may be detached already
 */
void zosbd2_server_detach(struct zosbd2_server *server)
{
	struct zosbd2_queue *queue = server->queue;
	struct zosbd2_device *dev = server->dev;
	struct zosbd2_fifo ending;

	zosbd2_fifo_init(&ending);
	spin_lock(&dev->lock);
	if (!server->attached) {
		spin_unlock(&dev->lock);
		return;
	}
	list_del(&server->node);
	if (!dev->gone && READ_ONCE(server->served) &&
	    !zosbd2_serves_on(dev, server->tgid))
		dev->servers_lost++;
	/*
	 * A fetch that does not see it is over when we look, and a copy that
	 * does see it has been looked at.
	 */
	spin_lock(&queue->lock);
	WRITE_ONCE(server->attached, false);
	zosbd2_hand_on(queue, server, &ending);
	spin_unlock(&queue->lock);
	zosbd2_dev_lose(dev, &ending);
	spin_unlock(&dev->lock);

	zosbd2_requests_end_doomed(&ending);
	/*
	 * Others are to fetch what was handed on, and its own threads are to
	 * leave: through another open file they may still be in a call.
	 */
	zosbd2_queues_wake_all(dev);
	if (zosbd2_watch_stop(server))
		zosbd2_server_put(server);
	zosbd2_server_put(server);
}

static void zosbd2_notifier_release(struct mmu_notifier *notifier,
				    struct mm_struct *mm)
{
	zosbd2_server_detach(container_of(notifier, struct zosbd2_server,
					  notifier));
}

static void zosbd2_notifier_free(struct mmu_notifier *notifier)
{
	struct zosbd2_server *server =
		container_of(notifier, struct zosbd2_server, notifier);
	struct zosbd2_device *dev = server->dev;

	put_pid(server->tgid);
	kfree(server);
	zosbd2_dev_put(dev);
}

static const struct mmu_notifier_ops zosbd2_notifier_ops = {
	.release	= zosbd2_notifier_release,
	.free_notifier	= zosbd2_notifier_free,
};

/* The server that the calling process is. */
static struct zosbd2_server *zosbd2_server_find(struct zosbd2_device *dev,
						struct zosbd2_session *session)
	__must_hold(&dev->lock)
{
	struct zosbd2_server *server;

	list_for_each_entry(server, &dev->servers, node)
		if (server->session == session &&
		    server->notifier.mm == current->mm &&
		    server->tgid == task_tgid(current))
			return server;
	return NULL;
}

/**
 * zosbd2_server_attach - make the server that the calling process is
 * @dev: the device
 * @session: what it serves through, NULL for the block device
 * @attached: set to the server, with one more user
 *
 * Called when a channel is attached, or by the first of its threads that makes
 * a call, or by several at once; one of them wins.
 *
 * Return: 0, -ENOENT when the device is gone, -ENOMEM, -ERESTARTNOINTR.
 */
int zosbd2_server_attach(struct zosbd2_device *dev,
			 struct zosbd2_session *session,
			 struct zosbd2_server **attached)
{
	struct zosbd2_server *server, *mine;
	int ret;

	mine = kzalloc_obj(*mine, GFP_KERNEL);
	if (!mine)
		return -ENOMEM;
	mine->notifier.ops = &zosbd2_notifier_ops;
	mine->dev = dev;
	/* A device with more queues is not served through the block device. */
	mine->queue = session ? session->queue : dev->queues;
	mine->session = session;
	mine->tgid = get_pid(task_tgid(current));
	mine->users = 1;
	kref_get(&dev->ref);
	ret = mmu_notifier_register(&mine->notifier, current->mm);
	if (ret) {
		put_pid(mine->tgid);
		kfree(mine);
		zosbd2_dev_put(dev);
		/* A signal; nothing has been done yet. */
		return ret == -EINTR ? -ERESTARTNOINTR : ret;
	}

	spin_lock(&dev->lock);
	if (dev->gone) {
		spin_unlock(&dev->lock);
		mmu_notifier_put(&mine->notifier);
		return -ENOENT;
	}
	server = zosbd2_server_find(dev, session);
	if (!server) {
		server = mine;
		mine = NULL;
		server->attached = true;
		list_add_tail(&server->node, &dev->servers);
		zosbd2_watch_start(server);
		dev->ever_served = true;
		if (session) {
			session->used = true;
			server->retired_by = session->retired_by;
		} else {
			/* Who takes over has a session. */
			server->retired_by = dev->take_over;
		}
		if (!server->retired_by)
			WRITE_ONCE(dev->lost, false);
	}
	server->users++;
	spin_unlock(&dev->lock);
	if (mine)
		mmu_notifier_put(&mine->notifier);
	*attached = server;
	return 0;
}

/**
 * zosbd2_server_enter - begin a call of a server
 * @dev: the device
 * @session: what the call came through, NULL for the block device
 * @caller: filled in; its server is NULL when the device is gone
 *
 * Return: 0, and zosbd2_server_leave() is due; -ENOENT when the device is gone
 * and the thread never served it or knows already; -ENOMEM; -ERESTARTNOINTR.
 */
int zosbd2_server_enter(struct zosbd2_device *dev,
			struct zosbd2_session *session,
			struct zosbd2_caller *caller)
{
	int ret;

	ret = zosbd2_thread_attach(dev, !session, &caller->thread);
	if (ret)
		return ret;
	spin_lock(&dev->lock);
	caller->server = zosbd2_server_find(dev, session);
	if (likely(caller->server))
		caller->server->users++;
	spin_unlock(&dev->lock);
	if (likely(caller->server))
		return 0;

	ret = zosbd2_server_attach(dev, session, &caller->server);
	if (!ret)
		WRITE_ONCE(caller->server->served, true);
	/* It was there when the thread asked: the thread is to be told. */
	return ret == -ENOENT ? 0 : ret;
}

/**
 * zosbd2_server_leave - end a call of a server
 * @caller: who made it
 */
void zosbd2_server_leave(struct zosbd2_caller *caller)
{
	if (caller->server)
		zosbd2_server_put(caller->server);
}

static bool zosbd2_server_is_one_of(const struct zosbd2_server *server,
				    enum zosbd2_which which, const void *what)
{
	switch (which) {
	case ZOSBD2_OF_SESSION:
		return server->session == what;
	case ZOSBD2_OF_BDEV:
		return !server->session;
	case ZOSBD2_OF_BDEV_AND_TGID:
		return !server->session && server->tgid == what;
	default:
		return true;
	}
}

/**
 * zosbd2_servers_detach - detach some of a device's servers
 * @dev: the device
 * @which: which of them
 * @what: the session or the process, where @which says so
 */
void zosbd2_servers_detach(struct zosbd2_device *dev, enum zosbd2_which which,
			   const void *what)
{
	struct zosbd2_server *server, *found;

	do {
		found = NULL;
		spin_lock(&dev->lock);
		list_for_each_entry(server, &dev->servers, node) {
			if (!zosbd2_server_is_one_of(server, which, what))
				continue;
			found = server;
			found->users++;
			break;
		}
		spin_unlock(&dev->lock);
		if (found) {
			zosbd2_server_detach(found);
			zosbd2_server_put(found);
		}
	} while (found);
}

/**
 * zosbd2_server_init - make what all servers share
 *
 * Return: 0 or -ENOMEM.
 */
int zosbd2_server_init(void)
{
	return zosbd2_watch_init();
}

/**
 * zosbd2_server_exit - wait until the memory of all servers is free
 */
void zosbd2_server_exit(void)
{
	mmu_notifier_synchronize();
	zosbd2_watch_exit();
}
