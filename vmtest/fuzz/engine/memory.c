// SPDX-License-Identifier: MIT
/*
 * Memory of every kind for arguments.
 *
 * A thread has buffers of its own with a page behind them that traps.  A process
 * has pages that may only be read, a mapping of a device, and a region that
 * its threads unmap and protect while others use it.  What is not surely there
 * is read and written by the kernel, which does not die of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "channel.h"
#include "engine.h"

static unsigned char *buffers[2 * THREADS];
static unsigned char *read_only;
static unsigned char *shared;
static unsigned char *_Atomic disk;

static void *map(size_t bytes, int protection)
{
	void *memory = mmap(NULL, bytes, protection,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		_exit(99);
	return memory;
}

/*
 * Nothing is there any more, and nothing else can come there: others may still
 * write to the address, which is not to hit what has no part in that.
 */
static long unmap(void *memory, size_t bytes)
{
	return mmap(memory, bytes, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		    0) == MAP_FAILED
		       ? -1
		       : 0;
}

/**
 * memory_prepare - map all that a process has
 */
void memory_prepare(void)
{
	unsigned int i;

	for (i = 0; i < 2 * THREADS; i++) {
		buffers[i] = map(BUFFER_BYTES + PAGE, PROT_READ | PROT_WRITE);
		mprotect(buffers[i] + BUFFER_BYTES, PAGE, PROT_NONE);
	}
	read_only = map(BUFFER_BYTES, PROT_READ);
	shared = map(BUFFER_BYTES, PROT_READ | PROT_WRITE);
}

/**
 * memory_buffer - the buffer of a thread
 * @thread: its number in the process
 */
unsigned char *memory_buffer(unsigned int thread)
{
	return buffers[thread];
}

/**
 * memory_arguments - the other buffer of a thread
 * @thread: its number in the process
 */
unsigned char *memory_arguments(unsigned int thread)
{
	return buffers[THREADS + thread];
}

static bool store(void *to, const void *from, size_t bytes)
{
	struct iovec local = { (void *)(uintptr_t)from, bytes };
	struct iovec remote = { to, bytes };

	return process_vm_writev(getpid(), &local, 1, &remote, 1, 0) ==
	       (ssize_t)bytes;
}

/**
 * memory_fetch - read memory that may not be there
 * @from: the memory
 * @to: where to
 * @bytes: how much
 */
bool memory_fetch(const void *from, void *to, size_t bytes)
{
	struct iovec local = { to, bytes };
	struct iovec remote = { (void *)(uintptr_t)from, bytes };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) ==
	       (ssize_t)bytes;
}

/**
 * memory_at - memory of some kind
 * @worker: whose
 * @kind: enum memory
 * @given: how much of it the module reads
 * @room: how much it may write
 *
 * Return: its address, which may be a bad one.
 */
void *memory_at(struct worker *worker, uint64_t kind, size_t given, size_t room)
{
	unsigned char *end = worker->buffer + BUFFER_BYTES;

	switch (kind) {
	case MEM_ODD:
		return worker->buffer + 1 + worker->number * 2;
	case MEM_TIGHT:
		return end - room;
	case MEM_SHORT:
		/* The rest would be in that page. */
		return end - given / 2;
	case MEM_NULL:
		return NULL;
	case MEM_SMALL:
		return (void *)(uintptr_t)(worker->number + 1);
	case MEM_KERNEL:
		return (void *)0xffff888000000000;
	case MEM_NON_CANONICAL:
		return (void *)0x8000000000000000;
	case MEM_LAST:
		return (void *)(UINTPTR_MAX - 63);
	case MEM_USER_END:
		return (void *)(0x7ffffffff000 - given / 2);
	case MEM_READ_ONLY:
		return read_only;
	case MEM_SHARED:
		return shared;
	case MEM_DISK:
		return disk;
	case MEM_RING:
		return channel_window(worker->number % CHANNELS);
	default:
		return worker->buffer;
	}
}

/*
 * Written through the file that the pages come from, as they cannot be
 * written themselves.
 */
static void store_read_only(const void *what, size_t given)
{
	mprotect(read_only, BUFFER_BYTES, PROT_READ | PROT_WRITE);
	store(read_only, what, given);
	mprotect(read_only, BUFFER_BYTES, PROT_READ);
}

/**
 * memory_place - put an argument into memory of some kind
 * @worker: whose
 * @kind: enum memory
 * @what: the argument
 * @given: how much of it the module reads
 * @room: how much it may write
 *
 * Return: its address, which may be a bad one.
 */
void *memory_place(struct worker *worker, uint64_t kind, const void *what,
		   size_t given, size_t room)
{
	void *place = memory_at(worker, kind, given, room);

	switch (kind) {
	case MEM_NULL ... MEM_USER_END:
	/* Not written to: that would fault the device's pages in. */
	case MEM_DISK:
		break;
	case MEM_SHORT:
		memcpy(place, what, given / 2);
		break;
	case MEM_READ_ONLY:
		store_read_only(what, given);
		break;
	case MEM_SHARED:
	case MEM_RING:
		store(place, what, given);
		break;
	default:
		memcpy(place, what, given);
		break;
	}
	return place;
}

/* Change the memory that other threads may be using. */
long call_memory(struct worker *worker, const uint64_t *arg)
{
	(void)worker;
	switch (arg[0] % 8) {
	case 0:
		return unmap(shared, BUFFER_BYTES);
	case 1:
		return unmap(shared + 4 * PAGE, PAGE);
	case 2:
		return mprotect(shared, BUFFER_BYTES, PROT_READ);
	case 3:
		return mprotect(shared + PAGE, PAGE, PROT_NONE);
	case 4:
		return madvise(shared, BUFFER_BYTES, MADV_DONTNEED);
	case 5:
		return madvise(shared, BUFFER_BYTES, MADV_PAGEOUT);
	case 6:
		return mprotect(shared, BUFFER_BYTES, PROT_READ | PROT_WRITE);
	default:
		return mmap(shared, BUFFER_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				    MAP_FIXED,
			    -1, 0) == MAP_FAILED
			       ? -1
			       : 0;
	}
}

/* Map a device; a server may then get its own device's pages for a buffer. */
long call_map(struct worker *worker, const uint64_t *arg)
{
	int protection = PROT_READ | (arg[2] ? PROT_WRITE : 0);
	unsigned char *old, *memory, byte = 0;

	memory = mmap(NULL, BUFFER_BYTES, protection, MAP_SHARED,
		      fd_of(worker, arg[0]), arg[1] & ~(PAGE - 1));
	if (memory == MAP_FAILED)
		return -1;
	old = atomic_exchange(&disk, memory);
	if (old)
		unmap(old, BUFFER_BYTES);
	if (!(arg[1] & PAGE))
		return 0;
	/* Touch a page: a read from the device, or a write to it later. */
	if (arg[2] ? store(memory, &byte, 1) : memory_fetch(memory, &byte, 1))
		return 0;
	return -1;
}
