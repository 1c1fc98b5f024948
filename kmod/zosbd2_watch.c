// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the end of a server whose address space lives on.
 *
 * An address space can outlive the process: a child that vfork(2) made, or
 * clone(2) with CLONE_VM, has it too, and may hang before it executes anything.
 * No mmu notifier tells then.  Who waits on a pidfd is woken when a process has
 * ended, after each of its threads has left the kernel, and so are we.
 *
 * We are woken with interrupts off, so a work item looks whether the process
 * has ended, which it has not if its first thread alone did.  A watch holds one
 * of server->users; who takes it off the queue, to queue the work or to stop
 * it, has that from then on.  A work item that begins to watch again gives the
 * watch one more, as the watch may be stopped before the work item is over.
 */
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "zosbd2.h"

static struct workqueue_struct *zosbd2_watch_wq;

static bool zosbd2_process_lives(struct pid *tgid)
{
	struct task_struct *task;
	bool lives;

	rcu_read_lock();
	task = pid_task(tgid, PIDTYPE_TGID);
	lives = task && atomic_read(&task->signal->live);
	rcu_read_unlock();
	return lives;
}

static int zosbd2_watch_woken(struct wait_queue_entry *entry, unsigned int mode,
			      int flags, void *key)
{
	struct zosbd2_server *server =
		container_of(entry, struct zosbd2_server, watch);

	list_del_init(&entry->entry);
	queue_work(zosbd2_watch_wq, &server->watch_work);
	return 0;
}

/* Returns false if the server is detached. */
static bool zosbd2_watch_again(struct zosbd2_server *server)
{
	struct zosbd2_device *dev = server->dev;
	bool attached;

	spin_lock(&dev->lock);
	attached = server->attached;
	if (attached) {
		server->users++;
		add_wait_queue(&server->tgid->wait_pidfd, &server->watch);
	}
	spin_unlock(&dev->lock);
	return attached;
}

static void zosbd2_watch_work(struct work_struct *work)
{
	struct zosbd2_server *server =
		container_of(work, struct zosbd2_server, watch_work);

	/* It may end just before it is watched: look again. */
	if (!zosbd2_process_lives(server->tgid) ||
	    (zosbd2_watch_again(server) &&
	     !zosbd2_process_lives(server->tgid)))
		zosbd2_server_detach(server);
	zosbd2_server_put(server);
}

/**
 * zosbd2_watch_start - begin to watch for the end of the calling process
 * @server: its server, attached in the same section of dev->lock
 */
void zosbd2_watch_start(struct zosbd2_server *server)
{
	INIT_WORK(&server->watch_work, zosbd2_watch_work);
	init_waitqueue_func_entry(&server->watch, zosbd2_watch_woken);
	server->users++;
	add_wait_queue(&server->tgid->wait_pidfd, &server->watch);
}

/**
 * zosbd2_watch_stop - stop watching
 * @server: a server that was attached
 *
 * Return: false if it was stopped before or the work is on its way; else the
 * caller has to put the watch's hold on the server.
 */
bool zosbd2_watch_stop(struct zosbd2_server *server)
{
	struct wait_queue_head *queue = &server->tgid->wait_pidfd;
	unsigned long flags;
	bool stopped;

	spin_lock_irqsave(&queue->lock, flags);
	stopped = !list_empty(&server->watch.entry);
	list_del_init(&server->watch.entry);
	spin_unlock_irqrestore(&queue->lock, flags);
	return stopped;
}

/**
 * zosbd2_watch_init - make what all watches share
 *
 * Return: 0 or -ENOMEM.
 */
int zosbd2_watch_init(void)
{
	/* What is written back to make memory free may wait for this work. */
	zosbd2_watch_wq = alloc_workqueue("zosbd2_watch",
					  WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return zosbd2_watch_wq ? 0 : -ENOMEM;
}

/**
 * zosbd2_watch_exit - take it away when there are no servers any more
 */
void zosbd2_watch_exit(void)
{
	destroy_workqueue(zosbd2_watch_wq);
}
