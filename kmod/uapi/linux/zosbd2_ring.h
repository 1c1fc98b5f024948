/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * zosbd2: the ring protocol: many requests a call, and data copied once.
 *
 * A thread attaches to a queue of a device with ZOSBD2_IOC_ATTACH_QUEUE on
 * the control node and gets a file descriptor, its channel.  It maps the
 * channel and finds two rings there: requests, which the kernel fills, and
 * answers, which the thread fills.  ZOSBD2_IOC_ENTER carries all answers out
 * and brings all requests that there are, in one call.
 *
 * Rings
 * -----
 * Positions count up and wrap at 2^32; entry n of a ring is at index
 * n & (entries - 1).  The kernel writes requests and then request_tail; the
 * server reads entries up to request_tail, and then writes request_head, which
 * makes room.  The server writes answers and then answer_tail; the kernel
 * carries them out in order and then writes answer_head.  The kernel looks at
 * what the server writes during ZOSBD2_IOC_ENTER only, takes it once, and
 * trusts none of it.
 *
 * Data
 * ----
 * No data is in the rings.  An answer with ZOSBD2_ANSWER_COPY names an address
 * in the server's memory, and the kernel copies between there and the
 * request's pages: to them for a read, from them for a write.  With
 * ZOSBD2_ANSWER_END as well that is all there is to a request whose place in
 * memory the server knows; without it the request stays with the server, which
 * looks at a write's data before it answers, or puts a read together from
 * pieces.
 *
 * Servers
 * -------
 * A channel is a session as ZOSBD2_IOC_ATTACH makes them: see
 * <linux/zosbd2_ext.h> for what becomes of requests when it is closed or its
 * process dies, and for how another one takes over.  Only the process that
 * attached may call and map a channel, and one thread at a time calls.  Every
 * queue of a device needs a channel: what comes through one without waits.  A
 * device with one queue and requests of at most ZOSBD2_MAX_DATA_BYTES can be
 * served through channels and sessions at once.
 *
 * A server with several channels has the first one take over, and names in the
 * others the generation that it finds in its ring, so that it does not serve a
 * part of a device that was taken from it meanwhile.
 *
 * ZOSBD2_IOC_ATTACH_QUEUE needs CAP_SYS_ADMIN.
 */
#ifndef _UAPI_LINUX_ZOSBD2_RING_H
#define _UAPI_LINUX_ZOSBD2_RING_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/zosbd2_ext.h>

#define ZOSBD2_RING_MAX_ENTRIES		4096

/* On the control node. */
#define ZOSBD2_IOC_ATTACH_QUEUE	_IOWR(0xBD, 0x05, struct zosbd2_ring_attach)

/* On a channel; the argument is a number, not a pointer: ZOSBD2_ENTER_*. */
#define ZOSBD2_IOC_ENTER	_IO(0xBD, 0x20)

/*
 * On a channel, from any thread of its process: the thread that sleeps in
 * ZOSBD2_IOC_ENTER, or else the next one that would, returns 0.  No argument;
 * fails with EPERM as that does.
 */
#define ZOSBD2_IOC_WAKE		_IO(0xBD, 0x21)

/*
 * Argument of ZOSBD2_IOC_ENTER: how many requests to bring at most, 0 to
 * 65535, and
 *
 * WAIT: sleep until there is one, if there is none.
 *
 * Returns how many it brought, or fails with
 * EINVAL: a wrong argument; nothing has been done;
 * EPROTO: answer_tail cannot be, or request_head where the channel may get
 *	requests; as much as the ring has entries is between it and its
 *	counterpart;
 * EBADMSG, EFAULT: the answer at answer_head is wrong, or its memory is not
 *	there; those before it have been carried out;
 * ENOBUFS: requests were asked for, and request_head leaves no room for one;
 *	all answers have been carried out;
 * EINTR: a signal came; the answers before answer_head have been carried out,
 *	which is all of them unless the signal is fatal;
 * ENOENT: the device is gone or another server has taken over: see
 *	zosbd2_ring.state;
 * EPERM: another process attached the channel;
 * EBUSY: another thread is in such a call;
 * EBADF: the device regards the process as ended.
 */
#define ZOSBD2_ENTER_MAX_REQUESTS	0xffffU
#define ZOSBD2_ENTER_WAIT		(1U << 16)

/**
 * enum zosbd2_ring_state - what the device is to a channel
 * @ZOSBD2_RING_SERVING: requests come
 * @ZOSBD2_RING_QUIESCING: somebody takes over: none come any more; the server
 *	is to hand in what it has.  It is told by a call that asks for requests
 *	and brings none; the next one with WAIT waits for what becomes of the
 *	take-over
 * @ZOSBD2_RING_TAKEN_OVER: somebody has: the server is to close
 * @ZOSBD2_RING_GONE: the device is destroyed: the server is to close
 */
enum zosbd2_ring_state {
	ZOSBD2_RING_SERVING = 0,
	ZOSBD2_RING_QUIESCING = 1,
	ZOSBD2_RING_TAKEN_OVER = 2,
	ZOSBD2_RING_GONE = 3,
};

