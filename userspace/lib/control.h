/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ZOSBD2_LIB_CONTROL_H
#define ZOSBD2_LIB_CONTROL_H

#include <stdint.h>

struct zosbd2_control {
	int fd;
	uint32_t version;	/* of the module's extension */
};

/* A call on the control node, repeated when a signal comes: 0 or -errno. */
int control_call(struct zosbd2_control *control, unsigned long number,
		 void *argument);

#endif
