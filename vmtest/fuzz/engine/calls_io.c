// SPDX-License-Identifier: MIT
/*
 * What users of a block device do.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine.h"

static long change_partition(int fd, int what, uint64_t start, uint64_t length)
{
	struct blkpg_partition partition = {
		.start = start,
		.length = length,
		.pno = 1,
	};
	struct blkpg_ioctl_arg argument = {
		.op = what,
		.datalen = sizeof(partition),
		.data = &partition,
	};

	return ioctl(fd, BLKPG, &argument);
}

static long range_call(int fd, unsigned long command, uint64_t offset,
		       uint64_t bytes)
{
	uint64_t range[2] = { offset, bytes };

	return ioctl(fd, command, range);
}

static long read_or_write(struct worker *worker, int fd, bool write,
			  uint64_t offset, uint64_t bytes, int flags)
{
	struct iovec data = { worker->buffer, bytes };

	return write ? pwritev2(fd, &data, 1, offset, flags)
		     : preadv2(fd, &data, 1, offset, flags);
}

static long other_io(int fd, uint64_t kind, uint64_t offset, uint64_t bytes)
{
	struct hd_geometry geometry;
	uint64_t size;
	int number = offset & 1;

	switch (kind) {
	case 0:
		return fsync(fd);
	case 1:
		return fdatasync(fd);
	case 2:
		return range_call(fd, BLKDISCARD, offset, bytes);
	case 3:
		return range_call(fd, BLKZEROOUT, offset, bytes);
	case 4:
		return range_call(fd, BLKSECDISCARD, offset, bytes);
	case 5:
		return ioctl(fd, BLKRRPART, 0);
	case 6:
		return ioctl(fd, BLKFLSBUF, 0);
	case 7:
		return ioctl(fd, BLKGETSIZE64, &size);
	case 8:
		/* Once in a while: nothing is written to it from then on. */
		number = offset % 16 == 1;
		return ioctl(fd, BLKROSET, &number);
	case 9:
		return ioctl(fd, HDIO_GETGEO, &geometry);
	case 10:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 offset, bytes);
	case 11:
		return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				 offset, bytes);
	case 12:
		return change_partition(fd, BLKPG_ADD_PARTITION, offset, bytes);
	case 13:
		return change_partition(fd, BLKPG_RESIZE_PARTITION, offset,
					bytes);
	case 14:
		return change_partition(fd, BLKPG_DEL_PARTITION, 0, 0);
	case 15:
		return sync_file_range(fd, offset, bytes,
				       SYNC_FILE_RANGE_WRITE);
	case 16:
		return readahead(fd, offset, bytes);
	case 17:
		return posix_fadvise(fd, offset, bytes, POSIX_FADV_DONTNEED);
	case 18:
		/* Read-ahead does not stop for SIGKILL: see mm/readahead.c. */
		return ioctl(fd, BLKRASET, offset / PAGE % 4096);
	default:
		return lseek(fd, offset, SEEK_END);
	}
}

/* Half of it reads and writes, the rest whatever else there is. */
static long do_io(struct worker *worker, int fd, const uint64_t *arg)
{
	static const uint8_t often[8] = { 0, 2, 2, 2, 3, 3, 10, 11 };
	uint64_t kind = arg[1] % 64;

	if (kind < 16)
		return read_or_write(worker, fd, false, arg[2], arg[3], 0);
	/* Those that wait reach the server while it lives. */
	if (kind < 32)
		return read_or_write(worker, fd, true, arg[2], arg[3],
				     kind < 22 ? 0 : RWF_DSYNC);
	if (kind == 32)
		return read_or_write(worker, fd, false, arg[2], arg[3],
				     RWF_NOWAIT);
	if (kind == 33)
		return read_or_write(worker, fd, true, arg[2], arg[3],
				     RWF_NOWAIT);
	if (kind < 36)
		return read_or_write(worker, fd, true, arg[2], arg[3],
				     RWF_DSYNC);
	if (kind < 56)
		return other_io(fd, kind - 36, arg[2], arg[3]);
	/* More often, as they are requests of a kind of their own. */
	return other_io(fd, often[kind - 56], arg[2], arg[3]);
}

long call_io(struct worker *worker, const uint64_t *arg)
{
	long ret = do_io(worker, fd_of(worker, arg[0]), arg);
	int error = errno;

	if (ret < 0 && (error == ENXIO || error == ENODEV || error == EIO))
		fd_drop(worker, arg[0]);
	errno = error;
	return ret;
}
