/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What keeps two servers from serving one file: a lock that dies with them. */
#ifndef ZOSBD2_BACKING_CLAIM_H
#define ZOSBD2_BACKING_CLAIM_H

/* How long the lock of a server that dies or hands over is waited for. */
#define CLAIM_PATIENCE_MS 10000

/*
 * Lock an open file exclusively; the lock goes with the file's last
 * descriptor.  0 tries once.  -EWOULDBLOCK: somebody still has it.
 */
int claim(int fd, int patience_ms);

#endif
