// SPDX-License-Identifier: MIT
/*
 * What the kernel says about itself: whether it has complained.
 */
#include <stdio.h>

#include "engine.h"

/* Bits of Documentation/admin-guide/tainted-kernels.rst: a bad page or KASAN,
 * an oops, a warning, a soft lockup. */
#define COMPLAINTS (1UL << 5 | 1UL << 7 | 1UL << 9 | 1UL << 14)

/**
 * kernel_complained - has there been a report since the last call
 */
bool kernel_complained(void)
{
	static unsigned long known;
	unsigned long now = known, news;
	FILE *file = fopen("/proc/sys/kernel/tainted", "r");

	if (!file)
		return false;
	if (fscanf(file, "%lu", &now) != 1)
		now = known;
	fclose(file);
	news = now & ~known & COMPLAINTS;
	known = now;
	return news;
}
