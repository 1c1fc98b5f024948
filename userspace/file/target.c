// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE /* O_DIRECT */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "claim.h"

/* A file that was made just now is to survive a crash of the machine. */
static int sync_folder_of(const char *path)
{
	char copy[PATH_MAX];
	int fd, error;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return error;
}

/* O_NONBLOCK: something that is no file, a FIFO say, must not hang us. */
static int open_file(const char *path, int flags, bool may_create)
{
	int fd, error;

	flags |= O_CLOEXEC | O_NONBLOCK;
	fd = open(path, flags);
	if (fd >= 0 || errno != ENOENT || !may_create)
		return fd < 0 ? -errno : fd;
	fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return -errno;
	error = sync_folder_of(path);
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

int target_open(struct target *target, const char *path, bool read_only,
		bool direct, bool may_create)
{
	const int flags = (read_only ? O_RDONLY : O_RDWR) |
			  (direct ? O_DIRECT : 0);
	struct stat status;

	*target = (struct target){ .path = path, .exclusive_fd = -1 };
	target->backing.fd = open_file(path, flags, may_create);
	if (target->backing.fd < 0)
		return target->backing.fd;
	if (fstat(target->backing.fd, &status) < 0) {
		const int error = -errno;

		target_close(target);
		return error;
	}
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
		target_close(target);
		return -EMEDIUMTYPE;
	}
	target->backing.is_block_device = S_ISBLK(status.st_mode);
	return 0;
}

void target_close(struct target *target)
{
	if (target->exclusive_fd >= 0)
		close(target->exclusive_fd);
	close(target->backing.fd);
}

/* A server that dies gives up its files one after the other. */
static int open_exclusively(const char *path, int patience_ms)
{
	const struct timespec pause = { .tv_nsec = 10L * 1000 * 1000 };
	int fd;

	for (;; patience_ms -= 10) {
		fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno != EBUSY || patience_ms <= 0)
			return -errno;
		nanosleep(&pause, NULL);
	}
}

int target_claim(struct target *target, int patience_ms)
{
	int error;

	if (target->claimed)
		return 0;
	error = claim(target->backing.fd, patience_ms);
	if (error)
		return error;
	if (target->backing.is_block_device) {
		target->exclusive_fd =
			open_exclusively(target->path, patience_ms);
		if (target->exclusive_fd < 0)
			return target->exclusive_fd;
	}
	target->claimed = true;
	return 0;
}

int target_extend(const struct target *target, uint64_t size)
{
	uint64_t now;
	int error;

	error = backing_size(&target->backing, &now);
	if (error || now >= size)
		return error;
	if (target->backing.is_block_device)
		return -ENOSPC;
	if (ftruncate(target->backing.fd, (off_t)size) < 0 ||
	    fsync(target->backing.fd) < 0)
		return -errno;
	return 0;
}
