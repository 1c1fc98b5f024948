/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * zosbd2: the extension of the classic protocol: recovery, sessions, flush.
 *
 * A device that was created with ZOSBD2_IOC_CREATE has a recovery policy and
 * features that the classic protocol lacks.  A server attaches to a device
 * with ZOSBD2_IOC_ATTACH and gets a file descriptor, its session, on which it
 * calls ZOSBD2_IOCTL_DEVICE_OPERATION and ZOSBD2_IOCTL_DEVICE_PING as a
 * classic server does on the block device; it does not open the block device.
 * Both kinds of device can be served through a session, and one without
 * ZOSBD2_FEATURES_OF_SERVER by classic servers too.
 *
 * The death of a server
 * ---------------------
 * A server is a process that fetches requests.  It is gone when the process
 * ends or executes another program, when its session is closed for the last
 * time, and, for one that serves through the block device, when it has closed
 * that.  What it had fetched and not answered is then handed on, or fails:
 * see enum zosbd2_recovery.  Whatever it answers later is dropped.
 *
 * A server is not told which of its requests somebody has fetched before.  A
 * write may thus have reached the storage already, in whole or in part, when
 * it is handed on: it must be possible to repeat it.  A server that keeps
 * acknowledged writes in a volatile cache must keep that cache where its
 * successor finds it.
 *
 * All calls are made on the control node and need CAP_SYS_ADMIN.  Reserved
 * fields must be 0 (else EINVAL) and are written as 0.
 */
#ifndef _UAPI_LINUX_ZOSBD2_EXT_H
#define _UAPI_LINUX_ZOSBD2_EXT_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/zosbd2.h>

/* What zosbd2_ext_info.version tells: each has all of the ones before. */
#define ZOSBD2_EXT_VERSION_SESSIONS	1
#define ZOSBD2_EXT_VERSION_RINGS	2	/* <linux/zosbd2_ring.h> */

#define ZOSBD2_EXT_VERSION		ZOSBD2_EXT_VERSION_RINGS

#define ZOSBD2_IOC_GET_INFO	_IOR(0xBD, 0x00, struct zosbd2_ext_info)
#define ZOSBD2_IOC_CREATE	_IOWR(0xBD, 0x01, struct zosbd2_ext_create)
#define ZOSBD2_IOC_GET_STATUS	_IOWR(0xBD, 0x02, struct zosbd2_ext_status)
#define ZOSBD2_IOC_ATTACH	_IOW(0xBD, 0x03, struct zosbd2_ext_attach)
#define ZOSBD2_IOC_RESIZE	_IOW(0xBD, 0x04, struct zosbd2_ext_resize)

/*
 * Features of a device.  Unknown ones are refused with EOPNOTSUPP.
 *
 * FLUSH: the device has a volatile write cache.  A write may be acknowledged
 *	before it is durable; ZOSBD2_OP_FLUSH_REQUEST asks to make durable
 *	whatever was acknowledged before the flush was fetched.  Without it a
 *	write must be durable when it is acknowledged.
 * FUA: a write with ZOSBD2_REQUEST_FUA must be durable itself when it is
 *	acknowledged.  Needs FLUSH; without FUA the block layer sends a flush
 *	behind the write.
 * WRITE_ZEROES: the server understands ZOSBD2_OP_WRITE_ZEROES_REQUEST.
 * READ_ONLY: there are neither writes nor discards.
 * PARTITIONS: the device may have partitions.  The table is read when
 *	somebody asks for it (BLKRRPART), as nobody serves a new device yet.
 * ROTATIONAL: seeks take time; since ZOSBD2_EXT_VERSION_RINGS.
 */
#define ZOSBD2_FEATURE_FLUSH		(1ULL << 0)
#define ZOSBD2_FEATURE_FUA		(1ULL << 1)
#define ZOSBD2_FEATURE_WRITE_ZEROES	(1ULL << 2)
#define ZOSBD2_FEATURE_READ_ONLY	(1ULL << 3)
#define ZOSBD2_FEATURE_PARTITIONS	(1ULL << 4)

#define ZOSBD2_FEATURE_ROTATIONAL	(1ULL << 5)

/* Limits of a device of this version, besides those of a classic one. */
#define ZOSBD2_MAX_QUEUES		64
#define ZOSBD2_MAX_QUEUE_DEPTH		4096
#define ZOSBD2_MAX_IO_BYTES		(16U << 20)
#define ZOSBD2_MAX_DISCARD_BYTES	(1U << 30)

