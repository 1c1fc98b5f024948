// SPDX-License-Identifier: LGPL-2.1-or-later
#include "options.h"

#include <getopt.h>
#include <stdio.h>

#include "arguments.h"
#include "zosbd2.h"

#define DEFAULT_NAME "zosbd2ramdisk"

static const char help[] =
	"Usage: zosbd2_sample_ramdisk [OPTION]...\n"
	"Serve a RAM disk as a block device, in the foreground, until it is destroyed.\n"
	"\n"
	"  -n, --name=NAME        the node below /dev (default " DEFAULT_NAME ")\n"
	"  -s, --size=SIZE        bytes, or with a suffix K, M, G or T (default 4G);\n"
	"                         4M to 12T, a multiple of 4K\n"
	"  -t, --threads=N        server threads, 1 to 256 (default: one a CPU, at most 4)\n"
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

enum {
	OPTION_TIMEOUT = 256,
	OPTION_RECOVERY,
	OPTION_KEEP,
	OPTION_REATTACH,
	OPTION_TAKE_OVER,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{ "name", required_argument, NULL, 'n' },
	{ "size", required_argument, NULL, 's' },
	{ "threads", required_argument, NULL, 't' },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "recovery", required_argument, NULL, OPTION_RECOVERY },
	{ "keep", no_argument, NULL, OPTION_KEEP },
	{ "reattach", no_argument, NULL, OPTION_REATTACH },
	{ "take-over", no_argument, NULL, OPTION_TAKE_OVER },
	{ "destroy", no_argument, NULL, 'd' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static enum exit_status check(const struct options *options)
{
	if (options->force && !options->destroy)
		return report_usage("--force only goes with --destroy");
	if ((options->reattach || options->take_over) && !options->keep)
		return report_usage("--reattach and --take-over only go with --keep: other content dies with its server");
	if (options->reattach && options->take_over)
		return report_usage("--reattach is for a device without a server, --take-over for one that has one: give one of them");
	return STATUS_OK;
}

static enum exit_status read_option(struct options *options, int option)
{
	enum exit_status status;
	uint32_t recovery;

	switch (option) {
	case 'n':
		options->name = optarg;
		return STATUS_OK;
	case 's':
		return read_size(&options->wishes.size, optarg);
	case 't':
		return read_threads(&options->threads, optarg);
	case OPTION_TIMEOUT:
		return read_timeout(&options->wishes.timeout_seconds, optarg);
	case OPTION_RECOVERY:
		status = read_recovery(&recovery, optarg);
		if (status == STATUS_OK)
			options->wishes.recovery = recovery;
		return status;
	case OPTION_KEEP:
		options->keep = true;
		return STATUS_OK;
	case OPTION_REATTACH:
		options->reattach = true;
		return STATUS_OK;
	case OPTION_TAKE_OVER:
		options->take_over = true;
		return STATUS_OK;
	case 'd':
		options->destroy = true;
		return STATUS_OK;
	case 'f':
		options->force = true;
		return STATUS_OK;
	default:
		return STATUS_USAGE;
	}
}

bool options_read(struct options *options, int argc, char **argv,
		  enum exit_status *status)
{
	int option;

	*options = (struct options){
		.name = DEFAULT_NAME,
		.threads = default_threads(),
		.wishes.recovery = -1,
	};
	*status = STATUS_OK;
	while ((option = getopt_long(argc, argv, "n:s:t:dfh", long_options,
				     NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return false;
		}
		if (option == OPTION_VERSION) {
			printf("zosbd2_sample_ramdisk %s\n", zosbd2_version());
			return false;
		}
		*status = read_option(options, option);
		if (*status != STATUS_OK)
			return false;
	}
	*status = optind < argc ? report_usage("unexpected argument \"%s\"",
					       argv[optind]) :
				  check(options);
	return *status == STATUS_OK;
}
