// SPDX-License-Identifier: LGPL-2.1-or-later
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "session.h"

void channel_init(struct channel *channel)
{
	*channel = (struct channel){ .fd = -1 };
}

int channel_open(struct channel *channel, struct zosbd2_control *control,
		 uint32_t handle, uint32_t queue, const struct zosbd2_ops *ops,
		 const struct channel *first, bool take_over,
		 uint32_t timeout_ms)
{
	struct zosbd2_ring_attach attach = {
		.handle_id = handle,
		.flags = take_over ? ZOSBD2_ATTACH_TAKE_OVER : 0,
		.features = features_understood(ops),
		.timeout_ms = take_over ? timeout_ms : 0,
		.queue = queue,
		.generation = first ? first->ring->generation : 0,
	};
	unsigned char *map;

	if (control->version < ZOSBD2_EXT_VERSION_RINGS)
		return -EPROTONOSUPPORT;
	/* Not repeated after a signal: the take-over would start anew. */
	channel->fd = ioctl(control->fd, ZOSBD2_IOC_ATTACH_QUEUE, &attach);
	if (channel->fd < 0)
		return -errno;
	map = mmap(NULL, attach.map_bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, channel->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	channel->map_bytes = attach.map_bytes;
	channel->ring = (void *)map;
	channel->requests = (void *)(map + attach.requests_offset);
	channel->answers = (void *)(map + attach.answers_offset);
	channel->mask = attach.entries - 1;
	return 0;
}

void channel_close(struct channel *channel)
{
	if (channel->ring)
		munmap(channel->ring, channel->map_bytes);
	if (channel->fd >= 0)
		close(channel->fd);
	channel_init(channel);
}

struct zosbd2_ring_answer *channel_answer(struct channel *channel, uint64_t id,
					  unsigned int flags)
{
	struct zosbd2_ring_answer *answer;

	answer = &channel->answers[channel->answer_tail++ & channel->mask];
	*answer = (struct zosbd2_ring_answer){
		.id = id,
		.flags = (uint16_t)flags,
	};
	return answer;
}

int channel_enter(struct channel *channel, unsigned int max, bool wait)
{
	const unsigned long argument = max | (wait ? ZOSBD2_ENTER_WAIT : 0);
	int result;

	/* The module looks at them during the call only: it orders them. */
	channel->ring->request_head = channel->request_head;
	channel->ring->answer_tail = channel->answer_tail;
	result = ioctl(channel->fd, ZOSBD2_IOC_ENTER, argument);
	return result < 0 ? -errno : result;
}

void channel_wake(const struct channel *channel)
{
	/* It cannot fail in the process that has attached. */
	ioctl(channel->fd, ZOSBD2_IOC_WAKE, NULL);
}

enum zosbd2_ring_state channel_state(const struct channel *channel)
{
	return (enum zosbd2_ring_state)__atomic_load_n(&channel->ring->state,
						       __ATOMIC_RELAXED);
}
