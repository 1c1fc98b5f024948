// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server_options.h"

#include <stdio.h>

#include "arguments.h"
#include "zosbd2.h"

/* An option without a value. */
static bool *flag_of(struct server_options *options, int option)
{
	switch (option) {
	case OPTION_REATTACH:
		return &options->reattach;
	case OPTION_TAKE_OVER:
		return &options->take_over;
	case 'd':
		return &options->destroy;
	case 'f':
		return &options->force;
	default:
		return NULL;
	}
}

static enum exit_status take(const struct server_command *command,
			     struct server_options *options, void *own,
			     int option)
{
	bool *flag = flag_of(options, option);
	enum exit_status status;
	uint32_t recovery;

	if (flag) {
		*flag = true;
		return STATUS_OK;
	}
	switch (option) {
	case 's':
		return read_size(&options->wishes.size, optarg);
	case 't':
		return read_threads(&options->threads, optarg);
	case OPTION_TIMEOUT:
		return read_timeout(&options->wishes.timeout_seconds, optarg);
	case OPTION_QUEUES:
		return read_queues(&options->queues, optarg);
	case OPTION_POLL_QUEUES:
		return read_queues(&options->poll_queues, optarg);
	case OPTION_PROTOCOL:
		return read_protocol(&options->classic, optarg);
	case OPTION_RECOVERY:
		status = read_recovery(&recovery, optarg);
		if (status == STATUS_OK)
			options->wishes.recovery = recovery;
		return status;
	default:
		return command->take(own, option);
	}
}

static enum exit_status check(const struct server_options *options)
{
	if (options->force && !options->destroy)
		return report_usage("--force only goes with --destroy");
	if (options->classic &&
	    (options->queues > 1 || options->poll_queues))
		return report_usage("several --queues and --poll-queues need --protocol=ring");
	if (options->reattach && options->take_over)
		return report_usage("--reattach is for a device without a server, --take-over for one that has one: give one of them");
	return STATUS_OK;
}

bool server_options_read(const struct server_command *command,
			 struct server_options *options, void *own, int argc,
			 char **argv, enum exit_status *status)
{
	int option;

	*options = (struct server_options){
		.threads = default_threads(),
		.wishes.recovery = -1,
	};
	*status = STATUS_OK;
	while ((option = getopt_long(argc, argv, "n:s:t:dfh", command->options,
				     NULL)) != -1) {
		if (option == 'h') {
			fputs(command->help, stdout);
			return false;
		}
		if (option == OPTION_VERSION) {
			printf("%s %s\n", command->program, zosbd2_version());
			return false;
		}
		*status = take(command, options, own, option);
		if (*status != STATUS_OK)
			return false;
	}
	*status = check(options);
	return *status == STATUS_OK;
}

uint32_t server_flags(const struct server_options *options)
{
	return (options->take_over ? ZOSBD2_SERVER_TAKE_OVER : 0) |
	       (options->classic ? ZOSBD2_SERVER_CLASSIC : 0);
}
