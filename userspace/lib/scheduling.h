/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the threads of a server are scheduled. */
#ifndef ZOSBD2_LIB_SCHEDULING_H
#define ZOSBD2_LIB_SCHEDULING_H

#include <stdbool.h>

/*
 * Where a thread that serves shares its only CPU with those who submit, it can
 * preempt who has just submitted a request, or (SCHED_BATCH, sched(7)) let him
 * go on until he waits.  If he submits more until then, requests come in
 * batches, and a batch costs little more than one request; if he waits at once,
 * preempting him is the cheaper way.  So it is tried now and then what comes.
 */
struct pacing {
	bool shares;		/* the thread has one CPU, and may choose */
	bool lets;		/* it is SCHED_BATCH now */
	unsigned int rounds;	/* calls that brought requests, and the */
	unsigned int requests;	/* requests, since it chose */
	unsigned int until;	/* rounds after which it chooses again */
};

/* Prepare the calling thread for serving: it is on the path of I/O. */
void scheduling_begin(struct pacing *pacing);

void pacing_choose(struct pacing *pacing);

/* A call has brought so many requests, at least one. */
static inline void pacing_note(struct pacing *pacing, unsigned int requests)
{
	pacing->requests += requests;
	if (++pacing->rounds >= pacing->until)
		pacing_choose(pacing);
}

#endif
