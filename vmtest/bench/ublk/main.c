// SPDX-License-Identifier: MIT
/*
 * A ublk server that is as cheap as ublk allows: what zosbd2 is compared with.
 *
 *   ublk_server null|ram --size=MIB [--depth=N] [--copy=buffer|get-data|user]
 *
 * It says "ready: /dev/ublkbN" when the device can be used, and removes it at
 * SIGINT and SIGTERM.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "device.h"
#include "queue.h"

struct options {
	bool keeps_data;
	size_t size;
	unsigned int depth;
	uint64_t flags;
};

struct service {
	struct device device;
	struct disk disk;
	pthread_t thread;
};

static bool read_copy(const char *word, uint64_t *flags)
{
	if (!strcmp(word, "buffer"))
		*flags = 0;
	else if (!strcmp(word, "get-data"))
		*flags = UBLK_F_NEED_GET_DATA;
	else if (!strcmp(word, "user"))
		*flags = UBLK_F_USER_COPY;
	else
		return false;
	return true;
}

static bool read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "size", required_argument, NULL, 's' },
		{ "depth", required_argument, NULL, 'd' },
		{ "copy", required_argument, NULL, 'c' },
		{ 0 },
	};
	int option;

	*options = (struct options){ .depth = 128 };
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 's':
			options->size = strtoul(optarg, NULL, 10) << 20;
			break;
		case 'd':
			options->depth = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			if (!read_copy(optarg, &options->flags))
				return false;
			break;
		default:
			return false;
		}
	}
	if (optind + 1 != argc || !options->size || !options->depth ||
	    options->depth > UBLK_MAX_QUEUE_DEPTH)
		return false;
	options->keeps_data = !strcmp(argv[optind], "ram");
	return options->keeps_data || !strcmp(argv[optind], "null");
}

static void *serve(void *argument)
{
	const struct service *service = argument;
	const int error = queue_serve(&service->device.info, &service->disk);

	if (error) {
		fprintf(stderr, "ublk_server: cannot serve: %s\n",
			strerror(-error));
		exit(EXIT_FAILURE);
	}
	return NULL;
}

/* Serve until a signal of @ending comes. */
static int run(struct service *service, const sigset_t *ending)
{
	int error, signal;

	error = -pthread_create(&service->thread, NULL, serve, service);
	if (error)
		return error;
	error = device_start(&service->device);
	if (!error) {
		printf("ready: /dev/ublkb%u\n", service->device.info.dev_id);
		fflush(stdout);
		sigwait(ending, &signal);
	}
	device_stop(&service->device);
	pthread_join(service->thread, NULL);
	return error;
}

int main(int argc, char **argv)
{
	static struct service service;
	struct options options;
	sigset_t ending;
	int error;

	if (!read_options(&options, argc, argv)) {
		fprintf(stderr,
			"usage: ublk_server null|ram --size=MIB [--depth=N] [--copy=buffer|get-data|user]\n");
		return EXIT_FAILURE;
	}
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ending, NULL);

	service.disk.size = options.size;
	if (options.keeps_data) {
		void *bytes = mmap(NULL, options.size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (bytes == MAP_FAILED) {
			perror("ublk_server: cannot reserve memory");
			return EXIT_FAILURE;
		}
		service.disk.bytes = bytes;
	}
	error = device_add(&service.device, options.flags, options.depth,
			   options.size);
	if (error) {
		fprintf(stderr, "ublk_server: cannot add a device: %s\n",
			strerror(-error));
		return EXIT_FAILURE;
	}
	error = run(&service, &ending);
	if (error)
		fprintf(stderr, "ublk_server: cannot start the device: %s\n",
			strerror(-error));
	device_remove(&service.device);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
