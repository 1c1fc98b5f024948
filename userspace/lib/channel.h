/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one thread serves a device through in the ring protocol. */
#ifndef ZOSBD2_LIB_CHANNEL_H
#define ZOSBD2_LIB_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/zosbd2_ring.h>

#include "zosbd2.h"

struct channel {
	int fd;
	size_t map_bytes;
	struct zosbd2_ring *ring;
	struct zosbd2_ring_request *requests;
	struct zosbd2_ring_answer *answers;
	uint32_t mask;		/* of positions in the rings */
	uint32_t request_head;	/* ours: requests that were read */
	uint32_t answer_tail;	/* ours: answers that were written */
};

/* Set up so that it can be closed. */
void channel_init(struct channel *channel);

/*
 * Attach, after the first channel of a server if that is not NULL, to a queue of
 * a device as session_open() does to the device, and map
 * the rings: 0 or -errno; -EPROTONOSUPPORT: the module has none.
 */
int channel_open(struct channel *channel, struct zosbd2_control *control,
		 uint32_t handle, uint32_t queue, const struct zosbd2_ops *ops,
		 const struct channel *first, bool take_over,
		 uint32_t timeout_ms);
void channel_close(struct channel *channel);

/* Room for the next answer, zeroed; it goes out with the next call. */
struct zosbd2_ring_answer *channel_answer(struct channel *channel, uint64_t id,
					  unsigned int flags);

/*
 * Hand all answers in, and bring up to max requests; with wait, sleep until
 * there is one.  Returns how many, or -errno, see ZOSBD2_IOC_ENTER.
 */
int channel_enter(struct channel *channel, unsigned int max, bool wait);

/* Have the thread that waits in channel_enter(), or will, come back. */
void channel_wake(const struct channel *channel);

/* What the module said of the device in the last call. */
enum zosbd2_ring_state channel_state(const struct channel *channel);

#endif
