// SPDX-License-Identifier: LGPL-2.1-or-later
/* A store in anonymous memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store.h"

struct memory {
	struct store store;
	unsigned char *bytes;
	uint64_t size;
	uint64_t page;		/* bytes */
};

static const struct memory *memory_of(const struct store *store)
{
	return (const struct memory *)store;
}

static bool inside(const struct memory *memory, uint64_t offset,
		   uint64_t length)
{
	return offset <= memory->size && length <= memory->size - offset;
}

static int memory_read(const struct store *store, uint64_t offset,
		       void *buffer, size_t length)
{
	const struct memory *memory = memory_of(store);

	if (!inside(memory, offset, length))
		return -EINVAL;
	memcpy(buffer, memory->bytes + offset, length);
	return 0;
}

static int memory_write(const struct store *store, uint64_t offset,
			const void *buffer, size_t length)
{
	const struct memory *memory = memory_of(store);

	if (!inside(memory, offset, length))
		return -EINVAL;
	memcpy(memory->bytes + offset, buffer, length);
	return 0;
}

static void *memory_locate(const struct store *store, uint64_t offset,
			   uint64_t length)
{
	const struct memory *memory = memory_of(store);

	return inside(memory, offset, length) ? memory->bytes + offset : NULL;
}

static int memory_discard(const struct store *store, uint64_t offset,
			  uint64_t length)
{
	const struct memory *memory = memory_of(store);
	const uint64_t end = offset + length;
	uint64_t first, last;

	if (!inside(memory, offset, length))
		return -EINVAL;
	/* Pages may be larger than blocks: zero what only partly lies inside. */
	first = (offset + memory->page - 1) / memory->page * memory->page;
	last = end / memory->page * memory->page;
	if (first >= last) {
		memset(memory->bytes + offset, 0, (size_t)length);
		return 0;
	}
	memset(memory->bytes + offset, 0, (size_t)(first - offset));
	memset(memory->bytes + last, 0, (size_t)(end - last));
	if (madvise(memory->bytes + first, (size_t)(last - first),
		    MADV_DONTNEED) < 0)
		return -errno;
	return 0;
}

/* Nobody else can reach it, and it goes with the process. */
static int memory_claim(struct store *store, int patience_ms)
{
	(void)store;
	(void)patience_ms;
	return 0;
}

static void memory_forget(struct store *store)
{
	(void)store;
}

static void memory_close(struct store *store)
{
	const struct memory *memory = memory_of(store);

	munmap(memory->bytes, (size_t)memory->size);
	free(store);
}

static const struct store_kind memory_kind = {
	.read = memory_read,
	.write = memory_write,
	.locate = memory_locate,
	.discard = memory_discard,
	.claim = memory_claim,
	.forget = memory_forget,
	.close = memory_close,
};

/* Reserves address space, not memory. */
int memory_open(struct store **store, uint64_t size)
{
	struct memory *memory;
	void *bytes;

	if (size > SIZE_MAX)
		return -ENOMEM;
	memory = malloc(sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	bytes = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED) {
		free(memory);
		return -errno;
	}
	/* A huge page would take 2 MiB for the first 4 KiB written into it. */
	madvise(bytes, (size_t)size, MADV_NOHUGEPAGE);
	/* A core dump of a disk helps nobody. */
	madvise(bytes, (size_t)size, MADV_DONTDUMP);
	/*
	 * The process is locked in memory; the content is left out: it may be
	 * swapped (to another disk), as tmpfs may, and locked pages cannot be
	 * discarded.
	 */
	munlock(bytes, (size_t)size);
	*memory = (struct memory){
		.store.kind = &memory_kind,
		.bytes = bytes,
		.size = size,
		.page = (uint64_t)sysconf(_SC_PAGESIZE),
	};
	/* gcc's analyser loses what only its first member's address leads to. */
	*store = (struct store *)memory;
	return 0;
}
