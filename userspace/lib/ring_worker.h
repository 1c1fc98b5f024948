/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One thread's share of serving in the ring protocol. */
#ifndef ZOSBD2_LIB_RING_WORKER_H
#define ZOSBD2_LIB_RING_WORKER_H

#include "channel.h"
#include "scheduling.h"
#include "worker.h"

/* Requests that are brought at a time, at most. */
#define RING_BATCH 64

/* The memory that data of callbacks passes through. */
struct arena {
	unsigned char *bytes;
	size_t size;
};

/* Room for several requests, the largest of which has max_io_size bytes. */
int arena_init(struct arena *arena, size_t max_io_size);
void arena_destroy(struct arena *arena);

/*
 * As worker_run(): an enum zosbd2_end, or -errno.  batch is how many requests
 * to take at a time, 1 to RING_BATCH.
 */
int ring_worker_run(struct service *service, struct channel *channel,
		    struct arena *arena, struct pacing *pacing,
		    unsigned int batch);

#endif
