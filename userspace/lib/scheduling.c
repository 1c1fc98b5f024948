// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE /* sched_getaffinity, SCHED_BATCH */
#include "scheduling.h"

#include <limits.h>
#include <sched.h>
#include <sys/prctl.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* Rounds of a trial, those it lasts if it fails, and those if it succeeds. */
#define TRIAL 4
#define FAILED 512
#define SUCCEEDED 256

/*
 * Reclaim that this thread enters must not wait for I/O: it could be I/O to
 * the device that this thread serves.  Needs CAP_SYS_RESOURCE and Linux 5.6;
 * without them only memory pressure on a thread that allocates is at risk.
 */
static void join_io_path(void)
{
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

static void let(struct pacing *pacing, bool lets, unsigned int rounds)
{
	const struct sched_param none = { .sched_priority = 0 };

	if (lets != pacing->lets &&
	    sched_setscheduler(0, lets ? SCHED_BATCH : SCHED_OTHER, &none) < 0) {
		pacing->shares = false;
		rounds = UINT_MAX;
	} else {
		pacing->lets = lets;
	}
	pacing->rounds = 0;
	pacing->requests = 0;
	pacing->until = rounds;
}

void pacing_choose(struct pacing *pacing)
{
	/* Half of the rounds brought more than one. */
	const bool pays = pacing->requests >=
			  pacing->rounds + pacing->rounds / 2;

	if (!pacing->shares)
		pacing->rounds = 0;
	else if (!pacing->lets)
		let(pacing, true, TRIAL);
	else if (pays)
		let(pacing, true, SUCCEEDED);
	else
		let(pacing, false, FAILED);
}

static bool has_one_cpu(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 &&
	       CPU_COUNT(&cpus) == 1;
}

void scheduling_begin(struct pacing *pacing, bool batches)
{
	join_io_path();
	*pacing = (struct pacing){ .until = UINT_MAX };
	if (sched_getscheduler(0) != SCHED_OTHER ||
	    (!batches && !has_one_cpu()))
		return;
	pacing->shares = true;
	let(pacing, true, TRIAL);
}
