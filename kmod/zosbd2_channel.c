// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: channels: sessions with rings, see <uapi/linux/zosbd2_ring.h>.
 *
 * The file owns the channel.  Its memory is mapped by the server, who may write
 * anything anywhere in it at any time: the module keeps the positions that it
 * works with to itself, and copies an answer before it looks at it.  A mapping
 * holds the file, so the memory outlives it.
 *
 * Whoever writes answers has data copied to or from any address of the process
 * that calls, so only the process that attached may map a channel or call it,
 * wherever else the file goes; its children do not inherit the mapping.
 *
 * One thread at a time is in a call, and owns what is not constant.
 */
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "zosbd2.h"

static_assert(sizeof(struct zosbd2_ring) == 128);
static_assert(sizeof(struct zosbd2_ring_request) == 32);
static_assert(sizeof(struct zosbd2_ring_answer) == 32);

static struct zosbd2_channel *zosbd2_channel_of(struct zosbd2_session *session)
{
	return container_of(session, struct zosbd2_channel, session);
}

static void zosbd2_channel_free(struct zosbd2_session *session)
{
	struct zosbd2_channel *channel = zosbd2_channel_of(session);

	if (channel->server)
		zosbd2_server_put(channel->server);
	vfree(channel->ring);
	kfree(channel);
}

static int zosbd2_channel_enter(struct zosbd2_channel *channel,
				unsigned long arg)
{
	unsigned int noio;
	int ret;

	if (arg & ~(unsigned long)(ZOSBD2_ENTER_MAX_REQUESTS |
				   ZOSBD2_ENTER_WAIT))
		return -EINVAL;
	if (atomic_xchg_acquire(&channel->busy, 1))
		return -EBUSY;
	/* Memory must not be made free by I/O that waits for this server. */
	noio = memalloc_noio_save();
	WRITE_ONCE(channel->server->served, true);
	ret = zosbd2_enter(channel, arg & ZOSBD2_ENTER_MAX_REQUESTS,
			   arg & ZOSBD2_ENTER_WAIT);
	memalloc_noio_restore(noio);
	atomic_set_release(&channel->busy, 0);
	return ret;
}

static long zosbd2_channel_ioctl(struct file *file, unsigned int cmd,
				 unsigned long arg)
{
	struct zosbd2_channel *channel = zosbd2_channel_of(file->private_data);

	if (cmd != ZOSBD2_IOC_ENTER && cmd != ZOSBD2_IOC_WAKE)
		return -ENOTTY;
	/* Whoever attached had the capability. */
	if (channel->session.tgid != task_tgid(current))
		return -EPERM;
	if (cmd == ZOSBD2_IOC_ENTER)
		return zosbd2_channel_enter(channel, arg);
	zosbd2_kick_channel(channel);
	return 0;
}

static int zosbd2_channel_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct zosbd2_channel *channel = zosbd2_channel_of(file->private_data);

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (channel->session.tgid != task_tgid(current))
		return -EPERM;
	vm_flags_set(vma, VM_DONTCOPY);
	return remap_vmalloc_range(vma, channel->ring, vma->vm_pgoff);
}

/* Would a call return at once, with requests or with news? */
static bool zosbd2_channel_is_ready(struct zosbd2_channel *channel)
{
	struct zosbd2_queue *queue = zosbd2_channel_queue(channel);
	struct zosbd2_server *server = channel->server;
	u64 retired_by;

	if (READ_ONCE(queue->dev->gone) || !READ_ONCE(server->attached) ||
	    READ_ONCE(channel->kicked))
		return true;
	if (unlikely(READ_ONCE(server->retired_by))) {
		switch (zosbd2_retirement(server, &retired_by)) {
		case ZOSBD2_RETIRED:
			return true;
		case ZOSBD2_RETIRING:
			/* Requests are not for it any more. */
			return READ_ONCE(channel->told_retired) != retired_by;
		default:
			break;
		}
	}
	return !zosbd2_fifo_is_empty(&queue->queued);
}

