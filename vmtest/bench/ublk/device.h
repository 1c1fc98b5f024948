/* SPDX-License-Identifier: MIT */
/* A ublk device, as /dev/ublk-control makes, starts and removes it. */
#ifndef DEVICE_H
#define DEVICE_H

#include <liburing.h>
#include <linux/ublk_cmd.h>
#include <sched.h>
#include <stdint.h>

struct device {
	struct io_uring control_ring;
	int control_fd;
	int fd;		/* /dev/ublkcN, which can be open once */
	struct ublksrv_ctrl_dev_info info;
};

/*
 * Add a device.  @flags are UBLK_F_*, @depth is that of each of the @queues.
 * The number of the device is then in device->info.dev_id.
 *
 * All functions here return 0 or a negative errno.
 */
int device_add(struct device *device, uint64_t flags, unsigned int queues,
	       unsigned int depth, uint64_t size);

/* Find the CPUs whose requests go to @queue. */
int device_affinity(struct device *device, unsigned int queue,
		    cpu_set_t *cpus);

/*
 * Make the node /dev/ublkbN appear.  Returns when all queues have fetched with
 * all tags and the partitions were looked for, so another thread has to serve.
 */
int device_start(struct device *device);

/* End the I/O, and the serving of the queues. */
int device_stop(struct device *device);

/* Remove it, once nobody has /dev/ublkcN mapped or in a ring any more. */
int device_remove(struct device *device);

#endif
