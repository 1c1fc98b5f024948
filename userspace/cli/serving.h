/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device that a command serves: its signals, and its end. */
#ifndef ZOSBD2_CLI_SERVING_H
#define ZOSBD2_CLI_SERVING_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "zosbd2.h"

struct serving {
	struct zosbd2_control *control;
	struct zosbd2_server *server;
	const char *name;
	uint32_t handle;
	int signal_fd;
};

/*
 * Have SIGINT, SIGTERM and SIGHUP read from a descriptor; says on stderr if
 * that is not possible.  To be called before the device exists, so that none
 * of them leaves it behind.
 */
enum exit_status serving_watch_signals(struct serving *serving);

/*
 * Wait for the end of the server, and free it.  A signal destroys the device
 * unless it is in use; the next one does by force.  0 or -errno, as of
 * zosbd2_server_join(); *end tells why it ended.
 */
int serving_until_the_end(struct serving *serving, enum zosbd2_end *end);

/* Destroy a device that another process serves; says on stderr if not. */
enum exit_status destroy_by_name(struct zosbd2_control *control,
				 const char *name, bool force);

/*
 * Keep the server itself from being paged out: paging it in again could need
 * the very device that it serves.  Best effort: without the rights the disk
 * works, but for that risk.
 */
void stay_in_memory(void);

#endif
