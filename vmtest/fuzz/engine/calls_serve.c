// SPDX-License-Identifier: MIT
/*
 * Serving: DEVICE_OPERATION with right answers, nearly right and wrong ones.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include "engine.h"

#define TAIL	offsetof(struct zosbd2_operation, error)

long call_device_ping(struct worker *worker, const uint64_t *arg)
{
	return ioctl(fd_of(worker, arg[0]), ZOSBD2_IOCTL_DEVICE_PING, 0);
}

/* The answer that a request wants. */
static uint32_t right_answer(uint32_t request)
{
	switch (request) {
	case ZOSBD2_OP_READ_REQUEST:
		return ZOSBD2_OP_READ_RESPONSE;
	case ZOSBD2_OP_WRITE_REQUEST:
		return ZOSBD2_OP_WRITE_RESPONSE;
	case ZOSBD2_OP_DISCARD_REQUEST:
		return ZOSBD2_OP_DISCARD_RESPONSE;
	case ZOSBD2_OP_FLUSH_REQUEST:
		return ZOSBD2_OP_FLUSH_RESPONSE;
	case ZOSBD2_OP_WRITE_ZEROES_REQUEST:
		return ZOSBD2_OP_WRITE_ZEROES_RESPONSE;
	default:
		return ZOSBD2_OP_NO_RESPONSE;
	}
}

static uint32_t answer_of(const struct worker *worker, uint64_t answer)
{
	static const uint32_t answers[ANSWERS] = {
		0, ZOSBD2_OP_NO_RESPONSE, ZOSBD2_OP_READ_RESPONSE,
		ZOSBD2_OP_WRITE_RESPONSE, ZOSBD2_OP_DISCARD_RESPONSE,
		ZOSBD2_OP_FLUSH_RESPONSE, ZOSBD2_OP_WRITE_ZEROES_RESPONSE,
	};

	if (answer == ANSWER_RIGHT)
		return right_answer(worker->operation);
	return answer < ANSWERS ? answers[answer] : answer - ANSWERS;
}

static uint32_t id_of(const struct worker *worker, uint64_t which)
{
	switch (which) {
	case ID_RIGHT:
		return worker->id;
	case ID_STALE:
		return worker->stale;
	case ID_OTHER:
		return common->seat[(worker->number + 1) % WORKERS].id;
	case ID_NEXT:
		return worker->id + 128; /* the default queue depth */
	case ID_NEIGHBOUR:
		return worker->id + 1;
	default:
		return which - IDS;
	}
}

/**
 * error_of - the error that an answer tells
 * @which: one of some, or a number
 */
int32_t error_of(uint64_t which)
{
	static const int32_t errors[] = { 0, -EIO, -ENOSPC, -EOPNOTSUPP };

	return which < 4 ? errors[which] : (int32_t)which;
}

/* Remember what was fetched, so that the next call can answer it. */
static void remember(struct worker *worker, const void *place)
{
	struct {
		uint32_t handle, reserved, operation;
	} head = { };
	struct zosbd2_op_request request = { };
	struct {
		int32_t error;
		uint32_t id;
	} tail = { };
	const unsigned char *from = place;

	worker->operation = 0;
	if (!memory_fetch(from, &head, sizeof(head)) ||
	    !memory_fetch(from + offsetof(struct zosbd2_operation, request),
			  &request, sizeof(request)) ||
	    !memory_fetch(from + TAIL, &tail, sizeof(tail)))
		return;
	switch (head.operation) {
	case ZOSBD2_OP_READ_REQUEST ... ZOSBD2_OP_WRITE_ZEROES_REQUEST:
		common->got[head.operation - ZOSBD2_OP_READ_REQUEST + 1]++;
		break;
	case ZOSBD2_OP_SIGNAL:
		common->got[6]++;
		return;
	case ZOSBD2_OP_DEVICE_GONE:
		common->got[7]++;
		return;
	default:
		common->got[0]++;
		return;
	}
	worker->handle = head.handle;
	worker->operation = head.operation;
	worker->stale = worker->id;
	worker->id = tail.id;
	worker->length = request.total_length;
	common->seat[worker->number].id = tail.id;
}

static long operate(struct worker *worker, uint64_t fd, uint32_t handle,
		    uint32_t answer, uint32_t id, uint64_t length,
		    int32_t error, uint64_t memory)
{
	static _Thread_local struct zosbd2_operation operation;
	bool right = answer != ZOSBD2_OP_NO_RESPONSE && id == worker->id &&
		     answer == right_answer(worker->operation);
	void *place;
	long ret;
	int why;

	operation.handle_id = handle;
	operation.header.operation = answer;
	operation.header.size = length;
	operation.response.total_length = length;
	operation.error = error;
	operation.operation_id = id;
	place = memory_place(worker, memory, &operation, sizeof(operation),
			     sizeof(operation) +
				     (length < PAGE ? length : PAGE));
	ret = ioctl(fd_of(worker, fd), ZOSBD2_IOCTL_DEVICE_OPERATION, place);
	why = errno;
	if (!ret) {
		common->answered += right;
		remember(worker, place);
	} else if (right && why == EINTR) {
		/* It was taken before the wait that was interrupted. */
		worker->operation = 0;
	}
	if (ret && why == ENOENT)
		fd_drop(worker, fd);
	errno = why;
	return ret;
}

static uint32_t own_handle(const struct worker *worker, uint64_t fd,
			   uint64_t which)
{
	if (which)
		return handle_of(which - 1);
	/* What is open to whom may change meanwhile: first it is opened. */
	fd_of(worker, fd);
	return fd_handle(worker, fd);
}

long call_operate(struct worker *worker, const uint64_t *arg)
{
	return operate(worker, arg[0], own_handle(worker, arg[0], arg[1]),
		       answer_of(worker, arg[2]),
		       id_of(worker, arg[3]),
		       arg[4] ? arg[4] - 1 : worker->length, error_of(arg[5]),
		       arg[6]);
}

/* Serve rightly for a while; a signal or anything wrong ends it. */
long call_serve(struct worker *worker, const uint64_t *arg)
{
	uint64_t left = arg[2] % 64 + 1;
	long ret = 0;

	while (left-- && !ret && !common->hurry) {
		uint32_t answer = right_answer(worker->operation);

		ret = operate(worker, arg[0],
			      own_handle(worker, arg[0], arg[1]),
			      answer, worker->id, worker->length,
			      error_of(left % 4 == 3 ? arg[3] : 0), arg[4]);
		if (left && !ret)
			count(worker->op, 0);
	}
	return ret;
}
