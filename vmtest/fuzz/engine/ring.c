// SPDX-License-Identifier: MIT
/*
 * The server's side of the ring protocol, done rightly.
 *
 * Who uses the ring of a slot does so with careful(), as others may unmap it,
 * and must bear that others write to it.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "channel.h"

/**
 * ring_lay_out - begin with a new channel
 * @ring: the ring, whose base stays
 * @attach: what the module said of it
 */
void ring_lay_out(struct ring *ring, const struct zosbd2_ring_attach *attach)
{
	ring->entries = attach->entries;
	ring->requests = attach->requests_offset;
	ring->answers = attach->answers_offset;
	ring->bytes = attach->map_bytes;
	ring->request_head = ring->answer_tail = 0;
	ring->hands = 0;
}

volatile struct zosbd2_ring *ring_header(const struct ring *ring)
{
	return (void *)ring->base;
}

static volatile struct zosbd2_ring_request *
ring_request_at(const struct ring *ring, uint32_t position)
{
	struct zosbd2_ring_request *requests =
		(void *)(ring->base + ring->requests);

	return &requests[position & (ring->entries - 1)];
}

volatile struct zosbd2_ring_answer *ring_answer_at(const struct ring *ring,
						   uint32_t position)
{
	struct zosbd2_ring_answer *answers =
		(void *)(ring->base + ring->answers);

	return &answers[position & (ring->entries - 1)];
}

/**
 * ring_put - write an answer, without telling of it
 * @ring: the ring
 * @answer: the answer
 *
 * Return: false if there is no room.
 */
bool ring_put(struct ring *ring, const struct zosbd2_ring_answer *answer)
{
	if (ring->answer_tail - ring_header(ring)->answer_head >= ring->entries)
		return false;
	*ring_answer_at(ring, ring->answer_tail++) = *answer;
	return true;
}

/**
 * ring_publish - tell what was read and written
 * @ring: the ring
 */
void ring_publish(struct ring *ring)
{
	volatile struct zosbd2_ring *header = ring_header(ring);

	header->request_head = ring->request_head;
	header->answer_tail = ring->answer_tail;
}

/**
 * ring_resume - go on where the kernel is
 * @ring: the ring
 *
 * Answers that are not carried out are taken back.
 */
void ring_resume(struct ring *ring)
{
	volatile struct zosbd2_ring *header = ring_header(ring);

	ring->request_head = header->request_tail;
	ring->answer_tail = header->answer_head;
	ring_publish(ring);
}

static void count_request(uint16_t operation)
{
	/* In the order of common->got. */
	static const uint8_t got[] = { 0, 1, 2, 4, 3, 5 };

	common->got[operation < 6 ? got[operation] : 0]++;
}

/**
 * ring_take - read the requests that have come
 * @worker: who does
 * @ring: the ring
 *
 * Return: how many there were.
 */
unsigned int ring_take(struct worker *worker, struct ring *ring)
{
	uint32_t tail = ring_header(ring)->request_tail;
	unsigned int count = 0;

	if (tail - ring->request_head > ring->entries)
		return 0;
	while (ring->request_head != tail && ring->hands < HANDS) {
		volatile struct zosbd2_ring_request *request =
			ring_request_at(ring, ring->request_head++);

		ring->hand[ring->hands++] = (struct hand){
			.id = request->id,
			.start = request->start_byte,
			.length = request->length_bytes,
			.operation = request->operation,
		};
		common->seat[worker->number].ring_id = request->id;
		count_request(request->operation);
		count++;
	}
	ring_header(ring)->request_head = ring->request_head;
	return count;
}

/**
 * ring_let_go - forget a request
 * @ring: the ring
 * @hand: which of those that the server has
 */
void ring_let_go(struct ring *ring, unsigned int hand)
{
	ring->hand[hand] = ring->hand[--ring->hands];
}

/**
 * ring_enter - make a call
 * @ring: the ring
 * @max: how many requests to bring at most
 * @wait: wait for one
 */
long ring_enter(struct ring *ring, unsigned int max, bool wait)
{
	return ioctl(ring->fd, ZOSBD2_IOC_ENTER,
		     (unsigned long)max | (wait ? ZOSBD2_ENTER_WAIT : 0));
}

