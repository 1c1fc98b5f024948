// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE /* fallocate, pwritev2 */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/fs.h>

/* The largest logical block there is: what O_DIRECT may ask for. */
#define ALIGNMENT 4096

int backing_size(const struct backing *backing, uint64_t *size)
{
	struct stat status;

	if (backing->is_block_device)
		return ioctl(backing->fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
	if (fstat(backing->fd, &status) < 0)
		return -errno;
	*size = (uint64_t)status.st_size;
	return 0;
}

int backing_read(const struct backing *backing, uint64_t offset, void *buffer,
		 size_t length)
{
	unsigned char *bytes = buffer;
	size_t done = 0;
	ssize_t got;

	while (done < length) {
		got = pread(backing->fd, bytes + done, length - done,
			    (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		done += (size_t)got;
		if (got && done % ALIGNMENT == 0)
			continue;
		/* The end of the file, which need not be one of a block. */
		if (backing->is_block_device && done < length)
			return -EIO;
		memset(bytes + done, 0, length - done);
		break;
	}
	return 0;
}

static ssize_t write_some(const struct backing *backing, const void *buffer,
			  size_t length, uint64_t offset, bool durable)
{
	/* There is no struct iovec for data that is only read. */
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	const struct iovec piece = { .iov_base = (void *)(uintptr_t)buffer,
				     .iov_len = length };

	return pwritev2(backing->fd, &piece, 1, (off_t)offset,
			durable ? RWF_DSYNC : 0);
}

int backing_write(const struct backing *backing, uint64_t offset,
		  const void *buffer, size_t length, bool durable)
{
	const unsigned char *bytes = buffer;
	bool flag = durable;
	size_t done = 0;
	ssize_t put;

	while (done < length) {
		put = write_some(backing, bytes + done, length - done,
				 offset + done, flag);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EOPNOTSUPP && flag) {
			/* It cannot do that with one write. */
			flag = false;
			continue;
		}
		if (put < 0)
			return -errno;
		if (put == 0)
			return -EIO;
		done += (size_t)put;
	}
	return durable && !flag ? backing_flush(backing) : 0;
}

static int allocate(const struct backing *backing, int mode, uint64_t offset,
		    uint64_t length)
{
	int result;

	do
		result = fallocate(backing->fd, mode, (off_t)offset,
				   (off_t)length);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}

static int punch(const struct backing *backing, uint64_t offset,
		 uint64_t length)
{
	return allocate(backing, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			offset, length);
}

int backing_discard(const struct backing *backing, uint64_t offset,
		    uint64_t length)
{
	uint64_t range[2] = { offset, length };

	if (!backing->is_block_device)
		return punch(backing, offset, length);
	return ioctl(backing->fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

static int write_out_zeroes(const struct backing *backing, uint64_t offset,
			    uint64_t length)
{
	static alignas(ALIGNMENT) const unsigned char zeroes[64 << 10];
	size_t piece;
	int error;

	for (; length; offset += piece, length -= piece) {
		piece = length < sizeof(zeroes) ? (size_t)length :
						  sizeof(zeroes);
		error = backing_write(backing, offset, zeroes, piece, false);
		if (error)
			return error;
	}
	return 0;
}

int backing_write_zeroes(const struct backing *backing, uint64_t offset,
			 uint64_t length, bool keep_space)
{
	int error = -EOPNOTSUPP;

	if (!keep_space)
		error = punch(backing, offset, length);
	/* A block device's end is no end of a file: it must not be moved. */
	if (error == -EOPNOTSUPP)
		error = allocate(backing,
				 FALLOC_FL_ZERO_RANGE |
					 (backing->is_block_device ?
						  FALLOC_FL_KEEP_SIZE :
						  0),
				 offset, length);
	if (error == -EOPNOTSUPP)
		error = write_out_zeroes(backing, offset, length);
	return error;
}

int backing_flush(const struct backing *backing)
{
	int result;

	do
		result = fdatasync(backing->fd);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}
