// SPDX-License-Identifier: LGPL-2.1-or-later
#include "name.h"

#include <errno.h>
#include <string.h>

#include "zosbd2.h"

_Static_assert(ZOSBD2_NAME_SIZE == ZOSBD2_NAME_LEN, "names fit the module's");

int name_copy(char room[static ZOSBD2_NAME_LEN], const char *name)
{
	size_t length;

	if (!name || !*name)
		return -EINVAL;
	length = strnlen(name, ZOSBD2_NAME_LEN);
	if (length == ZOSBD2_NAME_LEN)
		return -ENAMETOOLONG;
	memset(room, 0, ZOSBD2_NAME_LEN);
	memcpy(room, name, length);
	return 0;
}
