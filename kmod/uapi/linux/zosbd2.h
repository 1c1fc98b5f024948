/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * zosbd2: block devices served from userspace, the classic protocol.
 *
 * A client creates a block device through the control node
 * /dev/zosbd2ctl.  Any number of threads then open the block device for
 * reading and writing and call ZOSBD2_IOCTL_DEVICE_OPERATION in a loop: each
 * call carries the answer to the last request, waits, and brings the next
 * request.
 *
 * Every call needs CAP_SYS_ADMIN.  All integers are native-endian.  The
 * layouts are those of 64-bit processes; 32-bit processes on a 64-bit kernel
 * are refused with ENOTTY.
 */
#ifndef _UAPI_LINUX_ZOSBD2_H
#define _UAPI_LINUX_ZOSBD2_H

#include <linux/types.h>

/* Node and limits. */
#define ZOSBD2_CONTROL_NODE		"/dev/zosbd2ctl"
#define ZOSBD2_NAME_LEN			32	/* with the NUL */
#define ZOSBD2_MAX_DEVICES		50
#define ZOSBD2_BLOCK_SIZE		4096	/* the only one of this protocol */
#define ZOSBD2_MIN_BLOCKS		1024ULL
#define ZOSBD2_MAX_BLOCKS		3221225472ULL
#define ZOSBD2_MIN_TIMEOUT_SECONDS	1
#define ZOSBD2_MAX_TIMEOUT_SECONDS	1200
#define ZOSBD2_MAX_SEGMENTS		256
#define ZOSBD2_MAX_BATCH_QUEUE_SIZE	256
#define ZOSBD2_MAX_DATA_BYTES		(1U << 20)	/* data of one request */

/*
 * ioctls on the control node.  The numbers are plain, not _IO-encoded.  Each
 * takes a pointer to the struct named behind it, reads nothing but the fields
 * marked "in" and writes nothing but the fields marked "out".
 */
#define ZOSBD2_IOCTL_PING			12	/* no argument */
#define ZOSBD2_IOCTL_CREATE_DEVICE		21	/* zosbd2_create */
#define ZOSBD2_IOCTL_DESTROY_DEVICE_BY_ID	22	/* zosbd2_destroy_by_id */
#define ZOSBD2_IOCTL_DESTROY_DEVICE_BY_NAME	23	/* zosbd2_destroy_by_name */
#define ZOSBD2_IOCTL_DESTROY_ALL_DEVICES	25	/* zosbd2_destroy_all */
#define ZOSBD2_IOCTL_GET_HANDLE_ID_BY_NAME	26	/* zosbd2_get_handle */
#define ZOSBD2_IOCTL_STATUS_DEVICE_LIST		60	/* zosbd2_device_list */
#define ZOSBD2_IOCTL_STATUS_DEVICE_STATUS	61	/* zosbd2_device_status */

/* ioctls on the block device; the file must be open for writing. */
#define ZOSBD2_IOCTL_DEVICE_PING		53	/* no argument */
#define ZOSBD2_IOCTL_DEVICE_OPERATION		58	/* zosbd2_operation + data */

/* zosbd2_op_header.operation, to the kernel */
#define ZOSBD2_OP_NO_RESPONSE		30	/* nothing to answer, wait */
#define ZOSBD2_OP_READ_RESPONSE		31	/* data follows the struct */
#define ZOSBD2_OP_WRITE_RESPONSE	37
#define ZOSBD2_OP_DISCARD_RESPONSE	38

/* zosbd2_op_header.operation, to the server */
#define ZOSBD2_OP_NO_REQUEST		40	/* interrupted, call again */
#define ZOSBD2_OP_READ_REQUEST		41
#define ZOSBD2_OP_WRITE_REQUEST		42	/* data follows the struct */
#define ZOSBD2_OP_DISCARD_REQUEST	43
#define ZOSBD2_OP_SIGNAL		6502	/* see zosbd2_op_signal */
#define ZOSBD2_OP_DEVICE_GONE		8086	/* exit, do not call again */

/* zosbd2_op_signal.signal_action */
#define ZOSBD2_SIGNAL_SHUTDOWN		86	/* please shut down */

/**
 * struct zosbd2_create - argument of ZOSBD2_IOCTL_CREATE_DEVICE
 * @device_name: in, name of the node below /dev, NUL-terminated
 * @block_size: in, logical block size in bytes: ZOSBD2_BLOCK_SIZE
 * @reserved0: padding, neither read nor written
 * @number_of_blocks: in, ZOSBD2_MIN_BLOCKS to ZOSBD2_MAX_BLOCKS
 * @timeout_seconds: in, how long a request may take before it fails with an
 *	I/O error, 1 to 1200
 * @max_segments_per_request: in, 0 means 256, above 256 is taken as 256
 * @bio_segment_batch_queue_size: in, at most 256, otherwise unused
 * @handle_id: out, on success only: the new device's handle, never 0
 * @error: out, 0 or the negative errno of the call
 * @reserved1: padding, neither read nor written; clients may leave it out
 */
struct zosbd2_create {
	char device_name[ZOSBD2_NAME_LEN];
	__u32 block_size;
	__u32 reserved0;
	__aligned_u64 number_of_blocks;
	__u32 timeout_seconds;
	__u32 max_segments_per_request;
	__u32 bio_segment_batch_queue_size;
	__u32 handle_id;
	__s32 error;
	__u32 reserved1;
};

/**
 * struct zosbd2_destroy_by_id - argument of ZOSBD2_IOCTL_DESTROY_DEVICE_BY_ID
 * @handle_id: in, the device
 * @error: out, 0 or the negative errno of the call
 * @force: in, 0: refuse with EBUSY while somebody but its servers has the
 *	device open, and write everything back first; else: at once, requests
 *	that are under way fail
 */
