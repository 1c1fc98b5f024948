// SPDX-License-Identifier: LGPL-2.1-or-later
#include "versioned.h"

#include <errno.h>
#include <string.h>

static size_t stated_size(const void *callers)
{
	size_t size;

	memcpy(&size, callers, sizeof(size));
	return size;
}

int versioned_copy_in(void *ours, size_t our_size, size_t first_size,
		      const void *callers)
{
	const unsigned char *bytes = callers;
	size_t size;

	if (!callers)
		return -EINVAL;
	size = stated_size(callers);
	if (size < first_size)
		return -EINVAL;
	for (size_t at = our_size; at < size; at++)
		if (bytes[at])
			return -E2BIG;
	memset(ours, 0, our_size);
	memcpy(ours, callers, size < our_size ? size : our_size);
	return 0;
}

int versioned_copy_out(void *callers, const void *ours, size_t our_size,
		       size_t first_size)
{
	size_t size, known;

	if (!callers)
		return -EINVAL;
	size = stated_size(callers);
	if (size < first_size)
		return -EINVAL;
	known = size < our_size ? size : our_size;
	/* The first field stays what the caller said. */
	memcpy((unsigned char *)callers + sizeof(size),
	       (const unsigned char *)ours + sizeof(size), known - sizeof(size));
	memset((unsigned char *)callers + known, 0, size - known);
	return 0;
}
