/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the threads of a server are scheduled. */
#ifndef ZOSBD2_LIB_SCHEDULING_H
#define ZOSBD2_LIB_SCHEDULING_H

#include <stdbool.h>

/*
 * Where no CPU is idle, a thread that serves can preempt who has just submitted
 * a request, or (SCHED_BATCH, sched(7)) let him go on until he waits.  If he
 * submits more until then, requests come in batches, and a batch costs little
 * more than one request; if he waits at once, preempting him is the cheaper
 * way.  So it is tried now and then what comes.
 *
 * A thread of the classic protocol cannot see what comes: it lets others go on
 * if there is but one CPU.
 */
struct pacing {
	bool shares;		/* the thread may choose */
	bool lets;		/* it is SCHED_BATCH now */
	unsigned int rounds;	/* calls that brought requests, and the */
	unsigned int requests;	/* requests, since it chose */
	unsigned int until;	/* rounds after which it chooses again */
};

/*
 * Prepare the calling thread for serving: it is on the path of I/O.  @batches:
 * its calls bring as many requests as there are.
 */
void scheduling_begin(struct pacing *pacing, bool batches);

void pacing_choose(struct pacing *pacing);

/* A call has brought so many requests, at least one. */
static inline void pacing_note(struct pacing *pacing, unsigned int requests)
{
	pacing->requests += requests;
	if (++pacing->rounds >= pacing->until)
		pacing_choose(pacing);
}

#endif