struct zosbd2_destroy_by_id {
	__u32 handle_id;
	__s32 error;
	__u32 force;
};

/**
 * struct zosbd2_destroy_by_name - argument of
 *	ZOSBD2_IOCTL_DESTROY_DEVICE_BY_NAME
 * @device_name: in, the device
 * @error: out, 0 or the negative errno of the call
 * @force: in, as in struct zosbd2_destroy_by_id
 */
struct zosbd2_destroy_by_name {
	char device_name[ZOSBD2_NAME_LEN];
	__s32 error;
	__u32 force;
};

/**
 * struct zosbd2_destroy_all - argument of ZOSBD2_IOCTL_DESTROY_ALL_DEVICES
 * @force: in, as in struct zosbd2_destroy_by_id
 */
struct zosbd2_destroy_all {
	__u32 force;
};

/**
 * struct zosbd2_get_handle - argument of ZOSBD2_IOCTL_GET_HANDLE_ID_BY_NAME
 * @device_name: in, the device
 * @handle_id: out, its handle, on success only
 * @error: out, 0 or the negative errno of the call
 */
struct zosbd2_get_handle {
	char device_name[ZOSBD2_NAME_LEN];
	__u32 handle_id;
	__s32 error;
};

/**
 * struct zosbd2_device_list - argument of ZOSBD2_IOCTL_STATUS_DEVICE_LIST
 * @num_devices: out, how many of @handle_id are used
 * @handle_id: out, the handles in order of creation, 0 where unused
 */
struct zosbd2_device_list {
	__u32 num_devices;
	__u32 handle_id[ZOSBD2_MAX_DEVICES];
};

/**
 * struct zosbd2_device_status - argument of ZOSBD2_IOCTL_STATUS_DEVICE_STATUS
 * @handle_id_request: in, the device
 * @reserved0: padding, neither read nor written
 * @size_in_bytes: out
 * @number_of_blocks: out, blocks of @block_size
 * @block_size: out, in bytes
 * @max_segments_per_request: out
 * @timeout_milliseconds: out
 * @handle_id: out
 * @device_name: out, NUL-terminated
 */
struct zosbd2_device_status {
	__u32 handle_id_request;
	__u32 reserved0;
	__aligned_u64 size_in_bytes;
	__aligned_u64 number_of_blocks;
	__u32 block_size;
	__u32 max_segments_per_request;
	__u32 timeout_milliseconds;
	__u32 handle_id;
	char device_name[ZOSBD2_NAME_LEN];
};

/**
 * struct zosbd2_op_header - what an operation is
 * @operation: ZOSBD2_OP_*
 * @reserved0: padding, 0 to the server, ignored to the kernel
 * @size: to the server: bytes of data behind the struct; ignored to the kernel
 * @signal_number: the signal that ended the wait, with ZOSBD2_OP_NO_REQUEST
 * @reserved1: padding, 0 to the server, ignored to the kernel
 */
struct zosbd2_op_header {
	__u32 operation;
	__u32 reserved0;
	__aligned_u64 size;
	__u32 signal_number;
	__u32 reserved1;
};

/**
 * struct zosbd2_op_request - the packet of a request
 * @total_length: bytes of the device that the request covers
 * @number_of_segments: how many of zosbd2_operation.segments are filled in
 * @flags: 0, but for devices with the features of <linux/zosbd2_ext.h>
 */
struct zosbd2_op_request {
	__aligned_u64 total_length;
	__u32 number_of_segments;
	__u32 flags;
};

/**
 * struct zosbd2_op_response - the packet of a response
 * @total_length: for a read the bytes of data behind the struct, which must
 *	be the request's total_length; for a write or a discard the request's
 *	total_length or 0; ignored if zosbd2_operation.error is set
 */
struct zosbd2_op_response {
	__aligned_u64 total_length;
};

/**
 * struct zosbd2_op_signal - the packet of ZOSBD2_OP_SIGNAL
 * @signal_action: ZOSBD2_SIGNAL_SHUTDOWN
 */
struct zosbd2_op_signal {
	__u32 signal_action;
};

/**
 * struct zosbd2_segment - a contiguous piece of the device
 * @start_byte: where it starts, in bytes from the start of the device
 * @length_bytes: its length
 */
struct zosbd2_segment {
	__aligned_u64 start_byte;
	__aligned_u64 length_bytes;
};

/**
 * struct zosbd2_operation - argument of ZOSBD2_IOCTL_DEVICE_OPERATION
 * @handle_id: the device; must name the one that the node belongs to
 * @reserved0: padding, 0 to the server, ignored to the kernel
 * @header: which operation
 * @request: packet of a request
 * @response: packet of a response
 * @signal: packet of ZOSBD2_OP_SIGNAL
 * @segments: of a request, contiguous on the device; the kernel writes only
 *	those that are used and reads none
 * @error: of a response: not 0 fails the request with an I/O error; in a
 *	request 0
 * @operation_id: names the request; the response gives it back
 *
 * Up to ZOSBD2_MAX_DATA_BYTES of data start directly behind the struct, at
 * ZOSBD2_OPERATION_SIZE bytes from its start; the buffer must have room for
 * that much.
 */
struct zosbd2_operation {
	__u32 handle_id;
	__u32 reserved0;
	struct zosbd2_op_header header;
	union {
		struct zosbd2_op_request request;
		struct zosbd2_op_response response;
		struct zosbd2_op_signal signal;
	};
	struct zosbd2_segment segments[ZOSBD2_MAX_SEGMENTS];
	__s32 error;
	__u32 operation_id;
};

#define ZOSBD2_OPERATION_SIZE	4152U	/* sizeof(struct zosbd2_operation) */

#endif /* _UAPI_LINUX_ZOSBD2_H */
