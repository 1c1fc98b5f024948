/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ZOSBD2_FILE_SERVE_H
#define ZOSBD2_FILE_SERVE_H

#include "options.h"
#include "serving.h"
#include "target.h"

/*
 * Start to serve a device from a file, which is claimed first if it is not: in
 * a take-over its lock is there only when the other server has gone.  0 or
 * -errno, as of target_claim() and zosbd2_server_start().
 */
int serve_start(struct serving *serving, struct target *target,
		const struct options *options);

#endif
