// SPDX-License-Identifier: LGPL-2.1-or-later
/* The control node: finding devices and destroying them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/zosbd2.h>
#include <linux/zosbd2_ext.h>

#include "control.h"
#include "export.h"
#include "name.h"
#include "zosbd2.h"

/* A module from before the extension knows nothing of its calls. */
static int control_check(struct zosbd2_control *control)
{
	struct zosbd2_ext_info info = { 0 };
	int error;

	error = zosbd2_ping(control);
	if (error)
		return error == -ENOTTY ? -ENODEV : error;
	error = control_call(control, ZOSBD2_IOC_GET_INFO, &info);
	control->version = info.version;
	return error == -EINVAL ? -EPROTONOSUPPORT : error;
}

ZOSBD2_EXPORT int zosbd2_open(struct zosbd2_control **control)
{
	struct zosbd2_control *opened;
	int error;

	*control = NULL;
	opened = malloc(sizeof(*opened));
	if (!opened)
		return -ENOMEM;
	opened->fd = open(ZOSBD2_CONTROL_NODE, O_RDWR | O_CLOEXEC);
	if (opened->fd < 0) {
		error = -errno;
		free(opened);
		/* A node without a driver: the same to the caller. */
		return error == -ENXIO ? -ENODEV : error;
	}
	/* Anything may lie at that path; only the module answers. */
	error = control_check(opened);
	if (error) {
		zosbd2_close(opened);
		return error;
	}
	*control = opened;
	return 0;
}

ZOSBD2_EXPORT void zosbd2_close(struct zosbd2_control *control)
{
	if (!control)
		return;
	close(control->fd);
	free(control);
}

int control_call(struct zosbd2_control *control, unsigned long number,
		 void *argument)
{
	int result;

	do
		result = ioctl(control->fd, number, argument);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}

ZOSBD2_EXPORT int zosbd2_ping(struct zosbd2_control *control)
{
	return control_call(control, ZOSBD2_IOCTL_PING, NULL);
}

static uint64_t milliseconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Nothing tells when a device's last opener leaves, so ask again. */
static int destroy_call(struct zosbd2_control *control, unsigned long number,
			void *argument, unsigned int patience_ms)
{
	const struct timespec pause = { .tv_nsec = 20L * 1000 * 1000 };
	const uint64_t deadline = milliseconds_now() + patience_ms;
	int error;

	for (;;) {
		error = control_call(control, number, argument);
		if (error != -EBUSY || milliseconds_now() >= deadline)
			return error;
		nanosleep(&pause, NULL);
	}
}

ZOSBD2_EXPORT int zosbd2_destroy(struct zosbd2_control *control,
				 uint32_t handle, uint32_t flags,
				 unsigned int patience_ms)
{
	struct zosbd2_destroy_by_id destroy = {
		.handle_id = handle,
		.force = flags & ZOSBD2_DESTROY_FORCE,
	};

	if (flags & ~ZOSBD2_DESTROY_FORCE)
		return -EINVAL;
	return destroy_call(control, ZOSBD2_IOCTL_DESTROY_DEVICE_BY_ID,
			    &destroy, patience_ms);
}

ZOSBD2_EXPORT int zosbd2_destroy_by_name(struct zosbd2_control *control,
					 const char *name, uint32_t flags,
					 unsigned int patience_ms)
{
	struct zosbd2_destroy_by_name destroy = {
		.force = flags & ZOSBD2_DESTROY_FORCE,
	};
	int error;

	if (flags & ~ZOSBD2_DESTROY_FORCE)
		return -EINVAL;
	error = name_copy(destroy.device_name, name);
	if (error)
		return error;
	return destroy_call(control, ZOSBD2_IOCTL_DESTROY_DEVICE_BY_NAME,
			    &destroy, patience_ms);
}

ZOSBD2_EXPORT int zosbd2_destroy_all(struct zosbd2_control *control,
				     uint32_t flags, unsigned int patience_ms)
{
	struct zosbd2_destroy_all destroy = {
		.force = flags & ZOSBD2_DESTROY_FORCE,
	};

	if (flags & ~ZOSBD2_DESTROY_FORCE)
		return -EINVAL;
	return destroy_call(control, ZOSBD2_IOCTL_DESTROY_ALL_DEVICES,
			    &destroy, patience_ms);
}

ZOSBD2_EXPORT int zosbd2_lookup(struct zosbd2_control *control,
				const char *name, uint32_t *handle)
{
	struct zosbd2_get_handle get = { 0 };
	int error;

	error = name_copy(get.device_name, name);
	if (!error)
		error = control_call(control,
				     ZOSBD2_IOCTL_GET_HANDLE_ID_BY_NAME, &get);
	if (!error)
		*handle = get.handle_id;
	return error;
}

ZOSBD2_EXPORT int zosbd2_list(struct zosbd2_control *control,
			      uint32_t *handles, size_t capacity)
{
	struct zosbd2_device_list list = { 0 };
	int error;

	error = control_call(control, ZOSBD2_IOCTL_STATUS_DEVICE_LIST, &list);
	if (error)
		return error;
	if (list.num_devices > ZOSBD2_MAX_DEVICES)
		return -EPROTO;
	for (size_t at = 0; at < list.num_devices && at < capacity; at++)
		handles[at] = list.handle_id[at];
	return (int)list.num_devices;
}
