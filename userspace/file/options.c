// SPDX-License-Identifier: LGPL-2.1-or-later
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "zosbd2.h"

static const char help[] =
	"Usage: zosbd2_file [OPTION]... FILE\n"
	"       zosbd2_file -d [-f] [-n NAME] [FILE]\n"
	"Serve a regular file or a block device as a block device, in the foreground,\n"
	"until it is destroyed.\n"
	"\n"
	"  -n, --name=NAME        the node below /dev (default: FILE's name without folder\n"
	"                         and extension)\n"
	"  -s, --size=SIZE        bytes, or with a suffix K, M, G or T; a new or shorter FILE\n"
	"                         is made that long, sparse (default: FILE's size)\n"
	"      --read-only        the device cannot be written to\n"
	"      --direct           bypass the page cache below FILE (O_DIRECT)\n"
	"      --partitions       the device may have partitions\n"
	"  -t, --threads=N        server threads, 1 to 256 (default: one a CPU, at most 4)\n"
	"      --timeout=SECONDS  a request that takes longer fails, 1 to 1200 (default 60)\n"
	"      --recovery=POLICY  what becomes of requests when this server dies: wait for\n"
	"                         the next one (default), or fail\n"
	"      --reattach         serve the device of this name that is there and has lost\n"
	"                         its server\n"
	"      --take-over        serve the device of this name in place of its server,\n"
	"                         which ends; no request fails\n"
	"  -d, --destroy          destroy the device that another process serves; that\n"
	"                         process then exits with status 0\n"
	"  -f, --force            with -d: even if it is open or mounted; what is not\n"
	"                         written back is lost\n"
	"  -h, --help             show this text\n"
	"      --version          show the version\n"
	"\n"
	"Prints one line that starts with \"ready\" once the device can be used.  Flushes\n"
	"reach FILE (fdatasync), discards free its space.  Nothing is kept in this\n"
	"process: killed at any instant, it can be started again with --reattach.\n"
	"SIGINT, SIGTERM and SIGHUP destroy the device; while it is open or mounted it\n"
	"goes on serving, and a second signal destroys it by force.\n"
	"\n" EXIT_STATUS_HELP;

enum {
	OPTION_READ_ONLY = 256,
	OPTION_DIRECT,
	OPTION_PARTITIONS,
	OPTION_TIMEOUT,
	OPTION_RECOVERY,
	OPTION_REATTACH,
	OPTION_TAKE_OVER,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{ "name", required_argument, NULL, 'n' },
	{ "size", required_argument, NULL, 's' },
	{ "read-only", no_argument, NULL, OPTION_READ_ONLY },
	{ "direct", no_argument, NULL, OPTION_DIRECT },
	{ "partitions", no_argument, NULL, OPTION_PARTITIONS },
	{ "threads", required_argument, NULL, 't' },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "recovery", required_argument, NULL, OPTION_RECOVERY },
	{ "reattach", no_argument, NULL, OPTION_REATTACH },
	{ "take-over", no_argument, NULL, OPTION_TAKE_OVER },
	{ "destroy", no_argument, NULL, 'd' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static enum exit_status set_name(struct options *options, const char *name,
				 size_t length)
{
	if (!length || length >= sizeof(options->name))
		return report_usage("\"%s\" cannot be the name of a device: give one of 1 to 31 bytes with --name",
				    name);
	memcpy(options->name, name, length);
	options->name[length] = '\0';
	return STATUS_OK;
}

/* "disk" for "images/disk.img"; a leading dot starts no extension. */
static enum exit_status name_from_path(struct options *options)
{
	const char *slash = strrchr(options->path, '/');
	const char *base = slash ? slash + 1 : options->path;
	const char *dot = strrchr(base, '.');

	return set_name(options, base,
			dot && dot != base ? (size_t)(dot - base) :
					     strlen(base));
}

static enum exit_status check(struct options *options)
{
	if (options->force && !options->destroy)
		return report_usage("--force only goes with --destroy");
	if (!options->path && !(options->destroy && *options->name))
		return report_usage(options->destroy ?
					    "destroy which device? give --name or FILE" :
					    "no FILE given");
	if (options->reattach && options->take_over)
		return report_usage("--reattach is for a device without a server, --take-over for one that has one: give one of them");
	return *options->name ? STATUS_OK : name_from_path(options);
}

/* An option without a value of its own. */
static bool *flag_of(struct options *options, int option)
{
	switch (option) {
	case OPTION_READ_ONLY:
		return &options->read_only;
	case OPTION_DIRECT:
		return &options->direct;
	case OPTION_PARTITIONS:
		return &options->partitions;
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

static enum exit_status read_option(struct options *options, int option)
{
	uint32_t recovery;
	enum exit_status status;
	bool *flag;

	switch (option) {
	case 'n':
		return set_name(options, optarg, strlen(optarg));
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
	default:
		flag = flag_of(options, option);
		if (!flag)
			return STATUS_USAGE;
		*flag = true;
		return STATUS_OK;
	}
}

bool options_read(struct options *options, int argc, char **argv,
		  enum exit_status *status)
{
	int option;

	*options = (struct options){
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
			printf("zosbd2_file %s\n", zosbd2_version());
			return false;
		}
		*status = read_option(options, option);
		if (*status != STATUS_OK)
			return false;
	}
	if (optind < argc)
		options->path = argv[optind++];
	*status = optind < argc ? report_usage("unexpected argument \"%s\"",
					       argv[optind]) :
				  check(options);
	return *status == STATUS_OK;
}
