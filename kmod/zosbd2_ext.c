// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the extension's calls on the control node.  As in zosbd2_ctl.c
 * everything that a client says is checked here.
 */
#include <linux/log2.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "zosbd2.h"

static_assert(sizeof(struct zosbd2_ext_info) == 16);
static_assert(sizeof(struct zosbd2_ext_create) == 104);
static_assert(sizeof(struct zosbd2_ext_status) == 104);
static_assert(sizeof(struct zosbd2_ext_attach) == 32);
static_assert(sizeof(struct zosbd2_ext_resize) == 16);
static_assert(sizeof(struct zosbd2_ring_attach) == 64);

static int zosbd2_ext_info(struct zosbd2_ext_info __user *arg)
{
	const struct zosbd2_ext_info info = {
		.version	= ZOSBD2_EXT_VERSION,
		.max_devices	= zosbd2_max_devices,
		.features	= ZOSBD2_FEATURES,
	};

	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static bool zosbd2_is_block_size(u32 bytes, u32 least, u32 most)
{
	return is_power_of_2(bytes) && bytes >= least && bytes <= most;
}

/* Fill in what is left to us. */
static void zosbd2_default(u32 *value, u32 instead)
{
	if (!*value)
		*value = instead;
}

/* What only this way to create a device says. */
static int zosbd2_check_shape(struct zosbd2_ext_create *req)
{
	const u32 block = req->block_size;

	if (!zosbd2_is_block_size(block, SECTOR_SIZE, ZOSBD2_MAX_BLOCK_SIZE))
		return -EINVAL;
	zosbd2_default(&req->max_segments, ZOSBD2_MAX_SEGMENTS);
	zosbd2_default(&req->queues, 1);
	zosbd2_default(&req->queue_depth, zosbd2_queue_depth);
	zosbd2_default(&req->physical_block_size, block);
	zosbd2_default(&req->max_io_bytes, ZOSBD2_MAX_DATA_BYTES);
	zosbd2_default(&req->max_discard_bytes, ZOSBD2_DISCARD_BYTES);
	zosbd2_default(&req->discard_granularity, block);
	if (req->max_segments > ZOSBD2_MAX_SEGMENTS ||
	    req->queues > ZOSBD2_MAX_QUEUES ||
	    req->poll_queues > ZOSBD2_MAX_QUEUES ||
	    req->queue_depth > ZOSBD2_MAX_QUEUE_DEPTH)
		return -EINVAL;
	/* A block has to fit, wherever its pages are. */
	if (req->max_segments < DIV_ROUND_UP(block, PAGE_SIZE))
		return -EINVAL;
	if (req->max_io_bytes > ZOSBD2_MAX_IO_BYTES ||
	    req->max_io_bytes % max_t(u32, block, PAGE_SIZE) ||
	    req->max_discard_bytes > ZOSBD2_MAX_DISCARD_BYTES)
		return -EINVAL;
	if (!zosbd2_is_block_size(req->physical_block_size, block,
				  req->max_io_bytes) ||
	    !zosbd2_is_block_size(req->discard_granularity, block,
				  req->max_discard_bytes))
		return -EINVAL;
	/* The block layer discards in units of the larger of these. */
	if (req->max_discard_bytes % max(req->discard_granularity,
					 req->physical_block_size))
		return -EINVAL;
	if (req->io_opt > ZOSBD2_MAX_IO_BYTES ||
	    req->io_opt % req->physical_block_size)
		return -EINVAL;
	return 0;
}

static int zosbd2_ext_create(struct zosbd2_ext_create __user *arg)
{
	struct zosbd2_ext_create req;
	u32 handle_id;
	int ret;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	/* Do not make a device whose handle cannot be told. */
	if (put_user(0, &arg->handle_id))
		return -EFAULT;
	if (req.reserved)
		return -EINVAL;
	if (req.features & ~ZOSBD2_FEATURES)
		return -EOPNOTSUPP;
	if (req.features & ZOSBD2_FEATURE_FUA &&
	    !(req.features & ZOSBD2_FEATURE_FLUSH))
		return -EINVAL;
	if (req.recovery > ZOSBD2_RECOVERY_FAIL)
		return -EINVAL;
	ret = zosbd2_check_shape(&req);
	if (!ret)
		ret = zosbd2_check_create(&req);
	if (ret)
		return ret;
	ret = zosbd2_dev_create(&req, &handle_id);
	if (ret)
		return ret;
	return zosbd2_tell_handle(handle_id, &arg->handle_id);
}

static int zosbd2_ext_status(struct zosbd2_ext_status __user *arg)
{
	struct zosbd2_ext_status status = { };
	struct zosbd2_device *dev;

	if (get_user(status.handle_id, &arg->handle_id))
		return -EFAULT;
	dev = zosbd2_dev_get_by_id(status.handle_id);
	if (!dev)
		return -ENOENT;
	status.block_size = dev->block_size;
	status.number_of_blocks = zosbd2_dev_blocks(dev);
	status.features = dev->features;
	status.timeout_seconds = dev->timeout_seconds;
	status.max_segments = dev->max_segments;
	status.recovery = dev->recovery;
	status.servers = zosbd2_server_count(dev);
	status.queues = dev->nr_queues - dev->nr_poll_queues;
	status.poll_queues = dev->nr_poll_queues;
	status.queue_depth = dev->tag_set.queue_depth;
	status.physical_block_size = dev->physical_block_size;
	status.max_io_bytes = dev->max_io_bytes;
	status.io_opt = dev->io_opt;
	status.max_discard_bytes = dev->max_discard_bytes;
	status.discard_granularity = dev->discard_granularity;
	strscpy(status.device_name, dev->name, sizeof(status.device_name));
	zosbd2_dev_put(dev);
	return copy_to_user(arg, &status, sizeof(status)) ? -EFAULT : 0;
}

static int zosbd2_ext_attach(struct zosbd2_ext_attach __user *arg)
{
	struct zosbd2_ext_attach req;
	struct zosbd2_device *dev;
	int ret;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (memchr_inv(req.reserved, 0, sizeof(req.reserved)) ||
	    req.flags & ~ZOSBD2_ATTACH_TAKE_OVER ||
	    req.features & ~ZOSBD2_FEATURES_OF_SERVER)
		return -EINVAL;
	dev = zosbd2_dev_get_by_id(req.handle_id);
	if (!dev)
		return -ENOENT;
	ret = zosbd2_session_attach(dev, &req);
	zosbd2_dev_put(dev);
	return ret;
}

static int zosbd2_ext_attach_queue(struct zosbd2_ring_attach __user *arg)
{
	struct zosbd2_ring_attach req;
	struct zosbd2_device *dev;
	int ret;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (memchr_inv(req.reserved, 0, sizeof(req.reserved)) ||
	    req.flags & ~ZOSBD2_ATTACH_TAKE_OVER ||
	    req.features & ~ZOSBD2_FEATURES_OF_SERVER ||
	    req.entries > ZOSBD2_RING_MAX_ENTRIES ||
	    (req.entries && !is_power_of_2(req.entries)) ||
	    (req.generation && req.flags & ZOSBD2_ATTACH_TAKE_OVER))
		return -EINVAL;
	dev = zosbd2_dev_get_by_id(req.handle_id);
	if (!dev)
		return -ENOENT;
	ret = zosbd2_channel_layout(dev, &req);
	/* Do not attach what cannot be told how to map it. */
	if (!ret && copy_to_user(arg, &req, sizeof(req)))
		ret = -EFAULT;
	if (!ret)
		ret = zosbd2_channel_attach(dev, &req);
	zosbd2_dev_put(dev);
	return ret;
}

static int zosbd2_ext_resize(struct zosbd2_ext_resize __user *arg)
{
	struct zosbd2_ext_resize req;
	struct zosbd2_device *dev;
	int ret;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (req.reserved)
		return -EINVAL;
	dev = zosbd2_dev_get_by_id(req.handle_id);
	if (!dev)
		return -ENOENT;
	ret = -ERANGE;
	if (zosbd2_check_size(req.number_of_blocks, dev->block_size))
		ret = zosbd2_dev_resize(dev, req.number_of_blocks);
	zosbd2_dev_put(dev);
	return ret;
}

/**
 * zosbd2_ext_ioctl - a call of the extension
 * @cmd: which one
 * @arg: its argument
 *
 * Return: 0 or more, or a negative errno: -EINVAL for an unknown @cmd.
 */
long zosbd2_ext_ioctl(unsigned int cmd, void __user *arg)
{
	switch (cmd) {
	case ZOSBD2_IOC_GET_INFO:
		return zosbd2_ext_info(arg);
	case ZOSBD2_IOC_CREATE:
		return zosbd2_ext_create(arg);
	case ZOSBD2_IOC_GET_STATUS:
		return zosbd2_ext_status(arg);
	case ZOSBD2_IOC_ATTACH:
		return zosbd2_ext_attach(arg);
	case ZOSBD2_IOC_ATTACH_QUEUE:
		return zosbd2_ext_attach_queue(arg);
	case ZOSBD2_IOC_RESIZE:
		return zosbd2_ext_resize(arg);
	default:
		return -EINVAL;
	}
}
