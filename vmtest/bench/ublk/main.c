// SPDX-License-Identifier: MIT
/*
 * A ublk server that is as cheap as ublk allows: what zosbd2 is compared with.
 *
 *	ublk_server null|ram --size=MIB [--queues=N] [--depth=N]
 *	[--copy=buffer|get-data|user]
 *
 * A thread serves each queue, on the CPUs whose requests go to that queue.
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

#define MAX_QUEUES 64

struct options {
	bool keeps_data;
	size_t size;
	unsigned int queues;
	unsigned int depth;
	uint64_t flags;
};

struct service {
	struct device device;
	struct disk disk;
	struct server {
		const struct service *service;
		unsigned int queue;
		pthread_t thread;
	} servers[MAX_QUEUES];
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
		{ "queues", required_argument, NULL, 'q' },
		{ "depth", required_argument, NULL, 'd' },
		{ "copy", required_argument, NULL, 'c' },
		{ 0 },
	};
	int option;

	*options = (struct options){ .queues = 1, .depth = 128 };
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 's':
			options->size = strtoul(optarg, NULL, 10) << 20;
			break;
		case 'q':
			options->queues = strtoul(optarg, NULL, 10);
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
	    options->depth > UBLK_MAX_QUEUE_DEPTH || !options->queues ||
	    options->queues > MAX_QUEUES)
		return false;
	options->keeps_data = !strcmp(argv[optind], "ram");
	return options->keeps_data || !strcmp(argv[optind], "null");
}

static void *serve(void *argument)
{
	const struct server *server = argument;
	const int error = queue_serve(&server->service->device, server->queue,
				      &server->service->disk);

	if (error) {
		fprintf(stderr, "ublk_server: cannot serve: %s\n",
			strerror(-error));
		exit(EXIT_FAILURE);
	}
	return NULL;
}

static int start_server(struct service *service, unsigned int queue)
{
	struct server *server = &service->servers[queue];
	cpu_set_t cpus;
	int error;

	server->service = service;
	server->queue = queue;
	error = device_affinity(&service->device, queue, &cpus);
	if (!error)
		error = -pthread_create(&server->thread, NULL, serve, server);
	if (!error)
		error = -pthread_setaffinity_np(server->thread, sizeof(cpus),
						&cpus);
	return error;
}

/* Serve until a signal of @ending comes. */
static int run(struct service *service, const sigset_t *ending)
{
	/* As many as the driver gave, which is no more than there are CPUs. */
	const unsigned int queues = service->device.info.nr_hw_queues;
	unsigned int started = 0;
	int error = 0, signal;

	while (!error && started < queues)
		error = start_server(service, started++);
	if (!error)
		error = device_start(&service->device);
	if (!error) {
		printf("ready: /dev/ublkb%u\n", service->device.info.dev_id);
		fflush(stdout);
		sigwait(ending, &signal);
	}
	device_stop(&service->device);
	while (started--)
		if (service->servers[started].thread)
			pthread_join(service->servers[started].thread, NULL);
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
			"usage: ublk_server null|ram --size=MIB [--queues=N] [--depth=N] [--copy=buffer|get-data|user]\n");
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
	error = device_add(&service.device, options.flags, options.queues,
			   options.depth, options.size);
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
