/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A store in a named segment of shared memory, /dev/shm/zosbd2.NAME, that
 * outlives the process and is locked by who serves from it.  It is read and
 * written as a file: so full memory is an error of one request, and reading
 * what was never written takes none.
 */
#ifndef ZOSBD2_RAMDISK_SEGMENT_H
#define ZOSBD2_RAMDISK_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "store.h"

#define SEGMENT_FOLDER "/dev/shm"

/*
 * A new, empty one, claimed.  One that a dead server left is emptied, and
 * *left_over set.  -EWOULDBLOCK: a server has it; -EPERM: it is not ours.
 */
int segment_create(struct store **store, const char *name, uint64_t size,
		   bool *left_over);

/* The one that there is, not claimed.  -ENOENT: there is none. */
int segment_open(struct store **store, const char *name);

/* How long it is; a disk that grew is longer. */
int segment_size(const struct store *store, uint64_t *size);

/* Remove one that a dead server left. */
void segment_remove(const char *name);

#endif
