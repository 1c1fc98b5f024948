// SPDX-License-Identifier: LGPL-2.1-or-later
#include "size.h"

#include <string.h>

/* Reads digits; returns what follows, or NULL if there are none or too many. */
static const char *digits_parse(uint64_t *number, const char *text)
{
	const char *at = text;

	*number = 0;
	for (; *at >= '0' && *at <= '9'; at++) {
		const uint64_t digit = (uint64_t)(*at - '0');

		if (*number > (UINT64_MAX - digit) / 10)
			return NULL;
		*number = *number * 10 + digit;
	}
	return at == text ? NULL : at;
}

bool count_parse(uint64_t *count, const char *text)
{
	const char *rest = digits_parse(count, text);

	return rest && !*rest;
}

bool size_parse(uint64_t *bytes, const char *text)
{
	static const char suffixes[] = "KMGT";
	const char *rest = digits_parse(bytes, text);
	const char *suffix;
	unsigned int shift;

	if (!rest)
		return false;
	if (!*rest)
		return true;
	/* In either case; 0x20 makes a letter small. */
	suffix = strchr(suffixes, *rest & ~0x20);
	if (!suffix || !*suffix || rest[1])
		return false;
	shift = 10 * (unsigned int)(suffix - suffixes + 1);
	if (*bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}
