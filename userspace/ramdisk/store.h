/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sparse memory that holds a disk's content; never written means zero. */
#ifndef ZOSBD2_RAMDISK_STORE_H
#define ZOSBD2_RAMDISK_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* What a kind of memory can do.  0 or -errno where it can fail. */
struct store_kind {
	int (*read)(const struct store *store, uint64_t offset, void *buffer,
		    size_t length);
	int (*write)(const struct store *store, uint64_t offset,
		     const void *buffer, size_t length);
	/* Where a range lies; NULL if that cannot be told. */
	void *(*locate)(const struct store *store, uint64_t offset,
			uint64_t length);
	/* Zero a range and give the memory below it back. */
	int (*discard)(const struct store *store, uint64_t offset,
		       uint64_t length);
	/* Before it is served: keep others out.  -EWOULDBLOCK: one is in. */
	int (*claim)(struct store *store, int patience_ms);
	/* The content is not needed any more: it goes with the last user. */
	void (*forget)(struct store *store);
	void (*close)(struct store *store);
};

struct store {
	const struct store_kind *kind;
};

/* Memory of this process: goes with it. */
int memory_open(struct store **store, uint64_t size);

#endif
