/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of the RAM disk. */
#ifndef ZOSBD2_RAMDISK_OPTIONS_H
#define ZOSBD2_RAMDISK_OPTIONS_H

#include <stdbool.h>

#include "failure.h"
#include "server_options.h"

struct options {
	struct server_options server;
	const char *name;
	bool keep;		/* the content when this process dies */
};

/*
 * Read the command line.  Returns true if there is something to do; else
 * *status is what to exit with, and everything has been said.
 */
bool options_read(struct options *options, int argc, char **argv,
		  enum exit_status *status);

#endif
