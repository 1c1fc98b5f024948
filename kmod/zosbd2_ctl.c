// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the control node /dev/zosbd2ctl.
 *
 * Everything that a client says is checked here, before the rest of the
 * module sees it.  Clients pass buffers of different sizes, so a call reads
 * only the fields it needs and writes only its results.
 */
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "zosbd2.h"

#ifndef CONFIG_64BIT
#error "the layouts of the classic protocol are those of 64-bit processes"
#endif

/* What a create reads; the results follow. */
#define ZOSBD2_CREATE_IN_BYTES	offsetof(struct zosbd2_create, handle_id)

static_assert(ZOSBD2_CREATE_IN_BYTES == 60);
static_assert(sizeof(struct zosbd2_device_list) == 204);
static_assert(sizeof(struct zosbd2_device_status) == 72);

/*
 * A name becomes the name of a node and of sysfs directories, and goes
 * through the scripts of others: no path, no white space, nothing that a shell
 * or udev treats specially, nothing hidden, nothing that looks like an option.
 */
static int zosbd2_check_name(const char *name)
{
	size_t i, len = strnlen(name, ZOSBD2_NAME_LEN);

	if (!len || len == ZOSBD2_NAME_LEN)
		return -EINVAL;
	if (name[0] == '.' || name[0] == '-')
		return -EINVAL;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) ||
		    (!isalnum(name[i]) && !strchr("-._", name[i])))
			return -EINVAL;
	return 0;
}

/**
 * zosbd2_check_size - is a device of this size possible
 * @blocks: how many blocks
 * @block_size: their size in bytes, checked
 *
 * Return: whether it is.
 */
bool zosbd2_check_size(u64 blocks, u32 block_size)
{
	return blocks >= ZOSBD2_MIN_BLOCKS * ZOSBD2_BLOCK_SIZE / block_size &&
	       blocks <= ZOSBD2_MAX_BLOCKS * ZOSBD2_BLOCK_SIZE / block_size;
}

/**
 * zosbd2_check_create - check what both ways to create a device say
 * @req: name, size and time-out; its block size is a power of two
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int zosbd2_check_create(const struct zosbd2_ext_create *req)
{
	int ret;

	ret = zosbd2_check_name(req->device_name);
	if (ret)
		return ret;
	if (!zosbd2_check_size(req->number_of_blocks, req->block_size))
		return -ERANGE;
	if (req->timeout_seconds < ZOSBD2_MIN_TIMEOUT_SECONDS ||
	    req->timeout_seconds > ZOSBD2_MAX_TIMEOUT_SECONDS)
		return -ERANGE;
	return 0;
}

/**
 * zosbd2_tell_handle - tell the handle of a new device
 * @handle_id: the handle
 * @arg: where the client wants it
 *
 * Return: 0, or -EFAULT, and then there is no such device any more.
 */
int zosbd2_tell_handle(u32 handle_id, __u32 __user *arg)
{
	struct zosbd2_device *dev;

	if (!put_user(handle_id, arg))
		return 0;
	dev = zosbd2_dev_get_by_id(handle_id);
	if (dev) {
		zosbd2_dev_destroy_forced(dev);
		zosbd2_dev_put(dev);
	}
	return -EFAULT;
}

