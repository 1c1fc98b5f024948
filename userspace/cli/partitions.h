/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ZOSBD2_CLI_PARTITIONS_H
#define ZOSBD2_CLI_PARTITIONS_H

/*
 * Have the kernel read the partition table of a device that this process
 * serves.  0 or -errno.
 */
int partitions_read(const char *name);

#endif
