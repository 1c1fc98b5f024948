/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options that all servers have, and how a command line is read. */
#ifndef ZOSBD2_CLI_SERVER_OPTIONS_H
#define ZOSBD2_CLI_SERVER_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "adopt.h"
#include "failure.h"

struct server_options {
	struct wishes wishes;	/* size, time-out and recovery policy */
	uint32_t threads;
	uint32_t queues;	/* these two of a new device; 0 is the default */
	uint32_t poll_queues;
	bool classic;		/* not the ring protocol */
	bool reattach;		/* to a device whose server died */
	bool take_over;		/* from a living server */
	bool destroy;		/* instead of serving */
	bool force;
};

/* Those without a letter; a server's own follow OPTION_OWN. */
enum {
	OPTION_TIMEOUT = 256,
	OPTION_RECOVERY,
	OPTION_QUEUES,
	OPTION_POLL_QUEUES,
	OPTION_PROTOCOL,
	OPTION_REATTACH,
	OPTION_TAKE_OVER,
	OPTION_VERSION,
	OPTION_OWN
};

/* For the table of getopt_long(), with the end of the table. */
#define SERVER_OPTIONS \
	{ "name", required_argument, NULL, 'n' }, \
	{ "size", required_argument, NULL, 's' }, \
	{ "threads", required_argument, NULL, 't' }, \
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT }, \
	{ "recovery", required_argument, NULL, OPTION_RECOVERY }, \
	{ "queues", required_argument, NULL, OPTION_QUEUES }, \
	{ "poll-queues", required_argument, NULL, OPTION_POLL_QUEUES }, \
	{ "protocol", required_argument, NULL, OPTION_PROTOCOL }, \
	{ "reattach", no_argument, NULL, OPTION_REATTACH }, \
	{ "take-over", no_argument, NULL, OPTION_TAKE_OVER }, \
	{ "destroy", no_argument, NULL, 'd' }, \
	{ "force", no_argument, NULL, 'f' }, \
	{ "help", no_argument, NULL, 'h' }, \
	{ "version", no_argument, NULL, OPTION_VERSION }, \
	{ NULL, 0, NULL, 0 }

/* What a server adds to the options above. */
struct server_command {
	const char *program;
	const char *help;
	const struct option *options;

	/*
	 * Take the name, or an option of the server's own, whose value is in
	 * optarg.  STATUS_USAGE for any other.
	 */
	enum exit_status (*take)(void *own, int option);
};

/*
 * Read all options; what is left begins at argv[optind].  Returns true if
 * there is something to do; else *status is what to exit with, and everything
 * has been said.
 */
bool server_options_read(const struct server_command *command,
			 struct server_options *options, void *own, int argc,
			 char **argv, enum exit_status *status);

/* ZOSBD2_SERVER_* that go with the options. */
uint32_t server_flags(const struct server_options *options);

#endif
