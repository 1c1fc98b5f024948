/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * zosbd2: our side of a request, and requests that wait in a row.
 *
 * What is done with them is in zosbd2_request.c.
 */
#ifndef _ZOSBD2_SLOT_H
#define _ZOSBD2_SLOT_H

#include <linux/compiler.h>
#include <linux/types.h>

struct request;
struct zosbd2_server;

/**
 * enum zosbd2_slot_state - who may end the request of a slot
 * @ZOSBD2_SLOT_IDLE: there is none
 * @ZOSBD2_SLOT_QUEUED: on zosbd2_queue.queued; whoever holds the lock
 * @ZOSBD2_SLOT_FETCHED: with a server; whoever holds the lock
 * @ZOSBD2_SLOT_OWNED: its data is being copied; only the copying thread
 * @ZOSBD2_SLOT_ENDING: being failed; only the thread that took it off
 */
enum zosbd2_slot_state {
	ZOSBD2_SLOT_IDLE,
	ZOSBD2_SLOT_QUEUED,
	ZOSBD2_SLOT_FETCHED,
	ZOSBD2_SLOT_OWNED,
	ZOSBD2_SLOT_ENDING,
};

/**
 * struct zosbd2_slot - our side of one tag
 * @next: behind it in a zosbd2_fifo
 * @rq: the request; valid in every state but idle
 * @server: who has it, while fetched or owned
 * @deadline: when it times out, in jiffies, if @extended
 * @id: its operation id: generation << tag_bits | tag; the classic protocol
 *	sees the low 32 bits
 * @filled: bytes of a read that are there, from its start on
 * @state: enum zosbd2_slot_state
 * @doomed: timed out or killed while owned: the owner must fail it
 * @extended: a server died while the request was under way, so the time-out
 *	that the block layer started is not the one that counts
 * @handed_on: a server had it and died
 *
 * All of it is under zosbd2_queue.lock, but for @next of a slot that is ending:
 * that belongs to the thread that fails it.
 */
struct zosbd2_slot {
	struct zosbd2_slot *next;
	struct request *rq;
	struct zosbd2_server *server;
	unsigned long deadline;
	u64 id;
	u32 filled;
	u8 state;
	bool doomed;
	bool extended;
	bool handed_on;
};

/**
 * struct zosbd2_fifo - slots in a row
 * @first: the one that has waited longest, or NULL
 * @end: where the next one goes
 *
 * Every I/O goes through one: with a struct list_head, whose links are checked,
 * it takes 80 to 100 instructions more (vmtest bench).  To take a slot out of
 * the middle, as time-outs do, is slow.
 */
struct zosbd2_fifo {
	struct zosbd2_slot *first;
	struct zosbd2_slot **end;
};

static inline void zosbd2_fifo_init(struct zosbd2_fifo *fifo)
{
	fifo->first = NULL;
	fifo->end = &fifo->first;
}

/* Also without the lock, by who looks again with it. */
static inline bool zosbd2_fifo_is_empty(const struct zosbd2_fifo *fifo)
{
	return !READ_ONCE(fifo->first);
}

static inline void zosbd2_fifo_add(struct zosbd2_fifo *fifo,
				   struct zosbd2_slot *slot)
{
	slot->next = NULL;
	WRITE_ONCE(*fifo->end, slot);
	fifo->end = &slot->next;
}

/* It has waited already. */
static inline void zosbd2_fifo_add_first(struct zosbd2_fifo *fifo,
					 struct zosbd2_slot *slot)
{
	slot->next = fifo->first;
	if (!slot->next)
		fifo->end = &slot->next;
	WRITE_ONCE(fifo->first, slot);
}

/* There is one. */
static inline struct zosbd2_slot *zosbd2_fifo_take(struct zosbd2_fifo *fifo)
{
	struct zosbd2_slot *slot = fifo->first;

	WRITE_ONCE(fifo->first, slot->next);
	if (!slot->next)
		fifo->end = &fifo->first;
	return slot;
}

/* It is there. */
static inline void zosbd2_fifo_remove(struct zosbd2_fifo *fifo,
				      struct zosbd2_slot *slot)
{
	struct zosbd2_slot **at = &fifo->first;

	while (*at != slot)
		at = &(*at)->next;
	WRITE_ONCE(*at, slot->next);
	if (!slot->next)
		fifo->end = at;
}

#endif
