/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What zosbd2ctl shows of a device. */
#ifndef ZOSBD2_CTL_DEVICE_H
#define ZOSBD2_CTL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "zosbd2.h"

#define MAX_COUNTERS 64

/* A file in /sys/block/NAME/zosbd2. */
struct counter {
	char name[64];
	char value[64];		/* the first line */
};

struct device {
	struct zosbd2_info info;
	struct counter counters[MAX_COUNTERS];	/* sorted by name */
	size_t counter_count;
};

/* Describe a device, with its counters if the module offers any. */
int device_read(struct device *device, struct zosbd2_control *control,
		uint32_t handle, bool with_counters);

/* Whether a value is a number as JSON writes them. */
bool counter_is_number(const struct counter *counter);

#endif
