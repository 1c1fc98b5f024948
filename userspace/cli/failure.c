// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE /* program_invocation_short_name */
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum exit_status status_of(enum zosbd2_attempt attempt, int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return STATUS_NO_RIGHTS;
	case -EBUSY:
		return STATUS_BUSY;
	case -EEXIST:
		return STATUS_EXISTS;
	case -ENODEV:
		return attempt == ZOSBD2_ATTEMPT_OPEN ? STATUS_NO_MODULE :
							STATUS_FAILED;
	case -ENOENT:
		return attempt == ZOSBD2_ATTEMPT_OPEN ? STATUS_NO_MODULE :
							STATUS_NO_DEVICE;
	default:
		return STATUS_FAILED;
	}
}

enum exit_status report_failure(enum zosbd2_attempt attempt, int error,
				const char *what, const char *which)
{
	const char *advice = zosbd2_explain(attempt, error);

	fprintf(stderr, "%s: cannot %s %s: %s%s%s\n",
		program_invocation_short_name, what, which, strerror(-error),
		*advice ? "; " : "", advice);
	return status_of(attempt, error);
}

enum exit_status report_usage(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "; see --help\n");
	return STATUS_USAGE;
}
