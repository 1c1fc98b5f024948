/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of zosbd2_file. */
#ifndef ZOSBD2_FILE_OPTIONS_H
#define ZOSBD2_FILE_OPTIONS_H

#include <stdbool.h>

#include "failure.h"
#include "server_options.h"
#include "zosbd2.h"

struct options {
	struct server_options server;
	const char *path;	/* NULL: only with destroy */
	char name[ZOSBD2_NAME_SIZE];
	bool read_only;
	bool direct;
	bool partitions;
};

/* As in the RAM disk: false if *status says all. */
bool options_read(struct options *options, int argc, char **argv,
		  enum exit_status *status);

#endif
