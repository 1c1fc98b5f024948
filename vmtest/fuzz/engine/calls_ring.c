// SPDX-License-Identifier: MIT
/*
 * Rings: called, answered in rightly, nearly rightly and wrongly, and written
 * to while others are in a call.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "channel.h"

/**
 * struct use - what a call does with a ring
 * @worker: who makes it
 * @ring: the ring
 * @arg: the call's arguments
 * @ret: what it comes to
 */
struct use {
	struct worker *worker;
	struct ring *ring;
	const uint64_t *arg;
	long ret;
};

/* Use the ring of a slot; with none, or when it was not there, -1. */
static long use_ring(struct worker *worker, const uint64_t *arg,
		     void (*work)(void *use))
{
	struct use use = {
		.worker = worker,
		.ring = channel_begin(worker, arg[0]),
		.arg = arg,
		.ret = -1,
	};
	int error;

	if (!use.ring) {
		errno = EAGAIN;
		return -1;
	}
	if (!careful(work, &use)) {
		/* The next one is to have it. */
		channel_map(fd_slot(worker, arg[0]), use.ring->fd, MAP_RIGHT, 0,
			    0);
		use.ret = -1;
		errno = ENXIO;
	}
	error = errno;
	channel_end(use.ring);
	/* There is nothing more to be had from it. */
	if (use.ret < 0 && (error == ENOENT || error == EBADF))
		fd_drop(worker, arg[0]);
	errno = error;
	return use.ret;
}

static void note_brought(void *argument)
{
	struct use *use = argument;

	ring_take(use->worker, use->ring);
	use->ret = 0;
}

long call_enter(struct worker *worker, const uint64_t *arg)
{
	unsigned long argument = arg[1] | arg[3];
	long ret;
	int error;

	if (arg[2])
		argument |= ZOSBD2_ENTER_WAIT;
	ret = ioctl(fd_of(worker, arg[0]), ZOSBD2_IOC_ENTER, argument);
	error = errno;
	if (ret > 0)
		use_ring(worker, arg, note_brought);
	else if (ret < 0 && (error == ENOENT || error == EBADF))
		fd_drop(worker, arg[0]);
	errno = error;
	return ret;
}

static uint64_t id_of(const struct worker *worker, const struct hand *hand,
		      uint64_t which)
{
	switch (which) {
	case ID_RIGHT:
		return hand->id;
	case ID_STALE:
		return hand->id - 128;
	case ID_OTHER:
		return common->seat[(worker->number + 1) % WORKERS].ring_id;
	case ID_NEXT:
		return hand->id + 128; /* the default queue depth */
	case ID_NEIGHBOUR:
		return hand->id + 1;
	default:
		return which - IDS;
	}
}

static uint16_t flags_of(const struct hand *hand, uint64_t which, int32_t error)
{
	if (which)
		return which - 1;
	if (!error && (hand->operation == ZOSBD2_RING_READ ||
		       hand->operation == ZOSBD2_RING_WRITE))
		return ZOSBD2_ANSWER_COPY | ZOSBD2_ANSWER_END;
	return ZOSBD2_ANSWER_END;
}

/* What a request of the ring is answered with, by the arguments of a call. */
static struct zosbd2_ring_answer answer_of(struct worker *worker,
					   const struct ring *ring,
					   const struct hand *hand,
					   const uint64_t *arg)
{
	struct zosbd2_ring_answer answer = {
		.id = id_of(worker, hand, arg[3]),
		.flags = flags_of(hand, arg[2], error_of(arg[7])),
		.length_bytes = arg[5] ? arg[5] - 1 : 0,
		.offset = arg[6] ? arg[6] - 1 : hand->filled,
		.error = error_of(arg[7]),
		.reserved = arg[8],
	};
	uint32_t room = answer.length_bytes ?: hand->length;

	if (room > ZOSBD2_MAX_IO_BYTES)
		room = ZOSBD2_MAX_IO_BYTES;
	answer.address = (uintptr_t)memory_at(worker, arg[4], room, room);
	/* The data of a write then goes over what it is copied for. */
	if (arg[4] == MEM_RING)
		answer.address =
			(uintptr_t)ring_answer_at(ring, ring->answer_tail);
	return answer;
}

/* One that is right as far as is known goes on with its request. */
static void note_answer(struct ring *ring, unsigned int number,
			const struct zosbd2_ring_answer *answer)
{
	struct hand *hand = &ring->hand[number];

	if (number >= ring->hands || answer->id != hand->id)
		return;
	if (answer->flags & ZOSBD2_ANSWER_END) {
		ring_let_go(ring, number);
		common->answered++;
		common->rung++;
	} else if (answer->flags & ZOSBD2_ANSWER_COPY) {
		hand->asked = true;
		hand->filled += answer->length_bytes
					? answer->length_bytes
					: hand->length - hand->filled;
	}
}

