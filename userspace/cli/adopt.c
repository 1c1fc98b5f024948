// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE /* program_invocation_short_name */
#include "adopt.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "arguments.h"

/* How long a server may take to die. */
#define DEATH_MS 5000
#define RETRY_MS 20

enum exit_status adopt_find(struct zosbd2_control *control, const char *name,
			    bool take_over, struct zosbd2_info *info)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
	uint32_t handle;
	int error, left_ms;

	for (left_ms = DEATH_MS;; left_ms -= RETRY_MS) {
		zosbd2_info_init(info);
		error = zosbd2_lookup(control, name, &handle);
		if (!error)
			error = zosbd2_status(control, handle, info);
		if (error)
			return report_failure(ZOSBD2_ATTEMPT_FIND, error,
					      "look at", name);
		if (take_over || !info->servers)
			return STATUS_OK;
		if (left_ms <= 0)
			break;
		nanosleep(&pause, NULL);
	}
	fprintf(stderr,
		"%s: cannot serve %s: it has a living server; take it over with --take-over\n",
		program_invocation_short_name, name);
	return STATUS_BUSY;
}

static enum exit_status misfit(const struct zosbd2_info *info,
			       const char *property)
{
	fprintf(stderr, "%s: cannot serve %s: it has another %s (\"zosbd2ctl status %s\" tells)\n",
		program_invocation_short_name, info->name, property,
		info->name);
	return STATUS_FAILED;
}

enum exit_status adopt_check(const struct zosbd2_info *info,
			     const struct wishes *wishes, const char *what,
			     uint64_t bytes)
{
	if (wishes->timeout_seconds &&
	    info->timeout_ms != wishes->timeout_seconds * 1000)
		return misfit(info, "time-out");
	if (wishes->recovery >= 0 &&
	    info->recovery != (uint32_t)wishes->recovery)
		return misfit(info, "recovery policy");
	if (wishes->size && wishes->size != info->size)
		return misfit(info, "size");
	/* The size is all that tells a wrong file from the right one. */
	if (wishes->size || bytes == info->size)
		return STATUS_OK;
	fprintf(stderr,
		"%s: cannot serve %s: it has %llu bytes and %s has %llu; if they do belong together and the device was resized, give --size=%llu\n",
		program_invocation_short_name, info->name,
		(unsigned long long)info->size, what,
		(unsigned long long)bytes, (unsigned long long)info->size);
	return STATUS_FAILED;
}
