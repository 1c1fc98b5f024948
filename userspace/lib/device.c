// SPDX-License-Identifier: LGPL-2.1-or-later
/* A device's properties: given when it is created, told, and changed. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <linux/zosbd2.h>
#include <linux/zosbd2_ext.h>

#include "control.h"
#include "export.h"
#include "name.h"
#include "versioned.h"
#include "zosbd2.h"

#define DEFAULT_TIMEOUT_SECONDS 60

/* What the structures were when they were first published. */
#define FIRST_PARAMS_SIZE offsetof(struct zosbd2_params, features)
#define FIRST_INFO_SIZE offsetof(struct zosbd2_info, features)

/* The library's constants are the module's, so none has to be translated. */
#define SAME(name) \
	_Static_assert(ZOSBD2_DEVICE_##name == ZOSBD2_FEATURE_##name, #name)
SAME(FLUSH);
SAME(FUA);
SAME(WRITE_ZEROES);
SAME(READ_ONLY);
SAME(PARTITIONS);
SAME(ROTATIONAL);
/* To gcc they are values of two enumerations, which are not to be compared. */
/* NOLINTBEGIN(readability-redundant-casting) */
_Static_assert((int)ZOSBD2_RECOVER_WAIT == (int)ZOSBD2_RECOVERY_WAIT, "WAIT");
_Static_assert((int)ZOSBD2_RECOVER_FAIL == (int)ZOSBD2_RECOVERY_FAIL, "FAIL");
/* NOLINTEND(readability-redundant-casting) */

/* The module says EINVAL to one device too many as well. */
static bool is_full(struct zosbd2_control *control)
{
	struct zosbd2_ext_info info = { 0 };

	return !control_call(control, ZOSBD2_IOC_GET_INFO, &info) &&
	       zosbd2_list(control, NULL, 0) >= (int)info.max_devices;
}

ZOSBD2_EXPORT int zosbd2_create(struct zosbd2_control *control,
				const struct zosbd2_params *params,
				uint32_t *handle)
{
	struct zosbd2_ext_create create = { 0 };
	struct zosbd2_params ours;
	int error;

	error = versioned_copy_in(&ours, sizeof(ours), FIRST_PARAMS_SIZE,
				  params);
	if (error)
		return error;
	if (ours.flags || ours.reserved)
		return -EINVAL;
	error = name_copy(create.device_name, ours.name);
	if (error)
		return error;
	create.block_size = ours.block_size ? ours.block_size :
					      ZOSBD2_BLOCK_SIZE;
	if (ours.size % create.block_size)
		return -EINVAL;
	create.number_of_blocks = ours.size / create.block_size;
	create.timeout_seconds = ours.timeout_seconds ? ours.timeout_seconds :
							DEFAULT_TIMEOUT_SECONDS;
	/* More than there can be has always meant as many as there can be. */
	create.max_segments = ours.max_segments < ZOSBD2_MAX_SEGMENTS ?
				      ours.max_segments :
				      ZOSBD2_MAX_SEGMENTS;
	create.features = ours.features;
	create.recovery = ours.recovery;
	create.queues = ours.queues;
	create.queue_depth = ours.queue_depth;
	create.physical_block_size = ours.physical_block_size;
	create.max_io_bytes = ours.max_io_size;
	create.io_opt = ours.io_opt;
	create.poll_queues = ours.poll_queues;

	error = control_call(control, ZOSBD2_IOC_CREATE, &create);
	if (error == -EINVAL && is_full(control))
		return -EMFILE;
	if (error)
		return error;
	*handle = create.handle_id;
	return 0;
}

ZOSBD2_EXPORT int zosbd2_status(struct zosbd2_control *control,
				uint32_t handle, struct zosbd2_info *info)
{
	struct zosbd2_ext_status status = { .handle_id = handle };
	struct zosbd2_info ours = { 0 };
	int error;

	error = control_call(control, ZOSBD2_IOC_GET_STATUS, &status);
	if (error)
		return error;
	ours.handle = status.handle_id;
	ours.size = status.number_of_blocks * status.block_size;
	ours.block_size = status.block_size;
	ours.timeout_ms = status.timeout_seconds * 1000;
	ours.max_segments = status.max_segments;
	ours.features = status.features;
	ours.recovery = status.recovery;
	ours.servers = status.servers;
	ours.queues = status.queues;
	ours.queue_depth = status.queue_depth;
	ours.physical_block_size = status.physical_block_size;
	ours.max_io_size = status.max_io_bytes;
	ours.io_opt = status.io_opt;
	ours.poll_queues = status.poll_queues;
	memcpy(ours.name, status.device_name, sizeof(ours.name) - 1);
	return versioned_copy_out(info, &ours, sizeof(ours), FIRST_INFO_SIZE);
}

ZOSBD2_EXPORT int zosbd2_resize(struct zosbd2_control *control,
				uint32_t handle, uint64_t size)
{
	struct zosbd2_ext_resize resize = { .handle_id = handle };
	struct zosbd2_info info;
	int error;

	zosbd2_info_init(&info);
	error = zosbd2_status(control, handle, &info);
	if (error)
		return error;
	if (size % info.block_size)
		return -EINVAL;
	resize.number_of_blocks = size / info.block_size;
	return control_call(control, ZOSBD2_IOC_RESIZE, &resize);
}
