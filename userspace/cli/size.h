/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers as people write them. */
#ifndef ZOSBD2_CLI_SIZE_H
#define ZOSBD2_CLI_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits and nothing else.  False if not, or if it does not fit. */
bool count_parse(uint64_t *count, const char *text);

/* Bytes: digits, and at most one suffix K, M, G or T (powers of 1024). */
bool size_parse(uint64_t *bytes, const char *text);

#endif
