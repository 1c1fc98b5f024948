// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: sessions: files that a device is served through.
 *
 * A session is on its device's list from attach until its last close, and
 * holds a reference to the device.  Every call on it holds a reference to its
 * file, so none is under way when it is released.
 */
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "zosbd2.h"

static void zosbd2_session_close(struct zosbd2_session *session)
{
	struct zosbd2_device *dev = session->dev;
	struct zosbd2_fifo ending;

	zosbd2_fifo_init(&ending);
	zosbd2_servers_detach(dev, ZOSBD2_OF_SESSION, session);
	spin_lock(&dev->lock);
	list_del(&session->node);
	zosbd2_dev_lose(dev, &ending);
	spin_unlock(&dev->lock);
	zosbd2_requests_end_doomed(&ending);
	put_pid(session->tgid);
	session->free(session);
	zosbd2_dev_put(dev);
}

/**
 * zosbd2_session_release - the last close of a session's file
 * @inode: not used
 * @file: the file
 *
 * Return: 0.
 */
int zosbd2_session_release(struct inode *inode, struct file *file)
{
	zosbd2_session_close(file->private_data);
	return 0;
}

static long zosbd2_session_ioctl(struct file *file, unsigned int cmd,
				 unsigned long arg)
{
	struct zosbd2_session *session = file->private_data;

	/* The file may have been passed to somebody. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	switch (cmd) {
	case ZOSBD2_IOCTL_DEVICE_PING:
		return READ_ONCE(session->dev->gone) ? -ENOENT : 0;
	case ZOSBD2_IOCTL_DEVICE_OPERATION:
		return zosbd2_serve(session->dev, session, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

/* No compat_ioctl: see zosbd2_bdev_ops. */
static const struct file_operations zosbd2_session_fops = {
	.owner		= THIS_MODULE,
	.release	= zosbd2_session_release,
	.unlocked_ioctl	= zosbd2_session_ioctl,
	.llseek		= noop_llseek,
};

/* From now on the device counts as served. */
static int zosbd2_session_admit(struct zosbd2_session *session)
{
	struct zosbd2_device *dev = session->dev;
	int ret = 0;

	spin_lock(&dev->lock);
	if (dev->gone) {
		ret = -ENOENT;
	} else if (session->generation &&
		   session->generation != dev->generation) {
		ret = -ESTALE;
	} else {
		/*
		 * Who comes amid a take-over is taken over from too, unless to
		 * take over itself; one that is over was from those before it.
		 */
		session->retired_by = session->takes_over ? 0 : dev->take_over;
		session->generation = dev->generation;
		if (!session->retired_by)
			WRITE_ONCE(dev->lost, false);
	}
	spin_unlock(&dev->lock);
	return ret;
}

/**
 * zosbd2_session_open - begin a session, and make a file of it
 * @session: the session, zeroed but for its device, queue, and generation if
 *	that has to be a certain one, and how it is freed, which it is also when
 *	this fails
 * @fops: of the file, with zosbd2_session_release()
 * @flags: ZOSBD2_ATTACH_*
 * @timeout_ms: how long a take-over may take
 *
 * Return: a file descriptor, or -ENOENT, -ETIMEDOUT, -EINTR (see struct
 * zosbd2_ext_attach), -ESTALE, -ENOMEM, -EMFILE, -ENFILE.
 */
int zosbd2_session_open(struct zosbd2_session *session,
			const struct file_operations *fops, u32 flags,
			u32 timeout_ms)
{
	struct zosbd2_device *dev = session->dev;
	struct file *file;
	int fd, ret;

	kref_get(&dev->ref);
	session->tgid = get_pid(task_tgid(current));
	session->takes_over = flags & ZOSBD2_ATTACH_TAKE_OVER;
	spin_lock(&dev->lock);
	list_add_tail(&session->node, &dev->sessions);
	spin_unlock(&dev->lock);

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		zosbd2_session_close(session);
		return fd;
	}
	file = anon_inode_getfile("[zosbd2]", fops, session, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		zosbd2_session_close(session);
		return PTR_ERR(file);
	}
	/* It closes the session from now on. */
	ret = zosbd2_session_admit(session);
	if (!ret && session->begin)
		ret = session->begin(session);
	if (!ret && session->takes_over)
		ret = zosbd2_servers_retire(dev, session, timeout_ms);
	if (ret) {
		put_unused_fd(fd);
		fput(file);
		return ret;
	}
	if (session->opened)
		session->opened(session);
	fd_install(fd, file);
	return fd;
}

static void zosbd2_session_free(struct zosbd2_session *session)
{
	kfree(session);
}

/**
 * zosbd2_session_attach - open a session for the classic protocol
 * @dev: the device
 * @req: how, checked
 *
 * Return: a file descriptor, or -ENOENT, -EOPNOTSUPP, -ETIMEDOUT, -EINTR (see
 * struct zosbd2_ext_attach), -ENOMEM, -EMFILE, -ENFILE.
 */
int zosbd2_session_attach(struct zosbd2_device *dev,
			  const struct zosbd2_ext_attach *req)
{
	struct zosbd2_session *session;
	unsigned int noio;
	int ret;

	if (dev->features & ZOSBD2_FEATURES_OF_SERVER & ~req->features ||
	    !zosbd2_dev_is_classic(dev))
		return -EOPNOTSUPP;
	/* Memory must not be made free by I/O that waits for this server. */
	noio = memalloc_noio_save();
	ret = -ENOMEM;
	session = kzalloc_obj(*session, GFP_KERNEL);
	if (session) {
		session->dev = dev;
		session->queue = dev->queues;
		session->free = zosbd2_session_free;
		ret = zosbd2_session_open(session, &zosbd2_session_fops,
					  req->flags, req->timeout_ms);
	}
	memalloc_noio_restore(noio);
	return ret;
}
