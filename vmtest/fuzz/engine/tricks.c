// SPDX-License-Identifier: MIT
/*
 * What a server must not do, tried by one that knows what the module has to say
 * to it.  The request that it is tried with is served rightly later.
 */
#include <errno.h>

#include "host.h"

/* Hand one answer in, and take it back if it is refused. */
static long hand_in(struct ring *ring, const struct zosbd2_ring_answer *answer,
		    int *told)
{
	uint32_t position = ring->answer_tail;
	long ret;
	int error;

	*told = 0;
	if (!ring_put(ring, answer)) {
		errno = ENOBUFS;
		return -1;
	}
	ring_publish(ring);
	ret = ring_enter(ring, 0, false);
	error = errno;
	*told = ring_answer_at(ring, position)->error;
	if (ret < 0)
		ring_resume(ring);
	errno = error;
	return ret;
}

/* The device is gone, or another server's, whatever was asked. */
static bool is_over(long ret)
{
	return ret < 0 &&
	       (errno == ENOENT || errno == EBADF || errno == EINTR ||
		errno == ENOBUFS || errno == ENOMEM);
}

/* It asks for data, so that the module says whether it had the request. */
static void must_fail(struct host *host, struct ring *ring,
		      struct zosbd2_ring_answer answer, int error)
{
	int told;
	long ret = hand_in(ring, &answer, &told);

	if (is_over(ret) || (ret >= 0 && told == -ENOENT))
		return;
	if (ret >= 0)
		breach(host->worker, "a wrong answer was carried out");
	else if (errno != error)
		breach(host->worker, "a wrong answer had a strange error");
}

static void must_find_nothing(struct host *host, struct ring *ring,
			      const struct hand *hand, const char *what)
{
	struct zosbd2_ring_answer answer = {
		.id = hand->id,
		.flags = ZOSBD2_ANSWER_COPY,
		.address = (uintptr_t)host->service.memory,
		.offset = hand->filled,
	};
	int told;
	long ret = hand_in(ring, &answer, &told);

	if (!is_over(ret) && (ret < 0 || told != -ENOENT))
		breach(host->worker, what);
}

static void wrong_place(struct host *host, struct ring *ring,
			const struct hand *hand,
			struct zosbd2_ring_answer answer)
{
	struct chance *chance = &host->service.chance;
	bool reads = hand->operation == ZOSBD2_RING_READ;

	switch (below(chance, 4)) {
	case 0:
		answer.offset =
			hand->length + 1 + below(chance, UINT32_MAX / 2);
		break;
	case 1:
		answer.length_bytes = hand->length - hand->filled + 1 +
				      below(chance, 1U << 20);
		break;
	case 2:
		answer.length_bytes = UINT32_MAX - below(chance, 1U << 12);
		break;
	default:
		/* A read has no gaps. */
		if (reads && hand->filled < hand->length)
			answer.offset++;
		else
			answer.offset = UINT32_MAX;
		break;
	}
	must_fail(host, ring, answer, EBADMSG);
}

static void wrong_fields(struct host *host, struct ring *ring,
			 struct zosbd2_ring_answer answer)
{
	struct chance *chance = &host->service.chance;

	switch (below(chance, 4)) {
	case 0:
		answer.flags |= 4 << below(chance, 14);
		break;
	case 1:
		answer.flags = 0;
		break;
	case 2:
		answer.reserved = 1 << below(chance, 16);
		break;
	default:
		answer.error = -EIO;
		break;
	}
	must_fail(host, ring, answer, EBADMSG);
}

static void wrong_address(struct host *host, struct ring *ring,
			  const struct hand *hand,
			  struct zosbd2_ring_answer answer)
{
	struct chance *chance = &host->service.chance;
	enum memory kind = MEM_NULL + below(chance, MEM_USER_END - MEM_NULL);

	if (hand->filled == hand->length)
		return;
	answer.address = (uintptr_t)memory_at(host->worker, kind, 0, 0);
	must_fail(host, ring, answer, EFAULT);
}

