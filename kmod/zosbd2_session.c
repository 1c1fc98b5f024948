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
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "zosbd2.h"

static int zosbd2_session_release(struct inode *inode, struct file *file)
{
	struct zosbd2_session *session = file->private_data;
	struct zosbd2_device *dev = session->dev;
	LIST_HEAD(ending);

	zosbd2_servers_detach(dev, ZOSBD2_OF_SESSION, session);
	spin_lock(&dev->lock);
	list_del(&session->node);
	zosbd2_dev_lose(dev, &ending);
	spin_unlock(&dev->lock);
	zosbd2_blk_end_doomed(dev, &ending);
	kfree(session);
	zosbd2_dev_put(dev);
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

/*
 * A file with a session that is on its device's list.  The file owns it, and
 * with it the reference to the device that is taken here.
 */
static struct file *zosbd2_session_open(struct zosbd2_device *dev)
{
	struct zosbd2_session *session;
	struct file *file;

	session = kzalloc_obj(*session, GFP_KERNEL);
	if (!session)
		return ERR_PTR(-ENOMEM);
	session->dev = dev;
	file = anon_inode_getfile("[zosbd2]", &zosbd2_session_fops, session,
				  O_RDWR);
	if (IS_ERR(file)) {
		kfree(session);
		return file;
	}
	kref_get(&dev->ref);
	spin_lock(&dev->lock);
	list_add_tail(&session->node, &dev->sessions);
	spin_unlock(&dev->lock);
	return file;
}

/* From now on the device counts as served. */
static int zosbd2_session_admit(struct zosbd2_session *session)
{
	struct zosbd2_device *dev = session->dev;
	int ret = 0;

	spin_lock(&dev->lock);
	if (dev->gone)
		ret = -ENOENT;
	else
		dev->lost = false;
	spin_unlock(&dev->lock);
	return ret;
}

static int zosbd2_attach(struct zosbd2_device *dev,
			 const struct zosbd2_ext_attach *req)
{
	struct file *file;
	int fd, ret;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = zosbd2_session_open(dev);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto out_fd;
	}
	ret = zosbd2_session_admit(file->private_data);
	if (!ret && req->flags & ZOSBD2_ATTACH_TAKE_OVER)
		ret = zosbd2_servers_retire(dev, file->private_data,
					    req->timeout_ms);
	if (ret)
		goto out_file;
	fd_install(fd, file);
	return fd;

out_file:
	fput(file);
out_fd:
	put_unused_fd(fd);
	return ret;
}

/**
 * zosbd2_session_attach - open a session
 * @dev: the device
 * @req: how, checked
 *
 * Return: a file descriptor, or -ENOENT, -EOPNOTSUPP, -ETIMEDOUT, -EINTR (see
 * struct zosbd2_ext_attach), -ENOMEM, -EMFILE, -ENFILE.
 */
int zosbd2_session_attach(struct zosbd2_device *dev,
			  const struct zosbd2_ext_attach *req)
{
	unsigned int noio;
	int ret;

	if (dev->features & ZOSBD2_FEATURES_OF_SERVER & ~req->features)
		return -EOPNOTSUPP;
	/* Memory must not be made free by I/O that waits for this server. */
	noio = memalloc_noio_save();
	ret = zosbd2_attach(dev, req);
	memalloc_noio_restore(noio);
	return ret;
}
