/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ZOSBD2_LIB_NAME_H
#define ZOSBD2_LIB_NAME_H

#include <linux/zosbd2.h>

/* A device's name as the module takes it.  -EINVAL: none; -ENAMETOOLONG. */
int name_copy(char room[static ZOSBD2_NAME_LEN], const char *name);

#endif
