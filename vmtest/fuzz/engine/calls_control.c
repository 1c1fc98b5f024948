// SPDX-License-Identifier: MIT
/*
 * The classic calls on the control node.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "engine.h"

#define BEHIND 64 /* bytes behind an argument that nobody may write to */
#define CANARY		0xa5

/**
 * name_of - the name of a device, or a wrong one
 * @dev: which
 * @name: filled in, to its last byte
 */
void name_of(uint64_t dev, char name[ZOSBD2_NAME_LEN])
{
	static const char *const names[] = {
		"", ".", "..", "a/b", "vda", "zosbd2ctl", "null", "fz0p1",
		"a!b", "\n", "x y", "%s%n",
	};

	memset(name, 0, ZOSBD2_NAME_LEN);
	if (dev < DEVICES)
		snprintf(name, ZOSBD2_NAME_LEN, "fz%u", (unsigned int)dev);
	else if (dev - DEVICES < sizeof(names) / sizeof(*names))
		strcpy(name, names[dev - DEVICES]);
	else
		memset(name, 'n', ZOSBD2_NAME_LEN);
}

/**
 * handle_of - a handle
 * @which: a device's, its last, or a number
 */
uint32_t handle_of(uint64_t which)
{
	if (which < DEVICES)
		return common->handle[which];
	if (which < 2 * DEVICES)
		return common->old_handle[which - DEVICES];
	return which - 2 * DEVICES;
}

/**
 * created - note the handle of a new device
 * @dev: its name's number
 * @handle: its handle
 */
void created(uint64_t dev, uint32_t handle)
{
	if (dev < DEVICES)
		common->old_handle[dev] =
			atomic_exchange(&common->handle[dev], handle);
}

static void breach_behind(const struct worker *worker,
			  const unsigned char *place, size_t bytes, long ret)
{
	const unsigned char *end = place + bytes;
	size_t i = 0;

	while (i < BEHIND && end[i] == CANARY)
		i++;
	breach_about(worker, "the module wrote behind an argument",
		     "of %zu bytes at %p, at %zu: %02x %02x %02x %02x, begins %02x %02x %02x %02x; returned %ld",
		     bytes, (const void *)place, i, end[i], end[i + 1],
		     end[i + 2], end[i + 3], place[0], place[1], place[2],
		     place[3], ret);
}

/**
 * control_call - make a call with an argument in memory of some kind
 * @worker: who makes it
 * @fd: a slot
 * @command: the call
 * @argument: its argument; on success what the module made of it
 * @bytes: the argument's size
 * @memory: enum memory
 */
long control_call(struct worker *worker, uint64_t fd, unsigned long command,
		  void *argument, size_t bytes, uint64_t memory)
{
	struct worker own = *worker;
	unsigned char behind[BEHIND];
	unsigned char *place;
	bool guarded;
	long ret;
	int error;

	memset(behind, CANARY, sizeof(behind));
	own.buffer = worker->arguments;
	place = memory_place(&own, memory, argument, bytes, bytes);
	guarded = memory == MEM_GOOD || memory == MEM_ODD;
	if (guarded)
		memcpy(place + bytes, behind, BEHIND);
	ret = ioctl(fd_of(worker, fd), command, place);
	error = errno;
	if (guarded && memcmp(place + bytes, behind, BEHIND))
		breach_behind(worker, place, bytes, ret);
	if (ret >= 0 && memory > MEM_TIGHT) {
		if (!memory_fetch(place, argument, bytes))
			memset(argument, 0, bytes);
	} else if (ret >= 0) {
		memcpy(argument, place, bytes);
	}
	errno = error;
	return ret;
}

long call_ping(struct worker *worker, const uint64_t *arg)
{
	return ioctl(fd_of(worker, arg[0]), ZOSBD2_IOCTL_PING, 0);
}

long call_create(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_create create = {
		.block_size = arg[3],
		.number_of_blocks = arg[2],
		.timeout_seconds = arg[4],
		.max_segments_per_request = arg[5],
		.bio_segment_batch_queue_size = arg[6],
	};
	long ret;

	name_of(arg[1], create.device_name);
	/* Clients may leave out what is behind the last field. */
	ret = control_call(worker, arg[0], ZOSBD2_IOCTL_CREATE_DEVICE, &create,
			   offsetof(struct zosbd2_create, reserved1), arg[7]);
	if (!ret)
		created(arg[1], create.handle_id);
	return ret;
}

long call_destroy_by_id(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_destroy_by_id destroy = {
		.handle_id = handle_of(arg[1]),
		.force = arg[2],
	};

	return control_call(worker, arg[0], ZOSBD2_IOCTL_DESTROY_DEVICE_BY_ID,
			    &destroy, sizeof(destroy), arg[3]);
}

long call_destroy_by_name(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_destroy_by_name destroy = { .force = arg[2] };

	name_of(arg[1], destroy.device_name);
	return control_call(worker, arg[0], ZOSBD2_IOCTL_DESTROY_DEVICE_BY_NAME,
			    &destroy, sizeof(destroy), arg[3]);
}

long call_destroy_all(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_destroy_all destroy = { .force = arg[1] };

	return control_call(worker, arg[0], ZOSBD2_IOCTL_DESTROY_ALL_DEVICES,
			    &destroy, sizeof(destroy), arg[2]);
}

long call_get_handle(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_get_handle get = { };

	name_of(arg[1], get.device_name);
	return control_call(worker, arg[0],
			    ZOSBD2_IOCTL_GET_HANDLE_ID_BY_NAME, &get,
			    sizeof(get), arg[2]);
}

long call_list(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_device_list list = { };

	return control_call(worker, arg[0], ZOSBD2_IOCTL_STATUS_DEVICE_LIST,
			    &list, sizeof(list), arg[1]);
}

long call_status(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_device_status status = {
		.handle_id_request = handle_of(arg[1]),
	};

	return control_call(worker, arg[0], ZOSBD2_IOCTL_STATUS_DEVICE_STATUS,
			    &status, sizeof(status), arg[2]);
}

/*
 * A call that there is not: any number, or a known one of the extension with
 * another size or direction.
 */
long call_unknown(struct worker *worker, const uint64_t *arg)
{
	unsigned char argument[256];
	unsigned long command = arg[1];

	memset(argument, 0x5a, sizeof(argument));
	if (command < 1024)
		command = _IOC(command & 3, 0xbd, command >> 2 & 7, arg[2]);
	return control_call(worker, arg[0], command, argument,
			    sizeof(argument), arg[3]);
}
