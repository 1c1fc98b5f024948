/* SPDX-License-Identifier: MIT */
/* A queue of a ublk device, and the thread that serves it. */
#ifndef QUEUE_H
#define QUEUE_H

#include <stddef.h>

#include "device.h"

/* What is served: @bytes is NULL for a device that keeps nothing. */
struct disk {
	unsigned char *bytes;
	size_t size;
};

/*
 * Serve the queue @number of the device, until that is removed.  To be called in a thread of its own: its ring has one issuer.
 *
 * Returns 0 or a negative errno.
 */
int queue_serve(const struct device *device, unsigned int number,
		const struct disk *disk);

#endif
