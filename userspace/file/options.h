/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of zosbd2_file. */
#ifndef ZOSBD2_FILE_OPTIONS_H
#define ZOSBD2_FILE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "adopt.h"
#include "failure.h"

struct options {
	const char *path;	/* NULL: only with destroy */
	char name[ZOSBD2_NAME_SIZE];
	struct wishes wishes;	/* size, time-out and recovery policy */
	uint32_t threads;
	bool read_only;
	bool direct;
	bool partitions;
	bool reattach;		/* to a device whose server died */
	bool take_over;		/* from a living server */
	bool destroy;		/* instead of serving */
	bool force;
};

/* As in the RAM disk: false if *status says all. */
bool options_read(struct options *options, int argc, char **argv,
		  enum exit_status *status);

#endif
