/* SPDX-License-Identifier: MIT */
/*
 * What a process knows of its channels, and how it serves through them.
 */
#ifndef FUZZ_CHANNEL_H
#define FUZZ_CHANNEL_H

#include <linux/zosbd2_ring.h>

#include "engine.h"

/**
 * struct hand - a request that a server has
 * @id: its name
 * @start: where it starts, in bytes
 * @length: its length in bytes
 * @filled: bytes of a read that have been copied
 * @operation: ZOSBD2_RING_*
 * @asked: the data of a write has been copied
 */
struct hand {
	uint64_t id;
	uint64_t start;
	uint32_t length;
	uint32_t filled;
	uint16_t operation;
	bool asked;
};

/**
 * struct ring - the server's side of a channel
 * @fd: the channel
 * @base: its mapping
 * @entries: of each ring; 0 if nobody knows
 * @requests: where they are in the mapping
 * @answers: and these
 * @bytes: how large the mapping is
 * @request_head: requests before it have been read
 * @answer_tail: answers before it are there
 * @hands: how many requests the server has
 * @hand: those
 */
struct ring {
	int fd;
	unsigned char *base;
	uint32_t entries;
	uint32_t requests;
	uint32_t answers;
	uint32_t bytes;
	uint32_t request_head;
	uint32_t answer_tail;
	unsigned int hands;
	struct hand hand[HANDS];
};

/**
 * struct service - how a server serves
 * @style: how it answers
 * @chance: decides where there are several right ways
 * @error: what it fails requests with, 0 or a negative errno
 * @memory: where data is
 * @ended: requests that it has ended with the answers in the ring
 * @refused: answers that were refused
 */
struct service {
	enum style style;
	struct chance chance;
	int32_t error;
	unsigned char *memory;
	unsigned int ended;
	unsigned int refused;
};

/* ring.c */
void ring_lay_out(struct ring *ring, const struct zosbd2_ring_attach *attach);
volatile struct zosbd2_ring *ring_header(const struct ring *ring);
volatile struct zosbd2_ring_answer *ring_answer_at(const struct ring *ring,
						   uint32_t position);
bool ring_put(struct ring *ring, const struct zosbd2_ring_answer *answer);
void ring_publish(struct ring *ring);
void ring_resume(struct ring *ring);
unsigned int ring_take(struct worker *worker, struct ring *ring);
void ring_let_go(struct ring *ring, unsigned int hand);
long ring_enter(struct ring *ring, unsigned int max, bool wait);
void ring_answer_all(struct ring *ring, struct service *service);
long ring_round(struct worker *worker, struct ring *ring,
		struct service *service, bool wait);

/* channel.c */
void channels_prepare(void);
bool careful(void (*work)(void *), void *argument);
void channel_know(uint64_t slot, const struct zosbd2_ring_attach *attach);
void channel_copy(int from, uint64_t to);
long channel_map(int slot, int fd, enum how_to_map how, size_t bytes,
		 uint64_t offset);
void channel_get(uint64_t slot, int fd, uint32_t handle);
int channel_open(const struct worker *worker, unsigned int slot,
		 uint32_t handle);
unsigned char *channel_window(unsigned int number);
struct ring *channel_seen(const struct worker *worker, uint64_t slot);
struct ring *channel_begin(const struct worker *worker, uint64_t slot);
void channel_end(struct ring *ring);
uint64_t channel_generation(uint32_t handle, uint64_t which);

#endif
