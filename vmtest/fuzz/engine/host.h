/* SPDX-License-Identifier: MIT */
/*
 * A server that serves all queues of a device.
 */
#ifndef FUZZ_HOST_H
#define FUZZ_HOST_H

#include "channel.h"

#define QUEUES_MAX 8

/**
 * struct host - a server
 * @worker: whose it is
 * @queues: how many it serves
 * @ring: a channel to each, and one more to the first, which gets no requests
 * @service: how it serves
 * @max_io: what the device says of the length of requests
 * @max_discard: and of discards
 */
struct host {
	struct worker *worker;
	unsigned int queues;
	struct ring ring[QUEUES_MAX + 1];
	struct service service;
	uint32_t max_io;
	uint32_t max_discard;
};

static inline struct ring *host_idle_ring(struct host *host)
{
	return &host->ring[host->queues];
}

/* tricks.c */
void host_try_a_trick(struct host *host, struct ring *ring);

#endif
