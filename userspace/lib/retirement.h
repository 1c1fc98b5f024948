/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the threads of a server leave together when another server takes over.
 *
 * The module tells each thread once that its server is retired; from then on
 * the server gets no request, but the take-over can still be given up, after
 * which the server is to go on as before, and nobody is told of that.  So a
 * thread that was told waits for the others, with nothing in its hands.  When
 * all were told, nothing is with this server any more, and all leave.  When
 * one of them gets a request in a call that it made after another was told,
 * the take-over was given up, and all go on.
 */
#ifndef ZOSBD2_LIB_RETIREMENT_H
#define ZOSBD2_LIB_RETIREMENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct retirement {
	pthread_mutex_t lock;	/* protects what follows */
	pthread_cond_t changed;
	atomic_uint told;	/* threads that wait here; read without lock */
	uint32_t threads;	/* that have not left */
	uint32_t given_up;	/* how often a take-over was given up */
	bool complete;		/* all may leave */
	bool open;		/* nobody waits here any more */
};

int retirement_init(struct retirement *retirement, uint32_t threads);
void retirement_destroy(struct retirement *retirement);

/* Whether a thread was told.  Asked before a call. */
bool retirement_begun(const struct retirement *retirement);

/* The calling thread was told.  Returns whether to leave. */
bool retirement_wait(struct retirement *retirement);

/* A request came, or the end of the device: who waits is to call again. */
void retirement_give_up(struct retirement *retirement);

/* Who waits is to look whether it was stopped; and who comes later too. */
void retirement_open(struct retirement *retirement);

/* The calling thread leaves, for whatever reason. */
void retirement_leave(struct retirement *retirement);

#endif
