// SPDX-License-Identifier: LGPL-2.1-or-later
/* zosbd2ctl: look at block devices served from userspace, resize and destroy them. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "device.h"
#include "failure.h"
#include "print.h"
#include "zosbd2.h"

/* udev opens each device for a moment; that long an open one may stay so. */
#define PATIENCE_MS 3000

static const char help[] =
	"Usage: zosbd2ctl list [--json]\n"
	"       zosbd2ctl status [NAME] [--json]\n"
	"       zosbd2ctl resize NAME SIZE\n"
	"       zosbd2ctl destroy NAME|--all [--force]\n"
	"\n"
	"  list     one line for each device\n"
	"  status   everything about one device, or about all, with the counters that\n"
	"           the module keeps\n"
	"  resize   give a device another size: bytes, or a number with K, M, G or T.  Its\n"
	"           server must be able to serve that.  It shrinks only while nobody has\n"
	"           it open\n"
	"  destroy  write everything back and destroy the device; its servers end.\n"
	"           Refused while it is open or mounted\n"
	"\n"
	"  -j, --json     print JSON: an array of objects, or one object for a NAME\n"
	"  -a, --all      destroy every device\n"
	"  -f, --force    destroy at once: requests that are under way fail and what\n"
	"                 is not written back is lost\n"
	"  -h, --help     show this text\n"
	"      --version  show the version\n"
	"\n" EXIT_STATUS_HELP;

struct command_line {
	const char *command;
	const char *name;	/* or NULL */
	const char *size;	/* or NULL */
	bool json, all, force;
};

/* As in the RAM disk: false if *status says all. */
static bool read_command_line(struct command_line *line, int argc, char **argv,
			      enum exit_status *status)
{
	enum { OPTION_VERSION = 256 };
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "all", no_argument, NULL, 'a' },
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, OPTION_VERSION },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*line = (struct command_line){ 0 };
	*status = STATUS_OK;
	while ((option = getopt_long(argc, argv, "jafh", options, NULL)) !=
	       -1) {
		switch (option) {
		case 'j':
			line->json = true;
			break;
		case 'a':
			line->all = true;
			break;
		case 'f':
			line->force = true;
			break;
		case 'h':
			fputs(help, stdout);
			return false;
		case OPTION_VERSION:
			printf("zosbd2ctl %s\n", zosbd2_version());
			return false;
		default:
			*status = STATUS_USAGE;
			return false;
		}
	}
	if (optind == argc) {
		*status = report_usage("no command given");
		return false;
	}
	line->command = argv[optind++];
	if (optind < argc)
		line->name = argv[optind++];
	if (optind < argc && !strcmp(line->command, "resize"))
		line->size = argv[optind++];
	if (optind < argc)
		*status = report_usage("unexpected argument \"%s\"",
				       argv[optind]);
	return *status == STATUS_OK;
}

/* *devices is to be freed; its length, or -errno. */
static int read_all(struct device **devices, struct zosbd2_control *control,
		    bool with_counters)
{
	uint32_t handles[256];
	int count, error, filled = 0;

	*devices = NULL;
	count = zosbd2_list(control, handles, 256);
	if (count <= 0)
		return count;
	if (count > 256)
		count = 256;
	*devices = calloc((size_t)count, sizeof(**devices));
	if (!*devices)
		return -ENOMEM;
	for (int at = 0; at < count; at++) {
		error = device_read(&(*devices)[filled], control, handles[at],
				    with_counters);
		/* One that went away since is no failure. */
		if (error == -ENOENT)
			continue;
		if (error) {
			free(*devices);
			*devices = NULL;
			return error;
		}
		filled++;
	}
	return filled;
}

static enum exit_status show_all(struct zosbd2_control *control, bool json,
				 bool details)
{
	struct device *devices;
	const int count = read_all(&devices, control, details || json);

	if (count < 0)
		return report_failure(ZOSBD2_ATTEMPT_FIND, count, "list",
				      "the devices");
	if (json)
		print_json_array(devices, (size_t)count);
	else if (!details)
		print_table(devices, (size_t)count);
	else
		for (int at = 0; at < count; at++)
			print_details(&devices[at]);
	free(devices);
	return STATUS_OK;
}