static __poll_t zosbd2_channel_poll(struct file *file,
				    struct poll_table_struct *table)
{
	struct zosbd2_channel *channel = zosbd2_channel_of(file->private_data);

	poll_wait(file, &zosbd2_channel_queue(channel)->wait, table);
	return zosbd2_channel_is_ready(channel) ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations zosbd2_channel_fops = {
	.owner		= THIS_MODULE,
	.release	= zosbd2_session_release,
	.unlocked_ioctl	= zosbd2_channel_ioctl,
	.mmap		= zosbd2_channel_mmap,
	.poll		= zosbd2_channel_poll,
	.llseek		= noop_llseek,
};

/**
 * zosbd2_channel_layout - tell what a channel's mapping will look like
 * @dev: the device
 * @req: what is asked for, checked but for what depends on the device; the
 *	"out" fields are filled in
 *
 * Return: 0, -EINVAL for a queue that there is not, or -EOPNOTSUPP for a
 * feature of the device that the server does not understand.
 */
int zosbd2_channel_layout(const struct zosbd2_device *dev,
			  struct zosbd2_ring_attach *req)
{
	if (req->queue >= dev->nr_queues)
		return -EINVAL;
	if (dev->features & ZOSBD2_FEATURES_OF_SERVER & ~req->features)
		return -EOPNOTSUPP;
	if (!req->entries)
		req->entries = roundup_pow_of_two(dev->queue_depth);
	req->requests_offset = PAGE_SIZE;
	req->answers_offset = req->requests_offset +
		PAGE_ALIGN(req->entries * sizeof(struct zosbd2_ring_request));
	req->map_bytes = req->answers_offset +
		PAGE_ALIGN(req->entries * sizeof(struct zosbd2_ring_answer));
	return 0;
}

/* It counts as a server from now on, and its death is noticed. */
static int zosbd2_channel_begin(struct zosbd2_session *session)
{
	struct zosbd2_channel *channel = zosbd2_channel_of(session);

	return zosbd2_server_attach(session->dev, session, &channel->server);
}

static void zosbd2_channel_opened(struct zosbd2_session *session)
{
	struct zosbd2_channel *channel = zosbd2_channel_of(session);

	channel->ring->generation = session->generation;
}

static int zosbd2_channel_make(struct zosbd2_device *dev,
			       const struct zosbd2_ring_attach *req)
{
	struct zosbd2_channel *channel;

	channel = kzalloc_obj(*channel, GFP_KERNEL);
	if (!channel)
		return -ENOMEM;
	channel->ring = vmalloc_user(req->map_bytes);
	if (!channel->ring) {
		kfree(channel);
		return -ENOMEM;
	}
	channel->requests = (void *)channel->ring + req->requests_offset;
	channel->answers = (void *)channel->ring + req->answers_offset;
	channel->entries = req->entries;
	INIT_HLIST_NODE(&channel->idle);
	channel->session.dev = dev;
	channel->session.queue = &dev->queues[req->queue];
	channel->session.generation = req->generation;
	channel->session.is_channel = true;
	channel->session.begin = zosbd2_channel_begin;
	channel->session.opened = zosbd2_channel_opened;
	channel->session.free = zosbd2_channel_free;
	return zosbd2_session_open(&channel->session, &zosbd2_channel_fops,
				   req->flags, req->timeout_ms);
}

/**
 * zosbd2_channel_attach - open a channel
 * @dev: the device
 * @req: how, with its layout
 *
 * Return: a file descriptor, or a negative errno as zosbd2_session_open().
 */
int zosbd2_channel_attach(struct zosbd2_device *dev,
			  const struct zosbd2_ring_attach *req)
{
	unsigned int noio;
	int ret;

	/* Memory must not be made free by I/O that waits for this server. */
	noio = memalloc_noio_save();
	ret = zosbd2_channel_make(dev, req);
	memalloc_noio_restore(noio);
	return ret;
}
