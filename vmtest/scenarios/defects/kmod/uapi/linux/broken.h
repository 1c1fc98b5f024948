/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* Padding, a type whose size differs, and a name that C++ keeps for itself. */
#ifndef _UAPI_LINUX_BROKEN_H
#define _UAPI_LINUX_BROKEN_H

#include <linux/types.h>

struct zosbd2_broken {
	__u32 first;
	__u64 second;
	unsigned long third;
	__u32 class;
};

#endif /* _UAPI_LINUX_BROKEN_H */