/* The end of a request twice in a row. */
static void end_twice(struct host *host, struct ring *ring, unsigned int number)
{
	struct zosbd2_ring_answer answer = {
		.id = ring->hand[number].id,
		.flags = ZOSBD2_ANSWER_END,
		.error = -EIO,
	};
	int told;
	long ret;

	if (ring->entries < 2 || !ring_put(ring, &answer))
		return;
	ret = hand_in(ring, &answer, &told);
	ring_let_go(ring, number);
	if (ret < 0 && !is_over(ret))
		breach(host->worker, "a late answer was refused");
}

/* The data of a write goes over the answer that it is copied for. */
static void copy_over_itself(struct host *host, struct ring *ring,
			     unsigned int number)
{
	struct hand hand = ring->hand[number];
	struct zosbd2_ring_answer answer = {
		.id = hand.id,
		.flags = ZOSBD2_ANSWER_COPY | ZOSBD2_ANSWER_END,
		.address = (uintptr_t)ring_answer_at(ring, ring->answer_tail),
		.length_bytes = sizeof(answer),
	};
	int told;
	long ret = hand_in(ring, &answer, &told);

	ring_let_go(ring, number);
	if (is_over(ret))
		return;
	if (ret < 0)
		breach(host->worker, "a right answer was refused");
	must_find_nothing(host, ring, &hand, "a request did not end");
}

/*
 * Does a call refuse them?  Who is being retired gets no requests, so that
 * nobody looks where they would go.
 */
static bool refuses_positions(struct ring *ring, bool only_of_requests)
{
	long ret;

	errno = 0;
	ret = ring_enter(ring, 0, false);
	return is_over(ret) || (ret < 0 && errno == EPROTO) ||
	       (!ret && only_of_requests &&
		ring_header(ring)->state == ZOSBD2_RING_QUIESCING);
}

static void wrong_positions(struct host *host, struct ring *ring)
{
	volatile struct zosbd2_ring *header = ring_header(ring);
	struct chance *chance = &host->service.chance;
	bool of_requests = one_in(chance, 2);
	uint32_t beyond = 1 + below(chance, UINT32_MAX / 2);

	if (of_requests)
		header->request_head = header->request_tail + beyond;
	else
		header->answer_tail =
			header->answer_head + ring->entries + beyond;
	/* A take-over may have been given up amid the first call. */
	if (!refuses_positions(ring, of_requests) &&
	    !refuses_positions(ring, of_requests))
		breach_about(host->worker,
			     "positions that cannot be were taken",
			     "of %s, in state %u, with errno %d",
			     of_requests ? "requests" : "answers",
			     header->state, errno);
	ring_publish(ring);
}

static void wrong_argument(struct host *host, struct ring *ring)
{
	unsigned int bit = 17 + below(&host->service.chance, 15);

	if (ring_enter(ring, 1U << bit, false) >= 0 || errno != EINVAL)
		breach(host->worker, "an argument that cannot be was taken");
}

static bool has_data(const struct hand *hand)
{
	return hand->operation == ZOSBD2_RING_READ ||
	       hand->operation == ZOSBD2_RING_WRITE;
}

/**
 * host_try_a_trick - try one
 * @host: the server
 * @ring: one of its rings, with requests, and without answers
 */
void host_try_a_trick(struct host *host, struct ring *ring)
{
	struct chance *chance = &host->service.chance;
	unsigned int number = below(chance, ring->hands);
	const struct hand *hand = &ring->hand[number];
	struct zosbd2_ring_answer answer = {
		.id = hand->id,
		.flags = ZOSBD2_ANSWER_COPY,
		.address = (uintptr_t)host->service.memory,
		.offset = hand->filled,
	};

	switch (below(chance, 12)) {
	case 0:
		wrong_argument(host, ring);
		break;
	case 1:
		wrong_positions(host, ring);
		break;
	case 2:
		end_twice(host, ring, number);
		break;
	case 3:
		wrong_fields(host, ring, answer);
		break;
	case 4 ... 6:
		must_find_nothing(host, host_idle_ring(host), hand,
				  "another server's request was answered");
		break;
	default:
		if (!has_data(hand))
			must_fail(host, ring, answer, EBADMSG);
		else if (one_in(chance, 4))
			wrong_address(host, ring, hand, answer);
		else if (hand->operation == ZOSBD2_RING_WRITE &&
			 !hand->asked && one_in(chance, 3))
			copy_over_itself(host, ring, number);
		else
			wrong_place(host, ring, hand, answer);
		break;
	}
}
