// SPDX-License-Identifier: MIT
/*
 * Coverage: which code of the module the workers reach, by KCOV.
 *
 * The supervisor opens a buffer for each worker, which the worker's thread
 * enables, or one that works in its place; it is disabled when the thread ends.
 * Addresses are noted as distances from the module's code, so they stay the
 * same when it is loaded anew.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine.h"

#define KCOV		"/sys/kernel/debug/kcov"
#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_DISABLE	_IO('c', 101)
#define KCOV_TRACE_PC	0

static _Atomic uint64_t *area[WORKERS + 1];
static uint64_t text;

/**
 * cover_prepare - open the buffers
 *
 * Return: false if the kernel has no KCOV.
 */
bool cover_prepare(void)
{
	unsigned int i;
	void *memory;
	int fd;

	for (i = 0; i <= WORKERS; i++) {
		fd = open(KCOV, O_RDWR);
		if (fd < 0)
			return false;
		dup2(fd, FIRST_FD_OF_COVER + i);
		close(fd);
		if (ioctl(FIRST_FD_OF_COVER + i, KCOV_INIT_TRACE, COVER_WORDS))
			return false;
		memory = mmap(NULL, COVER_WORDS * sizeof(uint64_t),
			      PROT_READ | PROT_WRITE, MAP_SHARED, FIRST_FD_OF_COVER + i,
			      0);
		if (memory == MAP_FAILED)
			return false;
		area[i] = memory;
	}
	return true;
}

/**
 * cover_locate - find the module's code, each time it has been loaded
 */
bool cover_locate(void)
{
	FILE *file = fopen("/sys/module/zosbd2/sections/.text", "r");
	unsigned long address = 0;

	if (!file)
		return false;
	if (fscanf(file, "%lx", &address) != 1)
		address = 0;
	fclose(file);
	text = address;
	return address;
}

/**
 * cover_begin - trace the calling thread
 * @worker: whose it is
 */
void cover_begin(const struct worker *worker)
{
	if (area[worker->number])
		ioctl(FIRST_FD_OF_COVER + worker->number, KCOV_ENABLE, KCOV_TRACE_PC);
}

/**
 * cover_end - trace the calling thread no longer
 * @worker: whose it is
 */
void cover_end(const struct worker *worker)
{
	if (area[worker->number])
		ioctl(FIRST_FD_OF_COVER + worker->number, KCOV_DISABLE, 0);
}

/**
 * cover_reset - begin a call
 * @worker: whose
 */
void cover_reset(const struct worker *worker)
{
	if (area[worker->number])
		area[worker->number][0] = 0;
}

static void note(uint64_t distance)
{
	uint8_t bit = 1 << distance % 8;

	if (common->covered[distance / 8] & bit)
		return;
	if (atomic_fetch_or(&common->covered[distance / 8], bit) & bit)
		return;
	common->pcs++;
	common->news = true;
}

/**
 * cover_collect - end a call: note what it reached
 * @worker: whose
 */
void cover_collect(const struct worker *worker)
{
	_Atomic uint64_t *pcs = area[worker->number];
	uint64_t i, reached;

	if (!pcs)
		return;
	reached = pcs[0];
	for (i = 1; i <= reached && i < COVER_WORDS; i++) {
		uint64_t distance = pcs[i] - text;

		if (distance < TEXT_BYTES)
			note(distance);
	}
}
