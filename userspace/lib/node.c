// SPDX-License-Identifier: LGPL-2.1-or-later
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/zosbd2.h>

static int64_t milliseconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int node_try(const char *path)
{
	struct stat status;
	int fd, error;

	/*
	 * The type is looked at first: opening something else that lies there
	 * (a FIFO, say) could block or do harm.
	 */
	if (stat(path, &status) < 0)
		return -errno;
	if (!S_ISBLK(status.st_mode))
		return -ENOTBLK;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, ZOSBD2_IOCTL_DEVICE_PING, NULL) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

/*
 * What may still become right: a daemon, not devtmpfs, makes the node, or an
 * unforced destroy that keeps others out gives up.
 */
static bool node_may_come(int error)
{
	switch (error) {
	case -EBUSY:
	case -ENOENT:
	case -ENOTBLK:
	case -ENXIO:
	case -ENODEV:
	case -ENOTTY:
		return true;
	default:
		return false;
	}
}

int node_open(const char *name, uint32_t timeout_ms)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	const int64_t deadline = milliseconds_now() + timeout_ms;
	char path[sizeof("/dev/") + ZOSBD2_NAME_LEN];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", name);
	for (;;) {
		fd = node_try(path);
		if (fd >= 0 || !node_may_come(fd))
			return fd;
		if (milliseconds_now() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}
