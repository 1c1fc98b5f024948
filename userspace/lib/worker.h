/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One thread's share of serving: fetch a request, have it served, answer. */
#ifndef ZOSBD2_LIB_WORKER_H
#define ZOSBD2_LIB_WORKER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "zosbd2.h"

struct zosbd2_operation;

/* What all workers of a server share; constant while they run but for stop. */
struct service {
	struct zosbd2_ops ops;
	void *ctx;
	int fd;			/* the session; -1 with channels */
	uint32_t handle;
	atomic_bool stop;	/* set once, by zosbd2_server_stop() */
};

/* The memory that one thread exchanges messages in. */
struct exchange {
	void *map;
	size_t map_size;
	struct zosbd2_operation *operation;
	unsigned char *data;	/* directly behind operation, page aligned */
};

int exchange_init(struct exchange *exchange);
void exchange_destroy(struct exchange *exchange);

/*
 * Serve until the device is gone, another server takes it over, or a stop
 * takes effect: an enum zosbd2_end, or -errno.
 */
int worker_run(struct service *service, struct exchange *exchange);

#endif
