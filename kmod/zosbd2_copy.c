// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: what goes through a server's buffer.
 *
 * All of it is called with page faults disabled, see zosbd2_serve.c.
 */
#include <linux/highmem.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "zosbd2.h"

static_assert(ZOSBD2_HEAD_IN_BYTES ==
	      offsetof(struct zosbd2_operation, segments));
static_assert(sizeof(struct zosbd2_operation) == ZOSBD2_OPERATION_SIZE);
static_assert(ZOSBD2_TAIL_OFFSET + sizeof(struct zosbd2_tail) ==
	      ZOSBD2_OPERATION_SIZE);
static_assert(sizeof(struct zosbd2_head) == 64);

/* How the two directions name the same kind of request. */
static u32 zosbd2_request_op(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return ZOSBD2_OP_READ_REQUEST;
	case REQ_OP_WRITE:
		return ZOSBD2_OP_WRITE_REQUEST;
	case REQ_OP_FLUSH:
		return ZOSBD2_OP_FLUSH_REQUEST;
	case REQ_OP_WRITE_ZEROES:
		return ZOSBD2_OP_WRITE_ZEROES_REQUEST;
	default:
		return ZOSBD2_OP_DISCARD_REQUEST;
	}
}

/**
 * zosbd2_response_op - how a server names the answer to a request
 * @rq: the request
 *
 * Return: ZOSBD2_OP_*_RESPONSE.
 */
u32 zosbd2_response_op(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return ZOSBD2_OP_READ_RESPONSE;
	case REQ_OP_WRITE:
		return ZOSBD2_OP_WRITE_RESPONSE;
	case REQ_OP_FLUSH:
		return ZOSBD2_OP_FLUSH_RESPONSE;
	case REQ_OP_WRITE_ZEROES:
		return ZOSBD2_OP_WRITE_ZEROES_RESPONSE;
	default:
		return ZOSBD2_OP_DISCARD_RESPONSE;
	}
}

static bool zosbd2_copy_to_server(struct request *rq, void __user *data)
{
	struct req_iterator iter;
	struct iov_iter to;
	struct bio_vec bv;

	iov_iter_ubuf(&to, ITER_DEST, data, blk_rq_bytes(rq));
	rq_for_each_segment(bv, rq, iter)
		if (copy_page_to_iter(bv.bv_page, bv.bv_offset, bv.bv_len,
				      &to) != bv.bv_len)
			return false;
	return true;
}

/**
 * zosbd2_copy_from_server - copy the data of a read
 * @rq: the request, owned by the caller
 * @data: the data in the server's buffer
 *
 * Return: false if a page of the buffer was not there.
 */
bool zosbd2_copy_from_server(struct request *rq, void __user *data)
{
	struct req_iterator iter;
	struct iov_iter from;
	struct bio_vec bv;

	iov_iter_ubuf(&from, ITER_SOURCE, data, blk_rq_bytes(rq));
	rq_for_each_segment(bv, rq, iter)
		if (copy_page_from_iter(bv.bv_page, bv.bv_offset, bv.bv_len,
					&from) != bv.bv_len)
			return false;
	return true;
}

static bool zosbd2_copy_pages(struct iov_iter *iter, bool to_request,
			      struct request *rq, unsigned int offset,
			      unsigned int bytes)
{
	struct req_iterator at;
	struct bio_vec bv;
	unsigned int part;
	size_t copied;

	/* There is no high memory, so a piece of any size is in one place. */
	rq_for_each_bvec(bv, rq, at) {
		if (offset >= bv.bv_len) {
			offset -= bv.bv_len;
			continue;
		}
		part = min(bv.bv_len - offset, bytes);
		copied = to_request ?
			_copy_from_iter(bvec_virt(&bv) + offset, part, iter) :
			_copy_to_iter(bvec_virt(&bv) + offset, part, iter);
		if (copied != part)
			return false;
		bytes -= part;
		offset = 0;
		if (!bytes)
			break;
	}
	return true;
}

/**
 * zosbd2_copy_piece - copy a part of a request's data
 * @rq: a read or a write, owned by the caller
 * @memory: in the server, as large
 * @offset: where the part starts
 * @bytes: its length; it lies inside the request
 *
 * Return: false if a page of the memory was not there.
 */
bool zosbd2_copy_piece(struct request *rq, void __user *memory,
		       unsigned int offset, unsigned int bytes)
{
	bool reads = req_op(rq) == REQ_OP_READ;
	struct iov_iter iter;

	iov_iter_ubuf(&iter, reads ? ITER_SOURCE : ITER_DEST, memory, bytes);
	return zosbd2_copy_pages(&iter, reads, rq, offset, bytes);
}

/**
 * zosbd2_zero_rest - zero the end of a read's data
 * @rq: the request, owned by the caller
 * @offset: from where on
 */
void zosbd2_zero_rest(struct request *rq, unsigned int offset)
{
	struct req_iterator at;
	struct bio_vec bv;

	rq_for_each_segment(bv, rq, at) {
		if (offset >= bv.bv_len) {
			offset -= bv.bv_len;
			continue;
		}
		memzero_page(bv.bv_page, bv.bv_offset + offset,
			     bv.bv_len - offset);
		offset = 0;
	}
}

/**
 * zosbd2_copy_request - copy a request into its server's buffer
 * @dev: the device
 * @slot: owned by the caller
 * @buf: the buffer
 *
 * Return: false if a page of the buffer was not there.
 */
bool zosbd2_copy_request(struct zosbd2_device *dev, struct zosbd2_slot *slot,
			 char __user *buf)
{
	struct request *rq = slot->rq;
	struct zosbd2_head head = {
		.handle_id = dev->handle_id,
		.header.operation = zosbd2_request_op(rq),
		.request.total_length = blk_rq_bytes(rq),
		.request.flags = zosbd2_request_flags(rq),
	};
	struct zosbd2_tail tail = { .operation_id = (u32)slot->id };
	bool has_data = req_op(rq) == REQ_OP_WRITE;

	if (req_op(rq) != REQ_OP_FLUSH) {
		head.request.number_of_segments = 1;
		head.segment.start_byte = (u64)blk_rq_pos(rq) << SECTOR_SHIFT;
		head.segment.length_bytes = blk_rq_bytes(rq);
	}
	if (has_data)
		head.header.size = blk_rq_bytes(rq);
	if (copy_to_user(buf, &head, sizeof(head)))
		return false;
	if (has_data && !zosbd2_copy_to_server(rq, buf + ZOSBD2_OPERATION_SIZE))
		return false;
	/* Last: who does not get the request does not get its id either. */
	return !copy_to_user(buf + ZOSBD2_TAIL_OFFSET, &tail, sizeof(tail));
}
