// SPDX-License-Identifier: LGPL-2.1-or-later
#include "worker.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/zosbd2.h>
#include <linux/zosbd2_ext.h>

_Static_assert(sizeof(struct zosbd2_operation) == ZOSBD2_OPERATION_SIZE,
	       "the data starts directly behind the operation");
/* Both sides are the same number, which is the point. */
/* NOLINTBEGIN(misc-redundant-expression) */
_Static_assert(ZOSBD2_IO_FUA == ZOSBD2_REQUEST_FUA, "FUA");
_Static_assert(ZOSBD2_IO_NO_UNMAP == ZOSBD2_REQUEST_NO_UNMAP, "NO_UNMAP");
/* NOLINTEND(misc-redundant-expression) */

/*
 * The data lies 4152 bytes into the buffer.  Starting the buffer that much
 * before a page puts the data on a page, where copies are fastest and where a
 * callback may use it for direct I/O.
 */
int exchange_init(struct exchange *exchange)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t head = (ZOSBD2_OPERATION_SIZE + page - 1) / page * page;
	void *start;

	exchange->map_size = head + ZOSBD2_MAX_DATA_BYTES;
	exchange->map = mmap(NULL, exchange->map_size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (exchange->map == MAP_FAILED) {
		exchange->map = NULL;
		return -errno;
	}
	exchange->data = (unsigned char *)exchange->map + head;
	start = exchange->data - ZOSBD2_OPERATION_SIZE;
	exchange->operation = start;
	return 0;
}

void exchange_destroy(struct exchange *exchange)
{
	if (exchange->map)
		munmap(exchange->map, exchange->map_size);
	exchange->map = NULL;
}

/* The bits that the library knows what to promise about. */
static uint32_t io_flags(const struct exchange *exchange)
{
	return exchange->operation->request.flags &
	       (ZOSBD2_IO_FUA | ZOSBD2_IO_NO_UNMAP);
}

static int serve_run(struct service *service, uint32_t kind, uint64_t start,
		     uint64_t length, unsigned char *data, uint32_t flags)
{
	const struct zosbd2_ops *ops = &service->ops;

	switch (kind) {
	case ZOSBD2_OP_READ_REQUEST:
		return ops->read(service->ctx, start, data, length, flags);
	case ZOSBD2_OP_WRITE_REQUEST:
		return ops->write(service->ctx, start, data, length, flags);
	case ZOSBD2_OP_WRITE_ZEROES_REQUEST:
		if (!ops->write_zeroes)
			return -EOPNOTSUPP;
		return ops->write_zeroes(service->ctx, start, length, flags);
	default:
		if (!ops->discard)
			return -EOPNOTSUPP;
		return ops->discard(service->ctx, start, length, flags);
	}
}

/* Segments of one request follow each other, so nearly always one call. */
static int serve_segments(struct service *service, struct exchange *exchange,
			  uint32_t kind)
{
	const struct zosbd2_operation *operation = exchange->operation;
	const struct zosbd2_segment *segments = operation->segments;
	const uint32_t count = operation->request.number_of_segments;
	const bool has_data = kind == ZOSBD2_OP_READ_REQUEST ||
			      kind == ZOSBD2_OP_WRITE_REQUEST;
	const uint32_t flags = io_flags(exchange);
	uint64_t start, length, done = 0;
	uint32_t at = 0;
	int error;

	if (count > ZOSBD2_MAX_SEGMENTS)
		return -EPROTO;
	while (at < count) {
		start = segments[at].start_byte;
		length = segments[at].length_bytes;
		at++;
		while (at < count && segments[at].start_byte == start + length)
			length += segments[at++].length_bytes;
		if (has_data && length > ZOSBD2_MAX_DATA_BYTES - done)
			return -EPROTO;
		error = serve_run(service, kind, start, length,
				  exchange->data + (has_data ? done : 0), flags);
		if (error)
			return error < 0 ? error : -EIO;
		done += length;
	}
	return done == operation->request.total_length ? 0 : -EPROTO;
}

