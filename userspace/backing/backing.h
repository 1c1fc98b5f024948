/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A regular file or a block device that holds a disk's content.
 *
 * Nothing is kept in the process: what a call here has done survives it.  All
 * calls return 0 or -errno.  A regular file may be shorter than the disk: what
 * is missing reads as zeroes, and a write extends it.
 */
#ifndef ZOSBD2_BACKING_BACKING_H
#define ZOSBD2_BACKING_BACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backing {
	int fd;
	bool is_block_device;
};

/* How many bytes it has. */
int backing_size(const struct backing *backing, uint64_t *size);

int backing_read(const struct backing *backing, uint64_t offset, void *buffer,
		 size_t length);

/* durable: not to return before it is. */
int backing_write(const struct backing *backing, uint64_t offset,
		  const void *buffer, size_t length, bool durable);

/* The range is not needed; its space is given back. */
int backing_discard(const struct backing *backing, uint64_t offset,
		    uint64_t length);

/* The range is to read as zeroes; keep_space: and its space stays. */
int backing_write_zeroes(const struct backing *backing, uint64_t offset,
			 uint64_t length, bool keep_space);

/* Make durable what was written. */
int backing_flush(const struct backing *backing);

#endif
