/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ZOSBD2_LIB_NODE_H
#define ZOSBD2_LIB_NODE_H

#include <stdint.h>

/*
 * Open the block device node of this name for serving, waiting for it to
 * appear.  Returns a file descriptor, or -ETIMEDOUT when there still is no
 * such node, or one that is not of this module, after timeout_ms.
 */
int node_open(const char *name, uint32_t timeout_ms);

#endif
