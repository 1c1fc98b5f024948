/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serving a device that is there already. */
#ifndef ZOSBD2_CLI_ADOPT_H
#define ZOSBD2_CLI_ADOPT_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "zosbd2.h"

/* What was asked for on the command line; 0 or less: nothing was. */
struct wishes {
	uint64_t size;
	uint32_t timeout_seconds;
	int64_t recovery;	/* enum zosbd2_recover, or -1 */
};

/*
 * Look at the device of this name.  Unless it is to be taken over from a
 * living server, wait a while for a dying one to be gone.  Says on stderr what
 * stands against it.
 */
enum exit_status adopt_find(struct zosbd2_control *control, const char *name,
			    bool take_over, struct zosbd2_info *info);

/*
 * Check that a device fits what was asked for and what holds its content:
 * so many bytes in the thing of this name.
 */
enum exit_status adopt_check(const struct zosbd2_info *info,
			     const struct wishes *wishes, const char *what,
			     uint64_t bytes);

#endif
