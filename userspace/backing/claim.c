// SPDX-License-Identifier: LGPL-2.1-or-later
#include "claim.h"

#include <errno.h>
#include <stdint.h>
#include <sys/file.h>
#include <time.h>

static int64_t milliseconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A wait for a lock has no deadline of its own, so it is asked for again. */
int claim(int fd, int patience_ms)
{
	const struct timespec pause = { .tv_nsec = 10L * 1000 * 1000 };
	const int64_t deadline = milliseconds_now() + patience_ms;

	for (;;) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (milliseconds_now() >= deadline)
			return -EWOULDBLOCK;
		nanosleep(&pause, NULL);
	}
}
