// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: block devices served from userspace.
 *
 * Loading and unloading, and the module's parameters.  See
 * <uapi/linux/zosbd2.h> for the protocol.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/moduleparam.h>

#include "zosbd2.h"

#define CREATE_TRACE_POINTS
#include "zosbd2_trace.h"

#define ZOSBD2_DEFAULT_QUEUE_DEPTH	128

static int zosbd2_set_max_devices(const char *val,
				  const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 1, ZOSBD2_MAX_DEVICES);
}

static const struct kernel_param_ops zosbd2_max_devices_ops = {
	.set = zosbd2_set_max_devices,
	.get = param_get_uint,
};

unsigned int zosbd2_max_devices = ZOSBD2_MAX_DEVICES;
module_param_cb(max_devices, &zosbd2_max_devices_ops, &zosbd2_max_devices,
		0444);
MODULE_PARM_DESC(max_devices,
		 "Number of devices at once, 1 to 50. Default: 50");

static int zosbd2_set_queue_depth(const char *val,
				  const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 1, ZOSBD2_MAX_QUEUE_DEPTH);
}

static const struct kernel_param_ops zosbd2_queue_depth_ops = {
	.set = zosbd2_set_queue_depth,
	.get = param_get_uint,
};

unsigned int zosbd2_queue_depth = ZOSBD2_DEFAULT_QUEUE_DEPTH;
module_param_cb(queue_depth, &zosbd2_queue_depth_ops, &zosbd2_queue_depth,
		0444);
MODULE_PARM_DESC(queue_depth,
		 "Requests of a device under way at once, 1 to 4096. Default: 128");

static int __init zosbd2_init(void)
{
	int ret;

	ret = zosbd2_dev_init();
	if (ret)
		return ret;
	ret = zosbd2_ctl_register();
	if (ret)
		zosbd2_dev_exit();
	return ret;
}

/*
 * Every opener of the control node or of a device pins the module, so here
 * nobody has one open, and once the control node is gone none can come.
 */
static void __exit zosbd2_exit(void)
{
	zosbd2_ctl_unregister();
	zosbd2_dev_exit();
}

module_init(zosbd2_init);
module_exit(zosbd2_exit);

MODULE_DESCRIPTION("Block devices served from userspace");
MODULE_AUTHOR("The zosbd2 developers");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
