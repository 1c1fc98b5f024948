/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values on the command lines of the servers. */
#ifndef ZOSBD2_CLI_ARGUMENTS_H
#define ZOSBD2_CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

/*
 * Each reads one value, or says on stderr what is wrong with it and returns
 * STATUS_USAGE.
 */
enum exit_status read_size(uint64_t *size, const char *text);
enum exit_status read_threads(uint32_t *threads, const char *text);
enum exit_status read_timeout(uint32_t *seconds, const char *text);

enum exit_status read_queues(uint32_t *queues, const char *text);
enum exit_status read_protocol(bool *classic, const char *text);

/* enum zosbd2_recover */
enum exit_status read_recovery(uint32_t *recovery, const char *text);

/* One for each CPU, at most 4. */
uint32_t default_threads(void);

/* "wait" or "fail". */
const char *recovery_name(uint32_t recovery);

#endif