static int zosbd2_ctl_create(struct zosbd2_create __user *arg)
{
	struct zosbd2_ext_create req = { };
	struct zosbd2_create classic;
	u32 handle_id;
	int ret;

	if (copy_from_user(&classic, arg, ZOSBD2_CREATE_IN_BYTES))
		return -EFAULT;
	/* Do not make a device whose handle cannot be told. */
	if (put_user(0, &arg->error))
		return -EFAULT;

	memcpy(req.device_name, classic.device_name, sizeof(req.device_name));
	req.block_size = classic.block_size;
	req.queues = 1;
	req.queue_depth = zosbd2_queue_depth;
	req.physical_block_size = ZOSBD2_BLOCK_SIZE;
	req.max_io_bytes = ZOSBD2_MAX_DATA_BYTES;
	req.max_discard_bytes = ZOSBD2_DISCARD_BYTES;
	req.discard_granularity = ZOSBD2_BLOCK_SIZE;
	req.number_of_blocks = classic.number_of_blocks;
	req.timeout_seconds = classic.timeout_seconds;
	req.max_segments = min_t(u32, classic.max_segments_per_request ?:
				      ZOSBD2_MAX_SEGMENTS,
				 ZOSBD2_MAX_SEGMENTS);
	ret = -EINVAL;
	if (req.block_size == ZOSBD2_BLOCK_SIZE)
		ret = zosbd2_check_create(&req);
	if (!ret &&
	    classic.bio_segment_batch_queue_size > ZOSBD2_MAX_BATCH_QUEUE_SIZE)
		ret = -ERANGE;
	if (!ret)
		ret = zosbd2_dev_create(&req, &handle_id);
	if (ret)
		return put_user(ret, &arg->error) ? -EFAULT : ret;
	return zosbd2_tell_handle(handle_id, &arg->handle_id);
}

static int zosbd2_destroy(struct zosbd2_device *dev, bool force)
{
	int ret;

	if (!dev)
		return -ENOENT;
	ret = force ? zosbd2_dev_destroy_forced(dev) : zosbd2_dev_destroy(dev);
	zosbd2_dev_put(dev);
	return ret;
}

/* Destroy, and say so twice; what was interrupted says EINTR in the field. */
static int zosbd2_destroy_reporting(struct zosbd2_device *dev, bool force,
				    __s32 __user *error)
{
	int ret;

	ret = zosbd2_destroy(dev, force);
	if (put_user(ret == -ERESTARTSYS ? -EINTR : ret, error))
		return -EFAULT;
	return ret;
}

static int zosbd2_ctl_destroy_by_id(struct zosbd2_destroy_by_id __user *arg)
{
	u32 handle_id, force;

	/* Do not destroy what cannot be reported. */
	if (get_user(handle_id, &arg->handle_id) ||
	    get_user(force, &arg->force) || put_user(0, &arg->error))
		return -EFAULT;
	return zosbd2_destroy_reporting(zosbd2_dev_get_by_id(handle_id), force,
					&arg->error);
}

/* An invalid name is nobody's: ENOENT rather than EINVAL. */
static struct zosbd2_device *zosbd2_get_by_user_name(const char *name)
{
	if (zosbd2_check_name(name))
		return NULL;
	return zosbd2_dev_get_by_name(name);
}

static int zosbd2_ctl_destroy_by_name(struct zosbd2_destroy_by_name __user *arg)
{
	char name[ZOSBD2_NAME_LEN];
	u32 force;

	if (copy_from_user(name, arg->device_name, sizeof(name)) ||
	    get_user(force, &arg->force) || put_user(0, &arg->error))
		return -EFAULT;
	return zosbd2_destroy_reporting(zosbd2_get_by_user_name(name), force,
					&arg->error);
}

/* Goes on when one cannot be destroyed; the first error is the result. */
static int zosbd2_ctl_destroy_all(struct zosbd2_destroy_all __user *arg)
{
	struct zosbd2_device_list list;
	int err, ret = 0;
	u32 i, force;

	if (get_user(force, &arg->force))
		return -EFAULT;
	zosbd2_dev_list(&list);
	for (i = 0; i < list.num_devices; i++) {
		err = zosbd2_destroy(zosbd2_dev_get_by_id(list.handle_id[i]),
				     force);
		if (err == -ERESTARTSYS)
			return err;
		/* Somebody else was faster. */
		if (err == -ENOENT)
			continue;
		if (!ret)
			ret = err;
	}
	return ret;
}