static enum style style_of(struct service *service)
{
	static const uint8_t mixed[16] = {
		STYLE_AT_ONCE, STYLE_AT_ONCE, STYLE_AT_ONCE, STYLE_AT_ONCE,
		STYLE_AT_ONCE, STYLE_APART,   STYLE_APART,   STYLE_APART,
		STYLE_APART,   STYLE_PIECES,  STYLE_PIECES,  STYLE_PIECES,
		STYLE_PIECES,  STYLE_BLIND,   STYLE_SHORT,   STYLE_FAILURE,
	};

	if (service->style < STYLES)
		return service->style;
	return mixed[below(&service->chance, 16)];
}

enum next { ENDED, MORE, LATER };

/*
 * Write one more answer to a request.  Returns whether it has ended with it,
 * gets more, or gets more when this has been carried out.
 */
static enum next answer_more(struct ring *ring, struct hand *hand,
			     struct service *service)
{
	struct zosbd2_ring_answer answer = {
		.id = hand->id,
		.flags = ZOSBD2_ANSWER_END,
	};
	uint32_t left = hand->length - hand->filled, part = left / 2 & ~511U;
	bool reads = hand->operation == ZOSBD2_RING_READ;
	bool writes = hand->operation == ZOSBD2_RING_WRITE;
	enum style style = style_of(service);
	enum next next = ENDED;

	if (reads || (writes && !hand->asked)) {
		answer.flags |= ZOSBD2_ANSWER_COPY;
		answer.address = (uintptr_t)service->memory;
		answer.offset = hand->filled;
	}
	if (style == STYLE_BLIND || style == STYLE_FAILURE)
		answer.flags = ZOSBD2_ANSWER_END;
	if (style == STYLE_FAILURE)
		answer.error = service->error;
	if (style == STYLE_SHORT && reads)
		answer.length_bytes = part;
	if (style == STYLE_APART && answer.flags & ZOSBD2_ANSWER_COPY && left) {
		answer.flags = ZOSBD2_ANSWER_COPY;
		next = LATER;
	}
	if (style == STYLE_PIECES && reads && part) {
		answer.flags = ZOSBD2_ANSWER_COPY;
		answer.length_bytes = part;
		next = MORE;
	}
	if (!ring_put(ring, &answer))
		return LATER;
	hand->asked = true;
	if (reads && answer.flags & ZOSBD2_ANSWER_COPY)
		hand->filled += answer.length_bytes ?: left;
	return next;
}

/**
 * ring_answer_all - answer what the server has, as far as there is room
 * @ring: the ring
 * @service: how
 */
void ring_answer_all(struct ring *ring, struct service *service)
{
	unsigned int i = ring->hands;
	enum next next;

	while (i--) {
		do
			next = answer_more(ring, &ring->hand[i], service);
		while (next == MORE);
		if (next == ENDED) {
			ring_let_go(ring, i);
			service->ended++;
		}
	}
}

/* The memory of an answer is not there: its request fails, and no other. */
static void fail_answer(struct ring *ring)
{
	volatile struct zosbd2_ring_answer *answer =
		ring_answer_at(ring, ring_header(ring)->answer_head);

	answer->flags = ZOSBD2_ANSWER_END;
	answer->reserved = 0;
	answer->error = -EIO;
}

/**
 * ring_round - answer what the server has, and bring what there is
 * @worker: who does
 * @ring: the ring
 * @service: how it serves
 * @wait: wait for a request
 *
 * Return: how many requests came, or -1 as the call did.
 */
long ring_round(struct worker *worker, struct ring *ring,
		struct service *service, bool wait)
{
	unsigned int turn = 0;
	long ret;

	ring_answer_all(ring, service);
	ring_publish(ring);
	/* What is to be ended in another call does not wait for others. */
	wait = wait && !ring->hands;
	do {
		ret = ring_enter(ring, HANDS - ring->hands, wait);
		if (ret >= 0 || (errno != EFAULT && errno != EBADMSG))
			break;
		fail_answer(ring);
		service->refused++;
	} while (++turn < 8);
	if (ret >= 0 || errno == EINTR) {
		common->answered += service->ended;
		common->rung += service->ended;
		service->ended = 0;
		ring_take(worker, ring);
	}
	return ret;
}
