// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: how a server takes a device over from others that live.
 *
 * All servers but the successor are retired: they keep what they have fetched,
 * and get nothing new.  Their threads wait on dev->retired_wait so that they do
 * not swallow the wake-up of a request, and so does the successor until nothing
 * is with a retired server.  Then they are retired for good, whatever becomes of
 * the successor; if it gives up before, they serve again.  Take-overs have
 * numbers and follow one another: only what the one under way has retired can
 * be made to serve again.  Who waits to take over is no server that another one
 * retires, until it has taken over.
 *
 * Where all servers stand changes at once, under dev->lock and the lock of the
 * first queue, which is the one of all classic servers: they may answer what
 * others have fetched, and that lock decides whether that comes before the end.
 */
#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "zosbd2.h"

/* Begin a take-over, unless another one is under way. */
static bool zosbd2_retire(struct zosbd2_device *dev)
{
	struct zosbd2_session *session;
	struct zosbd2_server *server;

	spin_lock(&dev->lock);
	if (dev->take_over) {
		spin_unlock(&dev->lock);
		return false;
	}
	spin_lock(&dev->queues->lock);
	WRITE_ONCE(dev->take_over, ++dev->take_overs);
	list_for_each_entry(server, &dev->servers, node)
		if (!server->retired_by &&
		    !(server->session && server->session->takes_over))
			WRITE_ONCE(server->retired_by, dev->take_over);
	spin_unlock(&dev->queues->lock);
	list_for_each_entry(session, &dev->sessions, node)
		if (!session->retired_by && !session->takes_over)
			session->retired_by = dev->take_over;
	WRITE_ONCE(dev->lost, false);
	spin_unlock(&dev->lock);
	zosbd2_queues_wake_all(dev);
	return true;
}

/* Let those serve again that the take-over under way has retired, and end it. */
static void zosbd2_give_up(struct zosbd2_device *dev)
{
	struct zosbd2_session *session;
	struct zosbd2_server *server;

	spin_lock(&dev->lock);
	spin_lock(&dev->queues->lock);
	list_for_each_entry(server, &dev->servers, node)
		if (server->retired_by == dev->take_over)
			WRITE_ONCE(server->retired_by, 0);
	list_for_each_entry(session, &dev->sessions, node)
		if (session->retired_by == dev->take_over)
			session->retired_by = 0;
	WRITE_ONCE(dev->take_over, 0);
	spin_unlock(&dev->queues->lock);
	spin_unlock(&dev->lock);
}

static bool zosbd2_retired_are_idle(struct zosbd2_device *dev)
	__must_hold(&dev->lock)
{
	struct zosbd2_server *server;
	bool idle;

	list_for_each_entry(server, &dev->servers, node) {
		if (!server->retired_by)
			continue;
		/* A fetch that does not see retired_by is over when we look. */
		spin_lock(&server->queue->lock);
		idle = !server->held;
		spin_unlock(&server->queue->lock);
		if (!idle)
			return false;
	}
	return true;
}

/*
 * A classic server may get a request while it copies data that another one has
 * asked for, and may even have closed the block device meanwhile: then it is not
 * among the servers any more.
 */
static bool zosbd2_retired_have_nothing(struct zosbd2_queue *queue)
	__must_hold(&queue->lock)
{
	const struct zosbd2_slot *slot;
	unsigned int i;

	for (i = 0; i < queue->dev->queue_depth; i++) {
		slot = &queue->slots[i];
		if (slot->server && READ_ONCE(slot->server->retired_by))
			return false;
	}
	return true;
}

/* End the take-over with success, if nothing is with those it has retired. */
static bool zosbd2_succeed(struct zosbd2_device *dev,
			   struct zosbd2_session *successor)
{
	bool over = false;

	spin_lock(&dev->lock);
	if (zosbd2_retired_are_idle(dev)) {
		spin_lock(&dev->queues->lock);
		over = zosbd2_retired_have_nothing(dev->queues);
		if (over) {
			successor->generation = ++dev->generation;
			successor->takes_over = false;
			WRITE_ONCE(dev->take_over, 0);
		}
		spin_unlock(&dev->queues->lock);
	}
	spin_unlock(&dev->lock);
	return over;
}

/**
 * zosbd2_retirement - where a server stands in a take-over
 * @server: the server
 * @number: set to the number of the take-over that retired it, 0 if none has
 *
 * Return: enum zosbd2_retirement.
 */
enum zosbd2_retirement zosbd2_retirement(const struct zosbd2_server *server,
					 u64 *number)
{
	struct zosbd2_device *dev = server->dev;
	u64 under_way;

	/* Both at once: one that is given up makes it serve. */
	spin_lock(&dev->lock);
	*number = server->retired_by;
	under_way = dev->take_over;
	spin_unlock(&dev->lock);
	if (!*number)
		return ZOSBD2_SERVING;
	return *number == under_way ? ZOSBD2_RETIRING : ZOSBD2_RETIRED;
}

/**
 * zosbd2_servers_retire - have all servers but one hand in what they have
 * @dev: the device
 * @successor: whose servers stay; none has made a call yet
 * @timeout_ms: how long that may take, together with take-overs before
 *
 * Return: 0; -ETIMEDOUT or -EINTR, and then all is as before; -ENOENT when the
 * device is gone.
 */
int zosbd2_servers_retire(struct zosbd2_device *dev,
			  struct zosbd2_session *successor,
			  unsigned int timeout_ms)
{
	long left;

	left = wait_event_interruptible_timeout(dev->retired_wait,
						zosbd2_retire(dev),
						msecs_to_jiffies(timeout_ms));
	if (left > 0) {
		left = wait_event_interruptible_timeout(dev->retired_wait,
							zosbd2_succeed(dev, successor),
							left);
		if (left <= 0)
			zosbd2_give_up(dev);
		/* Who polls a channel is to look too. */
		zosbd2_queues_wake_all(dev);
	}
	if (left <= 0)
		return left ? -EINTR : -ETIMEDOUT;
	return READ_ONCE(dev->gone) ? -ENOENT : 0;
}
