// SPDX-License-Identifier: MIT
/*
 * Polled I/O: who submits it looks for its end himself, or goes away.
 *
 * Only io_uring does that, with rings of its own, which are made for each call:
 * how they end is what is of interest.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine.h"

#define ENTRIES 8

/**
 * struct uring - an io_uring for polled I/O
 * @fd: itself
 * @file: of the device, open for direct I/O
 * @rings: its submission and completion queue
 * @bytes: their size
 * @sqes: what is submitted
 * @parameters: as the kernel filled them in
 */
struct uring {
	int fd;
	int file;
	unsigned char *rings;
	size_t bytes;
	struct io_uring_sqe *sqes;
	struct io_uring_params parameters;
};

static bool map_rings(struct uring *uring)
{
	const struct io_uring_params *said = &uring->parameters;
	size_t requests = said->sq_off.array + ENTRIES * sizeof(uint32_t);
	size_t results = said->cq_off.cqes +
			 said->cq_entries * sizeof(struct io_uring_cqe);

	uring->bytes = requests > results ? requests : results;
	uring->rings = mmap(NULL, uring->bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED, uring->fd, IORING_OFF_SQ_RING);
	uring->sqes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			   uring->fd, IORING_OFF_SQES);
	return uring->rings != MAP_FAILED && (void *)uring->sqes != MAP_FAILED;
}

static bool uring_open(struct uring *uring, int device)
{
	char path[32];

	memset(uring, 0, sizeof(*uring));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", device);
	uring->file = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	uring->fd = -1;
	if (uring->file < 0)
		return false;
	uring->parameters.flags = IORING_SETUP_IOPOLL;
	uring->fd = syscall(SYS_io_uring_setup, ENTRIES, &uring->parameters);
	return uring->fd >= 0 && map_rings(uring);
}

static void uring_close(struct uring *uring)
{
	if (uring->rings && uring->rings != MAP_FAILED)
		munmap(uring->rings, uring->bytes);
	if (uring->sqes && (void *)uring->sqes != MAP_FAILED)
		munmap(uring->sqes, PAGE);
	if (uring->fd >= 0)
		close(uring->fd);
	if (uring->file >= 0)
		close(uring->file);
}

static uint32_t *word(const struct uring *uring, uint32_t offset)
{
	return (void *)(uring->rings + offset);
}

static void put(struct uring *uring, struct worker *worker, unsigned int number,
		const uint64_t *arg)
{
	struct io_uring_sqe *sqe = &uring->sqes[number];
	/* It may be written to when the call is long over. */
	void *memory = memory_at(worker, MEM_SHARED, 0, 0);

	*sqe = (struct io_uring_sqe){
		.opcode = arg[1] % 2 ? IORING_OP_WRITE : IORING_OP_READ,
		.fd = uring->file,
		.off = arg[2] + number * arg[3],
		.addr = (uintptr_t)memory,
		.len = arg[3],
	};
	word(uring, uring->parameters.sq_off.array)[number] = number;
}

/* How the first of them ended. */
static int32_t result(const struct uring *uring)
{
	const struct io_uring_cqe *cqe =
		(void *)(uring->rings + uring->parameters.cq_off.cqes);

	if (atomic_load((_Atomic uint32_t *)word(
		    uring, uring->parameters.cq_off.tail)))
		return cqe->res;
	return -EINTR;
}

/* One that waits for all of it, for one, or for none at all. */
static long submit(struct uring *uring, struct worker *worker,
		   const uint64_t *arg)
{
	unsigned int count = arg[4] % ENTRIES + 1, i;
	unsigned int wanted = arg[5] % 3 == 0 ? count : arg[5] % 3 - 1;
	int32_t first;
	long ret;

	for (i = 0; i < count; i++)
		put(uring, worker, i, arg);
	atomic_store((_Atomic uint32_t *)word(uring,
					      uring->parameters.sq_off.tail),
		     count);
	ret = syscall(SYS_io_uring_enter, uring->fd, count, wanted,
		      IORING_ENTER_GETEVENTS, NULL, 0);
	if (ret < 0 || !wanted)
		return ret;
	first = result(uring);
	if (first >= 0)
		return 0;
	errno = -first;
	return -1;
}

long call_polled(struct worker *worker, const uint64_t *arg)
{
	struct uring uring;
	long ret = -1;
	int error;

	if (uring_open(&uring, fd_of(worker, arg[0])))
		ret = submit(&uring, worker, arg);
	error = errno;
	uring_close(&uring);
	errno = error;
	return ret;
}
