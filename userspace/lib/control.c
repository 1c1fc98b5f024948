// SPDX-License-Identifier: LGPL-2.1-or-later
/* The control node: what can be asked of the module about its devices. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/zosbd2.h>

#include "control.h"
#include "export.h"
#include "versioned.h"
#include "zosbd2.h"

#define DEFAULT_TIMEOUT_SECONDS 60

_Static_assert(ZOSBD2_NAME_SIZE == ZOSBD2_NAME_LEN, "names fit the module's");

/* What the structures were when they were first published. */
#define FIRST_PARAMS_SIZE sizeof(struct zosbd2_params)
#define FIRST_INFO_SIZE sizeof(struct zosbd2_info)

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
	error = zosbd2_ping(opened);
	if (error) {
		zosbd2_close(opened);
		return error == -ENOTTY ? -ENODEV : error;
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

static int control_call(struct zosbd2_control *control, unsigned long number,
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

static int copy_name(char room[static ZOSBD2_NAME_LEN], const char *name)
{
	size_t length;

	if (!name || !*name)
		return -EINVAL;
	length = strnlen(name, ZOSBD2_NAME_LEN);
	if (length == ZOSBD2_NAME_LEN)
		return -ENAMETOOLONG;
	memset(room, 0, ZOSBD2_NAME_LEN);
	memcpy(room, name, length);
	return 0;
}

ZOSBD2_EXPORT int zosbd2_create(struct zosbd2_control *control,
				const struct zosbd2_params *params,
				uint32_t *handle)
{
	struct zosbd2_create create = { 0 };
	struct zosbd2_params ours;
	int error;

	error = versioned_copy_in(&ours, sizeof(ours), FIRST_PARAMS_SIZE,
				  params);
	if (error)
		return error;
	if (ours.flags)
		return -EINVAL;
	error = copy_name(create.device_name, ours.name);
	if (error)
		return error;
	create.block_size = ours.block_size ? ours.block_size :
					      ZOSBD2_BLOCK_SIZE;
	if (ours.size % create.block_size)
		return -EINVAL;
	create.number_of_blocks = ours.size / create.block_size;
	create.timeout_seconds = ours.timeout_seconds ? ours.timeout_seconds :
							DEFAULT_TIMEOUT_SECONDS;
	create.max_segments_per_request = ours.max_segments;

	error = control_call(control, ZOSBD2_IOCTL_CREATE_DEVICE, &create);
	/* The module says EINVAL to one device too many as well. */
	if (error == -EINVAL &&
	    zosbd2_list(control, NULL, 0) >= ZOSBD2_MAX_DEVICES)
		return -EMFILE;
	if (error)
		return error;
	*handle = create.handle_id;
	return 0;
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
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
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
	error = copy_name(destroy.device_name, name);
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

	error = copy_name(get.device_name, name);
	if (!error)
		error = control_call(control,
				     ZOSBD2_IOCTL_GET_HANDLE_ID_BY_NAME, &get);
	if (!error)
		*handle = get.handle_id;
	return error;
}

ZOSBD2_EXPORT int zosbd2_status(struct zosbd2_control *control,
				uint32_t handle, struct zosbd2_info *info)
{
	struct zosbd2_device_status status = { .handle_id_request = handle };
	struct zosbd2_info ours = { 0 };
	int error;

	error = control_call(control, ZOSBD2_IOCTL_STATUS_DEVICE_STATUS,
			     &status);
	if (error)
		return error;
	ours.handle = status.handle_id;
	ours.size = status.size_in_bytes;
	ours.block_size = status.block_size;
	ours.timeout_ms = status.timeout_milliseconds;
	ours.max_segments = status.max_segments_per_request;
	memcpy(ours.name, status.device_name, sizeof(ours.name) - 1);
	return versioned_copy_out(info, &ours, sizeof(ours), FIRST_INFO_SIZE);
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
