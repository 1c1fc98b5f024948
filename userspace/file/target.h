/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file that is served: opening it, claiming it, and its size. */
#ifndef ZOSBD2_FILE_TARGET_H
#define ZOSBD2_FILE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "backing.h"

struct target {
	struct backing backing;
	const char *path;
	int exclusive_fd;	/* keeps others out of a block device */
	bool claimed;
};

/*
 * Open a regular file or block device; may_create: make the file if there is
 * none.  0 or -errno: -EMEDIUMTYPE if it is something else.
 */
int target_open(struct target *target, const char *path, bool read_only,
		bool direct, bool may_create);
void target_close(struct target *target);

/*
 * Keep other servers out, waiting that long for one that leaves.
 * -EWOULDBLOCK: one has it still; -EBUSY: the block device is in use.
 */
int target_claim(struct target *target, int patience_ms);

/*
 * Make a regular file as long as it is to be at least, durably.
 * -ENOSPC: a block device that is smaller.
 */
int target_extend(const struct target *target, uint64_t size);

#endif
