/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the commands report failures, and their exit statuses. */
#ifndef ZOSBD2_CLI_FAILURE_H
#define ZOSBD2_CLI_FAILURE_H

#include "zosbd2.h"

enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_BUSY = 3,	/* the device is open or mounted */
	STATUS_NO_DEVICE = 4,	/* there is no such device */
	STATUS_NO_MODULE = 5,	/* the kernel module is not loaded */
	STATUS_NO_RIGHTS = 6,
	STATUS_EXISTS = 7	/* the name is taken */
};

/* The text on them for --help. */
#define EXIT_STATUS_HELP                                                      \
	"Exit status: 0 done, 1 failed, 2 wrong usage, 3 device busy, "       \
	"4 no such device,\n5 module not loaded, 6 rights missing, "          \
	"7 name taken.\n"

/*
 * Say on stderr that what was attempted on which thing failed, why, and what
 * to do; return the exit status for it.
 */
enum exit_status report_failure(enum zosbd2_attempt attempt, int error,
				const char *what, const char *which);

/* Say on stderr what is wrong with the command line. */
enum exit_status report_usage(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
