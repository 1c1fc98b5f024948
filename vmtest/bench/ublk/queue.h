/* SPDX-License-Identifier: MIT */
/* The queue of a ublk device, and the thread that serves it. */
#ifndef QUEUE_H
#define QUEUE_H

#include <linux/ublk_cmd.h>
#include <stddef.h>
#include <stdint.h>

/* What is served: @bytes is NULL for a device that keeps nothing. */
struct disk {
	unsigned char *bytes;
	size_t size;
};

/*
 * Serve the queue of the device that @info describes, until the device is
 * removed.  To be called in a thread of its own: its ring has one issuer.
 *
 * Returns 0 or a negative errno.
 */
int queue_serve(const struct ublksrv_ctrl_dev_info *info,
		const struct disk *disk);

#endif
