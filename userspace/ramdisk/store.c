// SPDX-License-Identifier: LGPL-2.1-or-later
#include "store.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int store_init(struct store *store, uint64_t size)
{
	void *memory;

	if (size > SIZE_MAX)
		return -ENOMEM;
	memory = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	/* A huge page would take 2 MiB for the first 4 KiB written into it. */
	madvise(memory, (size_t)size, MADV_NOHUGEPAGE);
	/* A core dump of a disk helps nobody. */
	madvise(memory, (size_t)size, MADV_DONTDUMP);
	store->memory = memory;
	store->size = size;
	store->page = (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

void store_destroy(struct store *store)
{
	munmap(store->memory, (size_t)store->size);
	store->memory = NULL;
}

static bool inside(const struct store *store, uint64_t offset, uint64_t length)
{
	return offset <= store->size && length <= store->size - offset;
}

int store_read(const struct store *store, uint64_t offset, void *buffer,
	       size_t length)
{
	if (!inside(store, offset, length))
		return -EINVAL;
	memcpy(buffer, store->memory + offset, length);
	return 0;
}

int store_write(struct store *store, uint64_t offset, const void *buffer,
		size_t length)
{
	if (!inside(store, offset, length))
		return -EINVAL;
	memcpy(store->memory + offset, buffer, length);
	return 0;
}

int store_discard(struct store *store, uint64_t offset, uint64_t length)
{
	const uint64_t end = offset + length;
	uint64_t first, last;

	if (!inside(store, offset, length))
		return -EINVAL;
	/* Pages may be larger than blocks: zero what only partly lies inside. */
	first = (offset + store->page - 1) / store->page * store->page;
	last = end / store->page * store->page;
	if (first >= last) {
		memset(store->memory + offset, 0, (size_t)length);
		return 0;
	}
	memset(store->memory + offset, 0, (size_t)(first - offset));
	memset(store->memory + last, 0, (size_t)(end - last));
	if (madvise(store->memory + first, (size_t)(last - first),
		    MADV_DONTNEED) < 0)
		return -errno;
	return 0;
}
