// SPDX-License-Identifier: LGPL-2.1-or-later
#include "session.h"

#include <errno.h>
#include <sys/ioctl.h>

#include <linux/zosbd2_ext.h>

#include "control.h"

/* Who is told of a flush or FUA can hand it on; so one callback does for both. */
uint64_t features_understood(const struct zosbd2_ops *ops)
{
	uint64_t features = 0;

	if (ops->flush)
		features |= ZOSBD2_FEATURE_FLUSH | ZOSBD2_FEATURE_FUA;
	if (ops->write_zeroes)
		features |= ZOSBD2_FEATURE_WRITE_ZEROES;
	return features;
}

int session_open(struct zosbd2_control *control, uint32_t handle,
		 const struct zosbd2_ops *ops, bool take_over,
		 uint32_t timeout_ms)
{
	struct zosbd2_ext_attach attach = {
		.handle_id = handle,
		.flags = take_over ? ZOSBD2_ATTACH_TAKE_OVER : 0,
		.features = features_understood(ops),
		.timeout_ms = take_over ? timeout_ms : 0,
	};
	int fd;

	/* Not repeated after a signal: the take-over would start anew. */
	fd = ioctl(control->fd, ZOSBD2_IOC_ATTACH, &attach);
	return fd < 0 ? -errno : fd;
}
