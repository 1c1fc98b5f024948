// SPDX-License-Identifier: LGPL-2.1-or-later
/* A defect for each check of the userspace; nothing links it. */
#include <stdlib.h>
#include <string.h>

int broken_leak(int size);
int broken_missing(int which);
int broken_compare(const char *word);

/* gcc -fanalyzer: memory that nobody frees. */
int broken_leak(int size)
{
	char *memory = malloc((size_t)size);

	return memory ? 0 : -1;
}

/* clang -Weverything: a statement that is never reached. */
int broken_missing(int which)
{
	return which;
	return 0;
}

/* clang-tidy: what strcmp() returns is no boolean. checkpatch: blanks. */
int broken_compare(const char *word)
{
	if(strcmp(word, "word"))
		return 1;
	return 0;
}