static void answer(void *argument)
{
	struct use *use = argument;
	struct ring *ring = use->ring;
	const uint64_t *arg = use->arg;
	unsigned int number = ring->hands ? arg[1] % ring->hands : 0;
	/* Without a request, of one that has been. */
	struct hand *hand = &ring->hand[number];
	struct zosbd2_ring_answer answer = answer_of(use->worker, ring, hand, arg);
	uint64_t times = arg[9] % 64 + 1;

	while (times-- && ring_put(ring, &answer))
		;
	ring_publish(ring);
	use->ret = ring_enter(ring, arg[10] % HANDS, false);
	if (use->ret >= 0)
		note_answer(ring, number, &answer);
	else if (errno == EPROTO || errno == EBADMSG || errno == EFAULT)
		ring_resume(ring);
	if (use->ret > 0)
		ring_take(use->worker, ring);
}

long call_answer(struct worker *worker, const uint64_t *arg)
{
	return use_ring(worker, arg, answer);
}

static void serve(void *argument)
{
	struct use *use = argument;
	struct worker *worker = use->worker;
	struct service service = {
		.style = use->arg[2] % (STYLES + 1),
		.chance = chance_of(use->arg[4], 0),
		.error = error_of(use->arg[3]) ?: -EIO,
		.memory = memory_at(worker, use->arg[5], ZOSBD2_MAX_IO_BYTES,
				    ZOSBD2_MAX_IO_BYTES),
	};
	uint64_t left = use->arg[1] % 64 + 1;

	use->ret = 0;
	while (left-- && use->ret >= 0 && !common->hurry) {
		common->seat[worker->number].since = now_ns();
		use->ret = ring_round(worker, use->ring, &service, true);
		/* Others write there as well: start again, once. */
		if (use->ret < 0 && errno == EPROTO) {
			ring_resume(use->ring);
			use->ret = ring_round(worker, use->ring, &service,
					      true);
		}
		if (left && use->ret >= 0)
			count(worker->op, 0);
	}
}

/* Serve rightly for a while; a signal or anything wrong ends it. */
long call_ring_serve(struct worker *worker, const uint64_t *arg)
{
	return use_ring(worker, arg, serve);
}

/*
 * Write to a ring, not alone, unlike all else, so that somebody is in a call
 * meanwhile.
 */
static long disturb(struct worker *worker, const uint64_t *arg,
		    void (*work)(void *use))
{
	struct use use = {
		.worker = worker,
		.ring = channel_seen(worker, arg[0]),
		.arg = arg,
	};

	if (use.ring && careful(work, &use))
		return 0;
	errno = ENXIO;
	return -1;
}

static void set_positions(void *argument)
{
	struct use *use = argument;
	volatile struct zosbd2_ring *header = ring_header(use->ring);

	if (use->arg[1])
		header->request_head = header->request_tail + use->arg[1] - 1;
	if (use->arg[2])
		header->answer_tail = header->answer_head + use->arg[2] - 1;
}

/* Those that the server writes, somewhere near the kernel's. */
long call_positions(struct worker *worker, const uint64_t *arg)
{
	return disturb(worker, arg, set_positions);
}

static void write_words(volatile uint32_t *words, unsigned int count,
			uint64_t times, struct chance *chance)
{
	uint64_t value;

	while (times--) {
		value = draw(chance);
		/* Small numbers, and bits that are flipped, get further. */
		if (value & 1ULL << 63)
			words[value % count] ^= 1U << (value >> 32) % 32;
		else
			words[value % count] = value >> 32 >> (value >> 58);
	}
}

static void scribble(void *argument)
{
	struct use *use = argument;
	const struct ring *ring = use->ring;
	struct chance chance = chance_of(use->arg[3], 0);
	unsigned int words =
		ring->entries * sizeof(struct zosbd2_ring_answer) / 4;
	unsigned char *from = ring->base;

	switch (use->arg[1] % PARTS) {
	case PART_ANSWERS:
		from += ring->answers;
		break;
	case PART_REQUESTS:
		from += ring->requests;
		break;
	case PART_HEADER:
		words = sizeof(struct zosbd2_ring) / 4;
		break;
	case PART_POSITIONS:
		from += offsetof(struct zosbd2_ring, request_head);
		words = 2;
		break;
	default:
		words += ring->answers / 4;
		break;
	}
	write_words((void *)from, words, use->arg[2] % 4096 + 1, &chance);
}

/* Write anything anywhere. */
long call_scribble(struct worker *worker, const uint64_t *arg)
{
	return disturb(worker, arg, scribble);
}
