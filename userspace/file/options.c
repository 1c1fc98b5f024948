// SPDX-License-Identifier: LGPL-2.1-or-later
#include "options.h"

#include <stdio.h>
#include <string.h>

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
	"      --queues=N         hardware queues of a new device, 1 to 64 (default 1); each\n"
	"                         has a server thread at least\n"
	"      --poll-queues=N    queues for polled I/O besides, 1 to 64 (default none)\n"
	"      --protocol=NAME    how to serve: ring (default, where the module has it), or\n"
	"                         classic\n"
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
	OPTION_READ_ONLY = OPTION_OWN,
	OPTION_DIRECT,
	OPTION_PARTITIONS
};

static const struct option long_options[] = {
	{ "read-only", no_argument, NULL, OPTION_READ_ONLY },
	{ "direct", no_argument, NULL, OPTION_DIRECT },
	{ "partitions", no_argument, NULL, OPTION_PARTITIONS },
	SERVER_OPTIONS
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

static enum exit_status take(void *own, int option)
{
	struct options *options = own;

	switch (option) {
	case 'n':
		return set_name(options, optarg, strlen(optarg));
	case OPTION_READ_ONLY:
		options->read_only = true;
		return STATUS_OK;
	case OPTION_DIRECT:
		options->direct = true;
		return STATUS_OK;
	case OPTION_PARTITIONS:
		options->partitions = true;
		return STATUS_OK;
	default:
		return STATUS_USAGE;
	}
}

/* FILE, and the name if that follows from it. */
static enum exit_status take_file(struct options *options, int argc,
				  char **argv)
{
	const bool destroy = options->server.destroy;

	if (optind < argc)
		options->path = argv[optind++];
	if (optind < argc)
		return report_usage("unexpected argument \"%s\"",
				    argv[optind]);
	if (!options->path && !(destroy && *options->name))
		return report_usage(destroy ? "destroy which device? give --name or FILE" :
					      "no FILE given");
	return *options->name ? STATUS_OK : name_from_path(options);
}

bool options_read(struct options *options, int argc, char **argv,
		  enum exit_status *status)
{
	static const struct server_command command = {
		.program = "zosbd2_file",
		.help = help,
		.options = long_options,
		.take = take,
	};

	*options = (struct options){ 0 };
	if (!server_options_read(&command, &options->server, options, argc,
				 argv, status))
		return false;
	*status = take_file(options, argc, argv);
	return *status == STATUS_OK;
}
