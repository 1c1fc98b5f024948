// SPDX-License-Identifier: MIT
/*
 * The extension's calls on the control node.
 */
#include "engine.h"

long call_info(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_ext_info info = { };

	return control_call(worker, arg[0], ZOSBD2_IOC_GET_INFO, &info,
			    sizeof(info), arg[1]);
}

long call_ext_create(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_ext_create create = {
		.number_of_blocks = arg[2],
		.features = arg[3],
		.block_size = arg[4],
		.timeout_seconds = arg[5],
		.max_segments = arg[6],
		.recovery = arg[7],
		.reserved = arg[8],
		.queues = arg[9],
		.queue_depth = arg[10],
		.physical_block_size = arg[11],
		.max_io_bytes = arg[12],
		.io_opt = arg[13],
		.max_discard_bytes = arg[14],
		.discard_granularity = arg[15],
		.poll_queues = arg[16],
	};
	long ret;

	name_of(arg[1], create.device_name);
	ret = control_call(worker, arg[0], ZOSBD2_IOC_CREATE, &create,
			   sizeof(create), arg[17]);
	if (!ret)
		created(arg[1], create.handle_id);
	return ret;
}

long call_ext_status(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_ext_status status = { .handle_id = handle_of(arg[1]) };

	return control_call(worker, arg[0], ZOSBD2_IOC_GET_STATUS, &status,
			    sizeof(status), arg[2]);
}

long call_attach(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_ext_attach attach = {
		.handle_id = handle_of(arg[1]),
		.flags = arg[2],
		.features = arg[3],
		.timeout_ms = arg[4],
	};
	long fd;

	attach.reserved[worker->number % 3] = arg[5];
	fd = control_call(worker, arg[0], ZOSBD2_IOC_ATTACH, &attach,
			  sizeof(attach), arg[7]);
	if (fd >= 0)
		fd_keep(worker, arg[6], fd, attach.handle_id);
	return fd;
}

long call_resize(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_ext_resize resize = {
		.handle_id = handle_of(arg[1]),
		.number_of_blocks = arg[2],
		.reserved = arg[3],
	};

	return control_call(worker, arg[0], ZOSBD2_IOC_RESIZE, &resize,
			    sizeof(resize), arg[4]);
}