/**
 * struct zosbd2_ring - the start of a channel's mapping
 * @request_tail: written by the kernel: requests before it are there
 * @answer_head: written by the kernel: answers before it are carried out
 * @state: written by the kernel: enum zosbd2_ring_state, as of the last call
 * @reserved0: 0
 * @generation: written by the kernel: how many take-overs of the device have
 *	succeeded when the channel was attached, with its own; counts from 1
 * @reserved1: 0
 * @request_head: written by the server: requests before it have been read
 * @answer_tail: written by the server: answers before it are there
 * @reserved2: not looked at; what will be has to be asked for with a flag of
 *	ZOSBD2_IOC_ATTACH_QUEUE
 */
struct zosbd2_ring {
	__u32 request_tail;
	__u32 answer_head;
	__u32 state;
	__u32 reserved0;
	__aligned_u64 generation;
	__u32 reserved1[10];
	__u32 request_head;
	__u32 answer_tail;
	__u32 reserved2[14];
};

/* zosbd2_ring_request.operation */
#define ZOSBD2_RING_READ		1
#define ZOSBD2_RING_WRITE		2
#define ZOSBD2_RING_FLUSH		3
#define ZOSBD2_RING_DISCARD		4
#define ZOSBD2_RING_WRITE_ZEROES	5

/**
 * struct zosbd2_ring_request - a request
 * @id: its name until it ends; never 0, and not used again
 * @start_byte: where it starts, in bytes from the start of the device
 * @length_bytes: how much of the device it covers; 0 for a flush
 * @operation: ZOSBD2_RING_*
 * @flags: ZOSBD2_REQUEST_*
 * @reserved: 0
 */
struct zosbd2_ring_request {
	__aligned_u64 id;
	__aligned_u64 start_byte;
	__u32 length_bytes;
	__u16 operation;
	__u16 flags;
	__u32 reserved[2];
};

/*
 * zosbd2_ring_answer.flags; at least one.
 *
 * COPY: copy data of a read from the server's memory, of a write to it.
 * END: the request has ended, with @error.
 */
#define ZOSBD2_ANSWER_COPY		(1U << 0)
#define ZOSBD2_ANSWER_END		(1U << 1)

/**
 * struct zosbd2_ring_answer - an answer
 * @id: in, the request.  One that is not with the server any more (it timed
 *	out, or was taken away) is no error: the answer has no effect
 * @address: in, with COPY: where in the server's memory
 * @length_bytes: in, with COPY: how much to copy; 0 means all from @offset on
 * @offset: in, with COPY: where in the request's data, in bytes.  The pieces
 *	of a read come in order and without gaps; what is behind the last one
 *	when the request ends without an error reads as zeroes
 * @error: in, with END: 0, or the negative errno that the request fails with:
 *	ENOSPC and EOPNOTSUPP reach whoever uses the device, others are EIO to
 *	him; without END in 0, and out 0, or -ENOENT if there is no such request
 * @flags: in, ZOSBD2_ANSWER_*
 * @reserved: in, 0
 */
struct zosbd2_ring_answer {
	__aligned_u64 id;
	__aligned_u64 address;
	__u32 length_bytes;
	__u32 offset;
	__s32 error;
	__u16 flags;
	__u16 reserved;
};

/**
 * struct zosbd2_ring_attach - argument of ZOSBD2_IOC_ATTACH_QUEUE
 * @handle_id: in, the device
 * @flags: in, ZOSBD2_ATTACH_*
 * @features: in, as in struct zosbd2_ext_attach
 * @timeout_ms: in, as in struct zosbd2_ext_attach
 * @queue: in, which queue of the device, counted from 0
 * @entries: in, of each ring: a power of two up to ZOSBD2_RING_MAX_ENTRIES;
 *	0: as many as the queue is deep, or a little more; out, how many it has
 * @requests_offset: out, of the requests in the mapping, in bytes
 * @answers_offset: out, of the answers in the mapping, in bytes
 * @map_bytes: out, what to map, from offset 0 on, shared
 * @generation: in, 0, or the generation of another channel of the server; not
 *	with ZOSBD2_ATTACH_TAKE_OVER
 * @reserved: 0
 *
 * Returns a file descriptor (close-on-exec), or fails as ZOSBD2_IOC_ATTACH
 * does, with EINVAL for a queue that the device does not have, and with ESTALE
 * if another server has taken over since @generation.  If one is about to, the
 * channel is taken over with the others.
 */
struct zosbd2_ring_attach {
	__u32 handle_id;
	__u32 flags;
	__aligned_u64 features;
	__u32 timeout_ms;
	__u32 queue;
	__u32 entries;
	__u32 requests_offset;
	__u32 answers_offset;
	__u32 map_bytes;
	__aligned_u64 generation;
	__u32 reserved[4];
};

#endif /* _UAPI_LINUX_ZOSBD2_RING_H */
