// SPDX-License-Identifier: LGPL-2.1-or-later
#include "options.h"

#include <stddef.h>

#define DEFAULT_NAME "zosbd2ramdisk"

static const char help[] =
	"Usage: zosbd2_sample_ramdisk [OPTION]...\n"
	"Serve a RAM disk as a block device, in the foreground, until it is destroyed.\n"
	"\n"
	"  -n, --name=NAME        the node below /dev (default " DEFAULT_NAME ")\n"
	"  -s, --size=SIZE        bytes, or with a suffix K, M, G or T (default 4G);\n"
	"                         4M to 12T, a multiple of 4K\n"
	"  -t, --threads=N        server threads, 1 to 256 (default: one a CPU, at most 4)\n"
	"      --queues=N         hardware queues of a new device, 1 to 64 (default 1); each\n"
	"                         has a server thread at least\n"
	"      --poll-queues=N    queues for polled I/O besides, 1 to 64 (default none)\n"
	"      --protocol=NAME    how to serve: ring (default, where the module has it), or\n"
	"                         classic\n"
	"      --timeout=SECONDS  a request that takes longer fails, 1 to 1200 (default 60)\n"
	"      --recovery=POLICY  what becomes of requests when this server dies: wait for\n"
	"                         the next one (default), or fail\n"
	"      --keep             keep the content in shared memory, /dev/shm/zosbd2.NAME,\n"
	"                         which outlives this process but not the device\n"
	"      --reattach         with --keep: serve the device of this name that is there\n"
	"                         and has lost its server\n"
	"      --take-over        with --keep: serve the device of this name in place of\n"
	"                         its server, which ends; no request fails\n"
	"  -d, --destroy          destroy the device that another process serves; that\n"
	"                         process then exits with status 0\n"
	"  -f, --force            with -d: even if it is open or mounted; what is not\n"
	"                         written back is lost\n"
	"  -h, --help             show this text\n"
	"      --version          show the version\n"
	"\n"
	"Prints one line that starts with \"ready\" once the device can be used.  Memory\n"
	"is taken only for what is written.  SIGINT, SIGTERM and SIGHUP destroy the\n"
	"device; while it is open or mounted it goes on serving, and a second signal\n"
	"destroys it by force.\n"
	"\n" EXIT_STATUS_HELP;

enum { OPTION_KEEP = OPTION_OWN };

static const struct option long_options[] = {
	{ "keep", no_argument, NULL, OPTION_KEEP },
	SERVER_OPTIONS
};

static enum exit_status take(void *own, int option)
{
	struct options *options = own;

	switch (option) {
	case 'n':
		options->name = optarg;
		return STATUS_OK;
	case OPTION_KEEP:
		options->keep = true;
		return STATUS_OK;
	default:
		return STATUS_USAGE;
	}
}

bool options_read(struct options *options, int argc, char **argv,
		  enum exit_status *status)
{
	static const struct server_command command = {
		.program = "zosbd2_sample_ramdisk",
		.help = help,
		.options = long_options,
		.take = take,
	};
	const struct server_options *server = &options->server;

	*options = (struct options){ .name = DEFAULT_NAME };
	if (!server_options_read(&command, &options->server, options, argc,
				 argv, status))
		return false;
	if (optind < argc)
		*status = report_usage("unexpected argument \"%s\"",
				       argv[optind]);
	else if ((server->reattach || server->take_over) && !options->keep)
		*status = report_usage("--reattach and --take-over only go with --keep: other content dies with its server");
	return *status == STATUS_OK;
}
