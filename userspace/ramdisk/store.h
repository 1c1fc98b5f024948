/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sparse memory that holds a disk's content; never written means zero. */
#ifndef ZOSBD2_RAMDISK_STORE_H
#define ZOSBD2_RAMDISK_STORE_H

#include <stddef.h>
#include <stdint.h>

struct store {
	unsigned char *memory;
	uint64_t size;		/* bytes */
	uint64_t page;		/* bytes */
};

/* Reserve address space, not memory, for size bytes: 0 or -errno. */
int store_init(struct store *store, uint64_t size);
void store_destroy(struct store *store);

/* 0, or -EINVAL outside of the store. */
int store_read(const struct store *store, uint64_t offset, void *buffer,
	       size_t length);
int store_write(struct store *store, uint64_t offset, const void *buffer,
		size_t length);

/* Zero a range and give the whole pages in it back. */
int store_discard(struct store *store, uint64_t offset, uint64_t length);

#endif
