// SPDX-License-Identifier: MIT
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#define BLOCK_SHIFT	12
#define SECTOR_SHIFT	9
#define MAX_IO_BYTES	(512U << 10)

/* struct ublksrv_ctrl_cmd takes the 80 bytes of a large SQE. */
static int control(struct device *device, uint32_t operation,
		   const struct ublksrv_ctrl_cmd *command)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&device->control_ring);
	struct ublksrv_ctrl_cmd *place;
	struct io_uring_cqe *cqe;
	int result;

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, device->control_fd, NULL, 0,
			 0);
	sqe->cmd_op = operation;
	place = (struct ublksrv_ctrl_cmd *)sqe->cmd;
	*place = *command;
	place->dev_id = device->info.dev_id;
	place->queue_id = UINT16_MAX;
	result = io_uring_submit_and_wait(&device->control_ring, 1);
	if (result < 0)
		return result;
	result = io_uring_wait_cqe(&device->control_ring, &cqe);
	if (result < 0)
		return result;
	result = cqe->res;
	io_uring_cqe_seen(&device->control_ring, cqe);
	return result;
}

static int set_params(struct device *device, uint64_t size)
{
	struct ublk_params params = {
		.len = sizeof(params),
		.types = UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DISCARD,
		.basic = {
			.logical_bs_shift = BLOCK_SHIFT,
			.physical_bs_shift = BLOCK_SHIFT,
			.io_opt_shift = BLOCK_SHIFT,
			.io_min_shift = BLOCK_SHIFT,
			.max_sectors = MAX_IO_BYTES >> SECTOR_SHIFT,
			.dev_sectors = size >> SECTOR_SHIFT,
		},
		.discard = {
			.discard_granularity = 1U << BLOCK_SHIFT,
			.max_discard_sectors = UINT32_MAX >> SECTOR_SHIFT,
			.max_discard_segments = 1,
		},
	};
	const struct ublksrv_ctrl_cmd command = {
		.addr = (uintptr_t)&params,
		.len = sizeof(params),
	};

	return control(device, UBLK_U_CMD_SET_PARAMS, &command);
}

int device_add(struct device *device, uint64_t flags, unsigned int queues,
	       unsigned int depth, uint64_t size)
{
	const struct ublksrv_ctrl_cmd command = {
		.addr = (uintptr_t)&device->info,
		.len = sizeof(device->info),
	};
	char path[32];
	int error;

	device->info = (struct ublksrv_ctrl_dev_info){
		.dev_id = UINT32_MAX,
		.nr_hw_queues = queues,
		.queue_depth = depth,
		.max_io_buf_bytes = MAX_IO_BYTES,
		.flags = flags | UBLK_F_CMD_IOCTL_ENCODE,
	};
	device->control_fd = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (device->control_fd < 0)
		return -errno;
	error = io_uring_queue_init(4, &device->control_ring,
				    IORING_SETUP_SQE128);
	if (error)
		goto out_close;
	error = control(device, UBLK_U_CMD_ADD_DEV, &command);
	if (error)
		goto out_exit;
	error = set_params(device, size);
	if (error)
		goto out_remove;
	snprintf(path, sizeof(path), "/dev/ublkc%u", device->info.dev_id);
	device->fd = open(path, O_RDWR | O_CLOEXEC);
	if (device->fd >= 0)
		return 0;
	error = -errno;

out_remove:
	control(device, UBLK_U_CMD_DEL_DEV, &(struct ublksrv_ctrl_cmd){ 0 });
out_exit:
	io_uring_queue_exit(&device->control_ring);
out_close:
	close(device->control_fd);
	return error;
}

int device_affinity(struct device *device, unsigned int queue,
		    cpu_set_t *cpus)
{
	const struct ublksrv_ctrl_cmd command = {
		.addr = (uintptr_t)cpus,
		.len = sizeof(*cpus),
		.data[0] = queue,
	};

	CPU_ZERO(cpus);
	return control(device, UBLK_U_CMD_GET_QUEUE_AFFINITY, &command);
}

int device_start(struct device *device)
{
	const struct ublksrv_ctrl_cmd command = { .data[0] = getpid() };

	return control(device, UBLK_U_CMD_START_DEV, &command);
}

int device_stop(struct device *device)
{
	return control(device, UBLK_U_CMD_STOP_DEV,
		       &(struct ublksrv_ctrl_cmd){ 0 });
}

int device_remove(struct device *device)
{
	int error;

	close(device->fd);
	error = control(device, UBLK_U_CMD_DEL_DEV,
			&(struct ublksrv_ctrl_cmd){ 0 });
	io_uring_queue_exit(&device->control_ring);
	close(device->control_fd);
	return error;
}
