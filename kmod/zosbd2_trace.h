/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * zosbd2: tracepoints of a request's life: queued, fetched by a server,
 * answered by it, timed out, handed on as its server is gone.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM zosbd2

#if !defined(_ZOSBD2_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _ZOSBD2_TRACE_H

#include <linux/blk-mq.h>
#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(zosbd2_request,
	TP_PROTO(u32 handle_id, u32 id, struct request *rq),
	TP_ARGS(handle_id, id, rq),
	TP_STRUCT__entry(
		__field(u32, handle_id)
		__field(u32, id)
		__field(u8, op)
		__field(u32, bytes)
		__field(u64, sector)
	),
	TP_fast_assign(
		__entry->handle_id = handle_id;
		__entry->id = id;
		__entry->op = (__force u8)req_op(rq);
		__entry->bytes = blk_rq_bytes(rq);
		__entry->sector = blk_rq_pos(rq);
	),
	TP_printk("handle=%u id=%#x op=%s sector=%llu bytes=%u",
		  __entry->handle_id, __entry->id,
		  __print_symbolic(__entry->op,
				   { (__force u8)REQ_OP_READ, "read" },
				   { (__force u8)REQ_OP_WRITE, "write" },
				   { (__force u8)REQ_OP_DISCARD, "discard" },
				   { (__force u8)REQ_OP_FLUSH, "flush" },
				   { (__force u8)REQ_OP_WRITE_ZEROES, "write-zeroes" }),
		  __entry->sector, __entry->bytes)
);

DEFINE_EVENT(zosbd2_request, zosbd2_queued,
	TP_PROTO(u32 handle_id, u32 id, struct request *rq),
	TP_ARGS(handle_id, id, rq)
);

DEFINE_EVENT(zosbd2_request, zosbd2_fetched,
	TP_PROTO(u32 handle_id, u32 id, struct request *rq),
	TP_ARGS(handle_id, id, rq)
);

DEFINE_EVENT(zosbd2_request, zosbd2_timed_out,
	TP_PROTO(u32 handle_id, u32 id, struct request *rq),
	TP_ARGS(handle_id, id, rq)
);

DEFINE_EVENT(zosbd2_request, zosbd2_handed_on,
	TP_PROTO(u32 handle_id, u32 id, struct request *rq),
	TP_ARGS(handle_id, id, rq)
);

TRACE_EVENT(zosbd2_answered,
	TP_PROTO(u32 handle_id, u32 id, s32 error),
	TP_ARGS(handle_id, id, error),
	TP_STRUCT__entry(
		__field(u32, handle_id)
		__field(u32, id)
		__field(s32, error)
	),
	TP_fast_assign(
		__entry->handle_id = handle_id;
		__entry->id = id;
		__entry->error = error;
	),
	TP_printk("handle=%u id=%#x error=%d",
		  __entry->handle_id, __entry->id, __entry->error)
);

#endif /* _ZOSBD2_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE zosbd2_trace
#include <trace/define_trace.h>
