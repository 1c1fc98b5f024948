// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the extension's calls on the control node.  As in zosbd2_ctl.c
 * everything that a client says is checked here.
 */
#include <linux/string.h>
#include <linux/uaccess.h>

#include "zosbd2.h"

static_assert(sizeof(struct zosbd2_ext_info) == 16);
static_assert(sizeof(struct zosbd2_ext_create) == 104);
static_assert(sizeof(struct zosbd2_ext_status) == 104);
static_assert(sizeof(struct zosbd2_ext_attach) == 32);
static_assert(sizeof(struct zosbd2_ext_resize) == 16);

static int zosbd2_ext_info(struct zosbd2_ext_info __user *arg)
{
	const struct zosbd2_ext_info info = {
		.version	= ZOSBD2_EXT_VERSION,
		.max_devices	= zosbd2_max_devices,
		.features	= ZOSBD2_FEATURES,
	};

	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
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
	if (memchr_inv(req.reserved, 0, sizeof(req.reserved)))
		return -EINVAL;
	if (req.features & ~ZOSBD2_FEATURES)
		return -EOPNOTSUPP;
	if (req.features & ZOSBD2_FEATURE_FUA &&
	    !(req.features & ZOSBD2_FEATURE_FLUSH))
		return -EINVAL;
	if (req.recovery > ZOSBD2_RECOVERY_FAIL ||
	    req.max_segments > ZOSBD2_MAX_SEGMENTS)
		return -EINVAL;
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
	status.block_size = ZOSBD2_BLOCK_SIZE;
	status.number_of_blocks = zosbd2_dev_blocks(dev);
	status.features = dev->features;
	status.timeout_seconds = dev->timeout_seconds;
	status.max_segments = dev->max_segments;
	status.recovery = dev->recovery;
	status.servers = zosbd2_server_count(dev);
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

static int zosbd2_ext_resize(struct zosbd2_ext_resize __user *arg)
{
	struct zosbd2_ext_resize req;
	struct zosbd2_device *dev;
	int ret;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (req.reserved)
		return -EINVAL;
	if (req.number_of_blocks < ZOSBD2_MIN_BLOCKS ||
	    req.number_of_blocks > ZOSBD2_MAX_BLOCKS)
		return -ERANGE;
	dev = zosbd2_dev_get_by_id(req.handle_id);
	if (!dev)
		return -ENOENT;
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
	case ZOSBD2_IOC_RESIZE:
		return zosbd2_ext_resize(arg);
	default:
		return -EINVAL;
	}
}