/* Those that a server must understand to serve a device that has them. */
#define ZOSBD2_FEATURES_OF_SERVER	(ZOSBD2_FEATURE_FLUSH | \
					 ZOSBD2_FEATURE_FUA | \
					 ZOSBD2_FEATURE_WRITE_ZEROES)

/* zosbd2_op_header.operation, to the server, of devices with the feature */
#define ZOSBD2_OP_FLUSH_REQUEST		44	/* no length, no segments */
#define ZOSBD2_OP_WRITE_ZEROES_REQUEST	45	/* as a discard request */

/* zosbd2_op_header.operation, to the kernel */
#define ZOSBD2_OP_WRITE_ZEROES_RESPONSE	36
#define ZOSBD2_OP_FLUSH_RESPONSE	39

/*
 * zosbd2_op_request.flags
 *
 * FUA: of a write, see above.
 * NO_UNMAP: of write zeroes: keep the space.
 */
#define ZOSBD2_REQUEST_FUA		(1U << 0)
#define ZOSBD2_REQUEST_NO_UNMAP		(1U << 1)

/**
 * enum zosbd2_recovery - what becomes of requests while nobody serves a device
 * @ZOSBD2_RECOVERY_WAIT: what the dead server had fetched and what is new
 *	waits for the next server.  A request for which none comes within the
 *	device's time-out fails; once nobody has served the device for that
 *	long, new requests fail at once, until a server comes.  This is what
 *	ZOSBD2_IOCTL_CREATE_DEVICE makes.
 * @ZOSBD2_RECOVERY_FAIL: what the dead server had fetched fails at once.
 *	When it was the last one, so does everything else, until a server
 *	comes.
 *
 * Before the first server has come requests wait for it under both policies.
 */
enum zosbd2_recovery {
	ZOSBD2_RECOVERY_WAIT = 0,
	ZOSBD2_RECOVERY_FAIL = 1,
};

/**
 * struct zosbd2_ext_info - argument of ZOSBD2_IOC_GET_INFO
 * @version: out, ZOSBD2_EXT_VERSION
 * @max_devices: out, devices there can be at once
 * @features: out, features that devices can be created with
 */
struct zosbd2_ext_info {
	__u32 version;
	__u32 max_devices;
	__aligned_u64 features;
};

/**
 * struct zosbd2_ext_create - argument of ZOSBD2_IOC_CREATE
 * @device_name: in, as in struct zosbd2_create
 * @number_of_blocks: in, blocks of @block_size
 * @features: in, ZOSBD2_FEATURE_*
 * @block_size: in, logical block size in bytes
 * @timeout_seconds: in, as in struct zosbd2_create
 * @max_segments: in, 0 means 256, at most 256
 * @recovery: in, enum zosbd2_recovery
 * @handle_id: out, the new device's handle, never 0
 * @queues: in, hardware queues, 0 means 1, at most ZOSBD2_MAX_QUEUES; there
 *	are not more than the machine has CPUs.  One with several is served by
 *	channels only, see <linux/zosbd2_ring.h>
 * @queue_depth: in, requests under way at once in each queue, at most
 *	ZOSBD2_MAX_QUEUE_DEPTH; 0 means what the module's parameter says
 * @physical_block_size: in, in bytes, a power of two from block_size on; 0
 *	means block_size
 * @max_io_bytes: in, data of a request at most, a multiple of block_size and
 *	of the page size, at most ZOSBD2_MAX_IO_BYTES; 0 means
 *	ZOSBD2_MAX_DATA_BYTES, and more is served by channels only
 * @io_opt: in, the optimal size of a request in bytes, a multiple of
 *	physical_block_size, at most ZOSBD2_MAX_IO_BYTES; 0 means that there is
 *	none
 * @max_discard_bytes: in, of a discard or write zeroes, a multiple of
 *	discard_granularity and of physical_block_size, at most
 *	ZOSBD2_MAX_DISCARD_BYTES; 0 means 128 MiB
 * @discard_granularity: in, in bytes, a power of two from block_size on; 0
 *	means block_size
 * @poll_queues: in, queues for polled I/O besides, numbered behind the others,
 *	at most ZOSBD2_MAX_QUEUES and as many as there are CPUs: who submitted a
 *	request there ends it himself when it is answered
 * @reserved: 0
 *
 * Version ZOSBD2_EXT_VERSION_SESSIONS knows nothing behind handle_id, which has
 * to be 0 there, and of block_size nothing but ZOSBD2_BLOCK_SIZE.  Since then it
 * is a power of two from 512 to the page size, or to 64 KiB where the kernel
 * has larger blocks (6.15); the limits of the size are those of a classic
 * device, in bytes.
 */