static int zosbd2_ctl_get_handle(struct zosbd2_get_handle __user *arg)
{
	char name[ZOSBD2_NAME_LEN];
	struct zosbd2_device *dev;
	int ret = -ENOENT;

	if (copy_from_user(name, arg->device_name, sizeof(name)))
		return -EFAULT;
	dev = zosbd2_get_by_user_name(name);
	if (dev) {
		ret = put_user(dev->handle_id, &arg->handle_id);
		zosbd2_dev_put(dev);
	}
	return put_user(ret, &arg->error) ? -EFAULT : ret;
}

static int zosbd2_ctl_list(struct zosbd2_device_list __user *arg)
{
	struct zosbd2_device_list list;

	zosbd2_dev_list(&list);
	return copy_to_user(arg, &list, sizeof(list)) ? -EFAULT : 0;
}

static int zosbd2_ctl_status(struct zosbd2_device_status __user *arg)
{
	const size_t out = offsetof(struct zosbd2_device_status, size_in_bytes);
	struct zosbd2_device_status status = { };
	struct zosbd2_device *dev;
	u32 handle_id;

	if (get_user(handle_id, &arg->handle_id_request))
		return -EFAULT;
	dev = zosbd2_dev_get_by_id(handle_id);
	if (!dev)
		return -ENOENT;
	status.number_of_blocks = zosbd2_dev_blocks(dev);
	status.block_size = dev->block_size;
	status.size_in_bytes = status.number_of_blocks * status.block_size;
	status.max_segments_per_request = dev->max_segments;
	status.timeout_milliseconds = dev->timeout_seconds * 1000;
	status.handle_id = dev->handle_id;
	strscpy(status.device_name, dev->name, sizeof(status.device_name));
	zosbd2_dev_put(dev);

	if (copy_to_user((char __user *)arg + out, (char *)&status + out,
			 sizeof(status) - out))
		return -EFAULT;
	return 0;
}

static int zosbd2_ctl_open(struct inode *inode, struct file *file)
{
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

static long zosbd2_ctl_ioctl(struct file *file, unsigned int cmd,
			     unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	/* The file may have been passed to somebody. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	switch (cmd) {
	case ZOSBD2_IOCTL_PING:
		return 0;
	case ZOSBD2_IOCTL_CREATE_DEVICE:
		return zosbd2_ctl_create(argp);
	case ZOSBD2_IOCTL_DESTROY_DEVICE_BY_ID:
		return zosbd2_ctl_destroy_by_id(argp);
	case ZOSBD2_IOCTL_DESTROY_DEVICE_BY_NAME:
		return zosbd2_ctl_destroy_by_name(argp);
	case ZOSBD2_IOCTL_DESTROY_ALL_DEVICES:
		return zosbd2_ctl_destroy_all(argp);
	case ZOSBD2_IOCTL_GET_HANDLE_ID_BY_NAME:
		return zosbd2_ctl_get_handle(argp);
	case ZOSBD2_IOCTL_STATUS_DEVICE_LIST:
		return zosbd2_ctl_list(argp);
	case ZOSBD2_IOCTL_STATUS_DEVICE_STATUS:
		return zosbd2_ctl_status(argp);
	default:
		return zosbd2_ext_ioctl(cmd, argp);
	}
}

/*
 * No compat_ioctl: the layouts of 32-bit processes differ, and without it
 * they get ENOTTY.
 */
static const struct file_operations zosbd2_ctl_fops = {
	.owner		= THIS_MODULE,
	.open		= zosbd2_ctl_open,
	.unlocked_ioctl	= zosbd2_ctl_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice zosbd2_ctl_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "zosbd2ctl",
	.fops	= &zosbd2_ctl_fops,
	.mode	= 0600,
};

/**
 * zosbd2_ctl_register - make the control node
 *
 * Return: 0, or what misc_register() says.
 */
int zosbd2_ctl_register(void)
{
	return misc_register(&zosbd2_ctl_misc);
}

/**
 * zosbd2_ctl_unregister - take the control node away
 */
void zosbd2_ctl_unregister(void)
{
	misc_deregister(&zosbd2_ctl_misc);
}
