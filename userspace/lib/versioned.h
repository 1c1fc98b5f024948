/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structures that begin with their size: what lets an old program use a newer
 * library, and a new program be told what an older library cannot do.
 */
#ifndef ZOSBD2_LIB_VERSIONED_H
#define ZOSBD2_LIB_VERSIONED_H

#include <stddef.h>

/*
 * Copy a caller's structure, whose first field is its size, into ours, which
 * is zeroed beyond what the caller has.  -EINVAL: NULL, or smaller than the
 * first version of it ever was; -E2BIG: fields
 * unknown here are set.
 */
int versioned_copy_in(void *ours, size_t our_size, size_t first_size,
		      const void *callers);

/* Copy as much of ours back as the caller has room for; zero what is left. */
int versioned_copy_out(void *callers, const void *ours, size_t our_size,
		       size_t first_size);

#endif