struct zosbd2_ext_create {
	char device_name[ZOSBD2_NAME_LEN];
	__aligned_u64 number_of_blocks;
	__aligned_u64 features;
	__u32 block_size;
	__u32 timeout_seconds;
	__u32 max_segments;
	__u32 recovery;
	__u32 handle_id;
	__u32 queues;
	__u32 queue_depth;
	__u32 physical_block_size;
	__u32 max_io_bytes;
	__u32 io_opt;
	__u32 max_discard_bytes;
	__u32 discard_granularity;
	__u32 poll_queues;
	__u32 reserved;
};

/**
 * struct zosbd2_ext_status - argument of ZOSBD2_IOC_GET_STATUS
 * @handle_id: in, the device
 * @block_size: out, in bytes
 * @number_of_blocks: out
 * @features: out, ZOSBD2_FEATURE_*
 * @timeout_seconds: out
 * @max_segments: out
 * @recovery: out, enum zosbd2_recovery
 * @servers: out, processes that serve it now, and sessions that were attached
 *	and have not made a call yet; not those that were taken over from
 * @device_name: out, NUL-terminated
 * @queues: out, those for polled I/O not counted
 * @queue_depth: out, of each
 * @physical_block_size: out, in bytes
 * @max_io_bytes: out
 * @io_opt: out, in bytes
 * @max_discard_bytes: out
 * @discard_granularity: out, in bytes
 * @poll_queues: out
 *
 * What follows device_name is 0 before ZOSBD2_EXT_VERSION_RINGS.
 */
struct zosbd2_ext_status {
	__u32 handle_id;
	__u32 block_size;
	__aligned_u64 number_of_blocks;
	__aligned_u64 features;
	__u32 timeout_seconds;
	__u32 max_segments;
	__u32 recovery;
	__u32 servers;
	char device_name[ZOSBD2_NAME_LEN];
	__u32 queues;
	__u32 queue_depth;
	__u32 physical_block_size;
	__u32 max_io_bytes;
	__u32 io_opt;
	__u32 max_discard_bytes;
	__u32 discard_granularity;
	__u32 poll_queues;
};

/*
 * Take the device over.  Its servers are asked to quiesce: each of their
 * threads gets one ZOSBD2_OP_SIGNAL with ZOSBD2_SIGNAL_SHUTDOWN when it calls
 * or waits, and no more requests; it is to hand in what it still has, and to
 * close.  New requests wait meanwhile, and whoever attaches meanwhile is one of
 * those servers.  The call returns when no request is with them any more.
 *
 * A thread that hands in an answer after that gets the signal again.  If it
 * calls with nothing to answer it waits for what becomes of the take-over: it
 * gets a request as before if that was given up, and ZOSBD2_OP_DEVICE_GONE if
 * it has succeeded.  Then the old servers never serve again through what they
 * served through, also when the new one closes or dies.  Of several take-overs
 * at once each waits for the one before.
 */
#define ZOSBD2_ATTACH_TAKE_OVER		(1U << 0)

/**
 * struct zosbd2_ext_attach - argument of ZOSBD2_IOC_ATTACH
 * @handle_id: in, the device
 * @flags: in, ZOSBD2_ATTACH_*
 * @features: in, what of ZOSBD2_FEATURES_OF_SERVER the server understands
 * @timeout_ms: in, with TAKE_OVER: how long to wait for the other servers
 * @reserved: 0
 *
 * Returns a file descriptor (close-on-exec), or fails with
 * ENOENT: there is no such device;
 * EINVAL: an unknown flag or feature, or a reserved field that is not 0;
 * EOPNOTSUPP: the device has a feature that the server does not understand;
 * ETIMEDOUT: the other servers did not hand in what they have within
 *	timeout_ms, or a take-over before did not end: they go on as before;
 * EINTR: a signal came first: they go on as before.
 */
struct zosbd2_ext_attach {
	__u32 handle_id;
	__u32 flags;
	__aligned_u64 features;
	__u32 timeout_ms;
	__u32 reserved[3];
};

/**
 * struct zosbd2_ext_resize - argument of ZOSBD2_IOC_RESIZE
 * @handle_id: in, the device
 * @reserved: 0
 * @number_of_blocks: in, the new size in blocks of the device, within the
 *	limits of a create
 *
 * A device can grow at any time; its servers must be able to serve the new
 * part before.  It can shrink only while nobody but its servers has it open,
 * else EBUSY.
 */
struct zosbd2_ext_resize {
	__u32 handle_id;
	__u32 reserved;
	__aligned_u64 number_of_blocks;
};

#endif /* _UAPI_LINUX_ZOSBD2_EXT_H */
