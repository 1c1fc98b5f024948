// SPDX-License-Identifier: LGPL-2.1-or-later
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include <linux/zosbd2.h>

#include "size.h"
#include "zosbd2.h"

#define DEFAULT_NAME "zosbd2ramdisk"
#define DEFAULT_SIZE (UINT64_C(4) << 30)
#define DEFAULT_TIMEOUT_SECONDS 60
#define MAX_DEFAULT_THREADS 4
#define MAX_THREADS 256

static const char help[] =
	"Usage: zosbd2_sample_ramdisk [OPTION]...\n"
	"Serve a RAM disk as a block device, in the foreground, until it is destroyed.\n"
	"\n"
	"  -n, --name=NAME        the node below /dev (default " DEFAULT_NAME ")\n"
	"  -s, --size=SIZE        bytes, or with a suffix K, M, G or T (default 4G);\n"
	"                         4M to 12T, a multiple of 4K\n"
	"  -t, --threads=N        server threads, 1 to 256 (default: one a CPU, at most 4)\n"
	"      --timeout=SECONDS  a request that takes longer fails, 1 to 1200 (default 60)\n"
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

enum { OPTION_TIMEOUT = 256, OPTION_VERSION };

static const struct option long_options[] = {
	{ "name", required_argument, NULL, 'n' },
	{ "size", required_argument, NULL, 's' },
	{ "threads", required_argument, NULL, 't' },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "destroy", no_argument, NULL, 'd' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static uint32_t default_threads(void)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (cpus < 1)
		return 1;
	return cpus > MAX_DEFAULT_THREADS ? MAX_DEFAULT_THREADS :
					    (uint32_t)cpus;
}

static enum exit_status read_size(uint64_t *size, const char *text)
{
	const uint64_t least = ZOSBD2_MIN_BLOCKS * ZOSBD2_BLOCK_SIZE;
	const uint64_t most = ZOSBD2_MAX_BLOCKS * ZOSBD2_BLOCK_SIZE;

	if (!size_parse(size, text))
		return report_usage("\"%s\" is not a size: give bytes or a number with K, M, G or T, such as 512M",
				    text);
	if (*size < least || *size > most)
		return report_usage("a size of %s (%llu bytes) is out of range: 4M to 12T",
				    text, (unsigned long long)*size);
	if (*size % ZOSBD2_BLOCK_SIZE)
		return report_usage("a size of %s (%llu bytes) is not a multiple of 4096 bytes",
				    text, (unsigned long long)*size);
	return STATUS_OK;
}

static enum exit_status read_count(uint32_t *count, const char *text,
				   uint32_t most, const char *what)
{
	uint64_t number;

	if (!count_parse(&number, text) || number < 1 || number > most)
		return report_usage("%s must be a number from 1 to %u, not \"%s\"",
				    what, most, text);
	*count = (uint32_t)number;
	return STATUS_OK;
}

bool options_read(struct options *options, int argc, char **argv,
		  enum exit_status *status)
{
	int option;

	*options = (struct options){
		.name = DEFAULT_NAME,
		.size = DEFAULT_SIZE,
		.threads = default_threads(),
		.timeout_seconds = DEFAULT_TIMEOUT_SECONDS,
	};
	*status = STATUS_OK;
	while ((option = getopt_long(argc, argv, "n:s:t:dfh", long_options,
				     NULL)) != -1) {
		switch (option) {
		case 'n':
			options->name = optarg;
			break;
		case 's':
			*status = read_size(&options->size, optarg);
			break;
		case 't':
			*status = read_count(&options->threads, optarg,
					     MAX_THREADS, "the number of threads");
			break;
		case OPTION_TIMEOUT:
			*status = read_count(&options->timeout_seconds, optarg,
					     ZOSBD2_MAX_TIMEOUT_SECONDS,
					     "the time-out in seconds");
			break;
		case 'd':
			options->destroy = true;
			break;
		case 'f':
			options->force = true;
			break;
		case 'h':
			fputs(help, stdout);
			return false;
		case OPTION_VERSION:
			printf("zosbd2_sample_ramdisk %s\n", zosbd2_version());
			return false;
		default:
			*status = STATUS_USAGE;
			break;
		}
		if (*status != STATUS_OK)
			return false;
	}
	if (optind < argc)
		*status = report_usage("unexpected argument \"%s\"",
				       argv[optind]);
	else if (options->force && !options->destroy)
		*status = report_usage("--force only goes with --destroy");
	return *status == STATUS_OK;
}
