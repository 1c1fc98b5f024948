/* SPDX-License-Identifier: MIT */
/* A ublk device, as /dev/ublk-control makes, starts and removes it. */
#ifndef DEVICE_H
#define DEVICE_H

#include <liburing.h>
#include <linux/ublk_cmd.h>
#include <stdint.h>

struct device {
	struct io_uring control_ring;
	int control_fd;
	struct ublksrv_ctrl_dev_info info;
};

/*
 * Add a device with one queue.  @flags are UBLK_F_*, @depth is that of the
 * queue.  The number of the device is then in device->info.dev_id.
 *
 * All functions here return 0 or a negative errno.
 */
int device_add(struct device *device, uint64_t flags, unsigned int depth,
	       uint64_t size);

/*
 * Make the node /dev/ublkbN appear.  Returns when the queue has fetched with
 * all tags and the partitions were looked for, so another thread has to serve.
 */
int device_start(struct device *device);

/* End the I/O, and the serving of the queue. */
int device_stop(struct device *device);

/* Remove it, once nobody has /dev/ublkcN open any more. */
int device_remove(struct device *device);

#endif
