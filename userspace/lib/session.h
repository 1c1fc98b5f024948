/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a device is served through: a file from the control node. */
#ifndef ZOSBD2_LIB_SESSION_H
#define ZOSBD2_LIB_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "zosbd2.h"

/* The features of devices that these callbacks can serve. */
uint64_t features_understood(const struct zosbd2_ops *ops);

/*
 * Attach to a device as a server with these callbacks; with take_over, in
 * place of those that serve it, who get timeout_ms to hand in what they have.
 * Returns a file descriptor or -errno; see struct zosbd2_ext_attach.
 */
int session_open(struct zosbd2_control *control, uint32_t handle,
		 const struct zosbd2_ops *ops, bool take_over,
		 uint32_t timeout_ms);

#endif