static enum exit_status show_one(struct zosbd2_control *control, bool json,
				 const char *name)
{
	struct device device;
	uint32_t handle;
	int error;

	error = zosbd2_lookup(control, name, &handle);
	if (!error)
		error = device_read(&device, control, handle, true);
	if (error)
		return report_failure(ZOSBD2_ATTEMPT_FIND, error, "look at",
				      name);
	if (json) {
		print_json(&device);
		putchar('\n');
	} else {
		print_details(&device);
	}
	return STATUS_OK;
}

static enum exit_status destroy(struct zosbd2_control *control,
				const struct command_line *line)
{
	const uint32_t flags = line->force ? ZOSBD2_DESTROY_FORCE : 0;
	int error;

	if (line->all)
		error = zosbd2_destroy_all(control, flags, PATIENCE_MS);
	else
		error = zosbd2_destroy_by_name(control, line->name, flags,
					       PATIENCE_MS);
	if (error)
		return report_failure(ZOSBD2_ATTEMPT_DESTROY, error, "destroy",
				      line->all ? "all devices" : line->name);
	return STATUS_OK;
}

static enum exit_status resize(struct zosbd2_control *control,
			       const struct command_line *line)
{
	enum exit_status status;
	uint32_t handle;
	uint64_t size;
	int error;

	status = read_size(&size, line->size);
	if (status != STATUS_OK)
		return status;
	error = zosbd2_lookup(control, line->name, &handle);
	if (!error)
		error = zosbd2_resize(control, handle, size);
	if (error)
		return report_failure(ZOSBD2_ATTEMPT_RESIZE, error, "resize",
				      line->name);
	return STATUS_OK;
}

/* What is wrong with a command line whose words are all known. */
static enum exit_status check(const struct command_line *line)
{
	const bool destroys = !strcmp(line->command, "destroy");
	const bool resizes = !strcmp(line->command, "resize");
	const bool lists = !strcmp(line->command, "list");
	const bool tells = !strcmp(line->command, "status");

	if (!destroys && !resizes && !lists && !tells)
		return report_usage("unknown command \"%s\"", line->command);
	if ((destroys || resizes) && line->json)
		return report_usage("%s has no --json", line->command);
	if (resizes && !line->size)
		return report_usage("resize takes a name and a size");
	if (destroys && !line->name == !line->all)
		return report_usage("destroy takes a name or --all");
	if (!destroys && (line->all || line->force))
		return report_usage("only destroy takes --all and --force");
	if (lists && line->name)
		return report_usage("list takes no name: see status");
	return STATUS_OK;
}

static enum exit_status run(int argc, char **argv)
{
	struct zosbd2_control *control;
	struct command_line line;
	enum exit_status status;
	int error;

	if (!read_command_line(&line, argc, argv, &status))
		return status;
	status = check(&line);
	if (status != STATUS_OK)
		return status;
	error = zosbd2_open(&control);
	if (error)
		return report_failure(ZOSBD2_ATTEMPT_OPEN, error, "open",
				      "/dev/zosbd2ctl");
	if (!strcmp(line.command, "destroy"))
		status = destroy(control, &line);
	else if (!strcmp(line.command, "resize"))
		status = resize(control, &line);
	else if (line.name)
		status = show_one(control, line.json, line.name);
	else
		status = show_all(control, line.json,
				  !strcmp(line.command, "status"));
	zosbd2_close(control);
	return status;
}

int main(int argc, char **argv)
{
	const enum exit_status status = run(argc, argv);

	/* A disk may be full; who reads the output shall not miss a part. */
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fprintf(stderr, "%s: cannot write all of the output\n",
		program_invocation_short_name);
	return STATUS_FAILED;
}
