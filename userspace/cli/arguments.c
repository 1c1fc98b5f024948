// SPDX-License-Identifier: LGPL-2.1-or-later
#include "arguments.h"

#include <string.h>
#include <unistd.h>

#include <linux/zosbd2_ext.h>

#include "size.h"
#include "zosbd2.h"

#define MAX_DEFAULT_THREADS 4
#define MAX_THREADS 256

uint32_t default_threads(void)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (cpus < 1)
		return 1;
	return cpus > MAX_DEFAULT_THREADS ? MAX_DEFAULT_THREADS :
					    (uint32_t)cpus;
}

enum exit_status read_size(uint64_t *size, const char *text)
{
	const uint64_t least = ZOSBD2_MIN_BLOCKS * ZOSBD2_BLOCK_SIZE;
	const uint64_t most = ZOSBD2_MAX_BLOCKS * ZOSBD2_BLOCK_SIZE;

	if (!size_parse(size, text))
		return report_usage("\"%s\" is not a size: give bytes or a number with K, M, G or T, such as 512M",
				    text);
	if (*size < least || *size > most)
		return report_usage("a size of %s (%llu bytes) is out of range: 4M to 12T",
				    text, (unsigned long long)*size);
	if (*size % ZOSBD2_BLOCK_SIZE)
		return report_usage("a size of %s (%llu bytes) is not a multiple of 4096 bytes",
				    text, (unsigned long long)*size);
	return STATUS_OK;
}

static enum exit_status read_count(uint32_t *count, const char *text,
				   uint32_t most, const char *what)
{
	uint64_t number;

	if (!count_parse(&number, text) || number < 1 || number > most)
		return report_usage("%s must be a number from 1 to %u, not \"%s\"",
				    what, most, text);
	*count = (uint32_t)number;
	return STATUS_OK;
}

enum exit_status read_threads(uint32_t *threads, const char *text)
{
	return read_count(threads, text, MAX_THREADS, "the number of threads");
}

enum exit_status read_timeout(uint32_t *seconds, const char *text)
{
	return read_count(seconds, text, ZOSBD2_MAX_TIMEOUT_SECONDS,
			  "the time-out in seconds");
}

enum exit_status read_queues(uint32_t *queues, const char *text)
{
	return read_count(queues, text, ZOSBD2_MAX_QUEUES,
			  "the number of queues");
}

enum exit_status read_protocol(bool *classic, const char *text)
{
	*classic = !strcmp(text, "classic");
	if (!*classic && strcmp(text, "ring") != 0)
		return report_usage("the protocol is ring or classic, not \"%s\"",
				    text);
	return STATUS_OK;
}

enum exit_status read_recovery(uint32_t *recovery, const char *text)
{
	if (!strcmp(text, "wait"))
		*recovery = ZOSBD2_RECOVER_WAIT;
	else if (!strcmp(text, "fail"))
		*recovery = ZOSBD2_RECOVER_FAIL;
	else
		return report_usage("the recovery policy is wait or fail, not \"%s\"",
				    text);
	return STATUS_OK;
}

const char *recovery_name(uint32_t recovery)
{
	return recovery == ZOSBD2_RECOVER_FAIL ? "fail" : "wait";
}
