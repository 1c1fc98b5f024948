// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The ring protocol without a library: a device that reads as zeroes and
 * forgets what is written.  One thread serves one queue.
 *
 *	ring_null [NAME [MIB]]
 *
 * It ends when the device is destroyed: zosbd2ctl destroy NAME.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/zosbd2_ring.h>

/* Requests at a time. */
#define BATCH 64

static int fail(const char *what)
{
	perror(what);
	return EXIT_FAILURE;
}

/* Ask for the next requests and end them, until the device is gone. */
static int serve(int channel, struct zosbd2_ring *ring,
		 const struct zosbd2_ring_request *requests,
		 struct zosbd2_ring_answer *answers, unsigned int mask)
{
	unsigned int head = 0, tail = 0;
	int count;

	for (;;) {
		count = ioctl(channel, ZOSBD2_IOC_ENTER,
			      BATCH | ZOSBD2_ENTER_WAIT);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			break;
		for (; count > 0; count--)
			answers[tail++ & mask] = (struct zosbd2_ring_answer){
				.id = requests[head++ & mask].id,
				.flags = ZOSBD2_ANSWER_END,
			};
		ring->request_head = head;
		ring->answer_tail = tail;
	}
	/* Gone, or another server's: neither is an error. */
	return errno == ENOENT ? EXIT_SUCCESS : fail("ZOSBD2_IOC_ENTER");
}

int main(int argc, char **argv)
{
	struct zosbd2_ext_create create = {
		.block_size = ZOSBD2_BLOCK_SIZE,
		.number_of_blocks = (argc > 2 ? strtoull(argv[2], NULL, 0) :
						1024) * 256,
		.timeout_seconds = 60,
	};
	struct zosbd2_ring_attach attach = { 0 };
	unsigned char *map;
	int control, channel;

	snprintf(create.device_name, sizeof(create.device_name), "%s",
		 argc > 1 ? argv[1] : "zosbd2null");
	control = open(ZOSBD2_CONTROL_NODE, O_RDWR | O_CLOEXEC);
	if (control < 0)
		return fail(ZOSBD2_CONTROL_NODE);
	if (ioctl(control, ZOSBD2_IOC_CREATE, &create) < 0)
		return fail("ZOSBD2_IOC_CREATE");
	attach.handle_id = create.handle_id;
	channel = ioctl(control, ZOSBD2_IOC_ATTACH_QUEUE, &attach);
	if (channel < 0)
		return fail("ZOSBD2_IOC_ATTACH_QUEUE");
	map = mmap(NULL, attach.map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		   channel, 0);
	if (map == MAP_FAILED)
		return fail("mmap");
	printf("ready: /dev/%s\n", create.device_name);
	if (fflush(stdout))
		return fail("stdout");
	return serve(channel, (void *)map,
		     (void *)(map + attach.requests_offset),
		     (void *)(map + attach.answers_offset),
		     attach.entries - 1);
}
