// SPDX-License-Identifier: LGPL-2.1-or-later
#include "partitions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>

#include "zosbd2.h"

/* Only system calls: the other threads do not exist here. */
static int ask_the_kernel(const char *path)
{
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKRRPART) < 0)
		return errno;
	return 0;
}

/*
 * In a process of its own, without the server's files: a thread of the server
 * that waits for the server's device could not die, and so not the server.
 */
int partitions_read(const char *name)
{
	char path[sizeof("/dev/") + ZOSBD2_NAME_SIZE];
	int status;
	pid_t child;

	snprintf(path, sizeof(path), "/dev/%s", name);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		syscall(SYS_close_range, 3, ~0U, 0);
		_exit(ask_the_kernel(path));
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}
