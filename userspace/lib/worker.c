// SPDX-License-Identifier: LGPL-2.1-or-later
#include "worker.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/zosbd2.h>

_Static_assert(sizeof(struct zosbd2_operation) == ZOSBD2_OPERATION_SIZE,
	       "the data starts directly behind the operation");

/*
 * The data lies 4152 bytes into the buffer.  Starting the buffer that much
 * before a page puts the data on a page, where copies are fastest and where a
 * callback may use it for direct I/O.
 */
int exchange_init(struct exchange *exchange)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t head = (ZOSBD2_OPERATION_SIZE + page - 1) / page * page;

	exchange->map_size = head + ZOSBD2_MAX_DATA_BYTES;
	exchange->map = mmap(NULL, exchange->map_size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (exchange->map == MAP_FAILED) {
		exchange->map = NULL;
		return -errno;
	}
	exchange->data = (unsigned char *)exchange->map + head;
	exchange->operation = (struct zosbd2_operation *)(void *)(
		exchange->data - ZOSBD2_OPERATION_SIZE);
	return 0;
}

void exchange_destroy(struct exchange *exchange)
{
	if (exchange->map)
		munmap(exchange->map, exchange->map_size);
	exchange->map = NULL;
}

static int serve_run(struct service *service, uint32_t kind, uint64_t start,
		     uint64_t length, unsigned char *data)
{
	const struct zosbd2_ops *ops = &service->ops;

	switch (kind) {
	case ZOSBD2_OP_READ_REQUEST:
		return ops->read(service->ctx, start, data, length, 0);
	case ZOSBD2_OP_WRITE_REQUEST:
		return ops->write(service->ctx, start, data, length, 0);
	default:
		if (!ops->discard)
			return -EOPNOTSUPP;
		return ops->discard(service->ctx, start, length, 0);
	}
}

/* Segments of one request follow each other, so nearly always one call. */
static int serve_segments(struct service *service, struct exchange *exchange,
			  uint32_t kind)
{
	const struct zosbd2_operation *operation = exchange->operation;
	const struct zosbd2_segment *segments = operation->segments;
	const uint32_t count = operation->request.number_of_segments;
	const bool has_data = kind != ZOSBD2_OP_DISCARD_REQUEST;
	uint64_t start, length, done = 0;
	uint32_t at = 0;
	int error;

	if (count > ZOSBD2_MAX_SEGMENTS)
		return -EPROTO;
	while (at < count) {
		start = segments[at].start_byte;
		length = segments[at].length_bytes;
		for (at++; at < count &&
			   segments[at].start_byte == start + length; at++)
			length += segments[at].length_bytes;
		if (has_data && length > ZOSBD2_MAX_DATA_BYTES - done)
			return -EPROTO;
		error = serve_run(service, kind, start, length,
				  exchange->data + (has_data ? done : 0));
		if (error)
			return error < 0 ? error : -EIO;
		done += length;
	}
	return done == operation->request.total_length ? 0 : -EPROTO;
}

static void serve_request(struct service *service, struct exchange *exchange)
{
	struct zosbd2_operation *operation = exchange->operation;
	const uint32_t kind = operation->header.operation;

	/* total_length and operation_id go back as they came. */
	operation->error = serve_segments(service, exchange, kind);
	switch (kind) {
	case ZOSBD2_OP_READ_REQUEST:
		operation->header.operation = ZOSBD2_OP_READ_RESPONSE;
		break;
	case ZOSBD2_OP_WRITE_REQUEST:
		operation->header.operation = ZOSBD2_OP_WRITE_RESPONSE;
		break;
	default:
		operation->header.operation = ZOSBD2_OP_DISCARD_RESPONSE;
		break;
	}
}

static void nothing_to_answer(struct zosbd2_operation *operation)
{
	operation->header.operation = ZOSBD2_OP_NO_RESPONSE;
	operation->header.size = 0;
	operation->error = 0;
}

/* Whether a message was the last one. */
static bool take_message(struct service *service, struct exchange *exchange)
{
	struct zosbd2_operation *operation = exchange->operation;

	switch (operation->header.operation) {
	case ZOSBD2_OP_DEVICE_GONE:
		return true;
	case ZOSBD2_OP_READ_REQUEST:
	case ZOSBD2_OP_WRITE_REQUEST:
	case ZOSBD2_OP_DISCARD_REQUEST:
		serve_request(service, exchange);
		return false;
	case ZOSBD2_OP_SIGNAL:
		if (operation->signal.signal_action == ZOSBD2_SIGNAL_SHUTDOWN &&
		    service->ops.shutdown)
			service->ops.shutdown(service->ctx);
		break;
	default:
		/* ZOSBD2_OP_NO_REQUEST: call again. */
		break;
	}
	nothing_to_answer(operation);
	return false;
}

int worker_run(struct service *service, struct exchange *exchange)
{
	struct zosbd2_operation *operation = exchange->operation;

	nothing_to_answer(operation);
	for (;;) {
		/* Never leave with an answer in hand. */
		if (operation->header.operation == ZOSBD2_OP_NO_RESPONSE &&
		    atomic_load_explicit(&service->stop, memory_order_relaxed))
			return 0;
		operation->handle_id = service->handle;
		if (ioctl(service->fd, ZOSBD2_IOCTL_DEVICE_OPERATION,
			  operation) == 0) {
			if (take_message(service, exchange))
				return 0;
			continue;
		}
		switch (errno) {
		case EINTR:
			/*
			 * The module took the answer if it wrote that there
			 * is no request; else the same goes in again.
			 */
			if (operation->header.operation ==
			    ZOSBD2_OP_NO_REQUEST)
				nothing_to_answer(operation);
			break;
		case ENOENT:
			return 0;
		default:
			return -errno;
		}
	}
}
