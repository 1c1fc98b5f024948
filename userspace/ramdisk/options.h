/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of the RAM disk. */
#ifndef ZOSBD2_RAMDISK_OPTIONS_H
#define ZOSBD2_RAMDISK_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "adopt.h"
#include "failure.h"

struct options {
	const char *name;
	struct wishes wishes;	/* size, time-out and recovery policy */
	uint32_t threads;
	bool keep;		/* the content when this process dies */
	bool reattach;		/* to a device whose server died */
	bool take_over;		/* from a living server */
	bool destroy;		/* instead of serving */
	bool force;
};

/*
 * Read the command line.  Returns true if there is something to do; else
 * *status is what to exit with, and everything has been said.
 */
bool options_read(struct options *options, int argc, char **argv,
		  enum exit_status *status);

#endif