static int serve_flush(struct service *service, const struct exchange *exchange)
{
	int error;

	if (!service->ops.flush)
		return -EOPNOTSUPP;
	error = service->ops.flush(service->ctx, io_flags(exchange));
	return error > 0 ? -EIO : error;
}

static uint32_t response_to(uint32_t kind)
{
	switch (kind) {
	case ZOSBD2_OP_READ_REQUEST:
		return ZOSBD2_OP_READ_RESPONSE;
	case ZOSBD2_OP_WRITE_REQUEST:
		return ZOSBD2_OP_WRITE_RESPONSE;
	case ZOSBD2_OP_FLUSH_REQUEST:
		return ZOSBD2_OP_FLUSH_RESPONSE;
	case ZOSBD2_OP_WRITE_ZEROES_REQUEST:
		return ZOSBD2_OP_WRITE_ZEROES_RESPONSE;
	default:
		return ZOSBD2_OP_DISCARD_RESPONSE;
	}
}

static void serve_request(struct service *service, struct exchange *exchange)
{
	struct zosbd2_operation *operation = exchange->operation;
	const uint32_t kind = operation->header.operation;

	/* total_length and operation_id go back as they came. */
	operation->error = kind == ZOSBD2_OP_FLUSH_REQUEST ?
				   serve_flush(service, exchange) :
				   serve_segments(service, exchange, kind);
	operation->header.operation = response_to(kind);
}

static void nothing_to_answer(struct zosbd2_operation *operation)
{
	operation->header.operation = ZOSBD2_OP_NO_RESPONSE;
	operation->header.size = 0;
	operation->error = 0;
}

/* The device is gone for this server: destroyed, or another's. */
static enum zosbd2_end gone(const struct service *service)
{
	return ioctl(service->fd, ZOSBD2_IOCTL_DEVICE_PING, NULL) == 0 ?
		       ZOSBD2_END_TAKEN_OVER :
		       ZOSBD2_END_GONE;
}

/* Act on what a call brought.  Returns how the thread ends, or NONE. */
static enum zosbd2_end take_message(struct service *service,
				    struct exchange *exchange)
{
	struct zosbd2_operation *operation = exchange->operation;

	switch (operation->header.operation) {
	case ZOSBD2_OP_DEVICE_GONE:
		return gone(service);
	case ZOSBD2_OP_READ_REQUEST:
	case ZOSBD2_OP_WRITE_REQUEST:
	case ZOSBD2_OP_DISCARD_REQUEST:
	case ZOSBD2_OP_FLUSH_REQUEST:
	case ZOSBD2_OP_WRITE_ZEROES_REQUEST:
		serve_request(service, exchange);
		return ZOSBD2_END_NONE;
	case ZOSBD2_OP_SIGNAL:
		/* The next call waits for what becomes of the take-over. */
		if (operation->signal.signal_action ==
			    ZOSBD2_SIGNAL_SHUTDOWN &&
		    service->ops.shutdown)
			service->ops.shutdown(service->ctx);
		break;
	default:
		/* ZOSBD2_OP_NO_REQUEST: call again. */
		break;
	}
	nothing_to_answer(operation);
	return ZOSBD2_END_NONE;
}

int worker_run(struct service *service, struct exchange *exchange)
{
	struct zosbd2_operation *operation = exchange->operation;
	enum zosbd2_end end;

	nothing_to_answer(operation);
	for (;;) {
		/* Never leave with an answer in hand. */
		if (operation->header.operation == ZOSBD2_OP_NO_RESPONSE &&
		    atomic_load_explicit(&service->stop, memory_order_relaxed))
			return ZOSBD2_END_STOPPED;
		operation->handle_id = service->handle;
		if (ioctl(service->fd, ZOSBD2_IOCTL_DEVICE_OPERATION,
			  operation) == 0) {
			end = take_message(service, exchange);
			if (end)
				return end;
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
			return gone(service);
		default:
			return -errno;
		}
	}
}
