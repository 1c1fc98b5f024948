/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ZOSBD2_LIB_CONTROL_H
#define ZOSBD2_LIB_CONTROL_H

struct zosbd2_control {
	int fd;
};

#endif
