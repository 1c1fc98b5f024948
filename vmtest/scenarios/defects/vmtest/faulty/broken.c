// SPDX-License-Identifier: GPL-2.0-only
/* A defect for checkpatch: no blank after a keyword. */
int broken_if(int value);
int broken_if(int value)
{
	if(value)
		return 1;
	return 0;
}
