/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libzosbd2: block devices served from userspace.
 *
 * A program creates a device through a control handle and serves it with
 * callbacks that run on threads of the library:
 *
 *	struct zosbd2_control *control;
 *	struct zosbd2_server *server;
 *	struct zosbd2_params params;
 *	uint32_t handle;
 *
 *	zosbd2_open(&control);
 *	zosbd2_params_init(&params);
 *	params.name = "mydisk";
 *	params.size = 1 << 30;
 *	zosbd2_create(control, &params, &handle);
 *	zosbd2_server_start(control, handle, &ops, ctx, NULL, &server);
 *	...
 *	zosbd2_destroy(control, handle, 0, 2000);
 *	zosbd2_server_join(server);
 *	zosbd2_close(control);
 *
 * Conventions
 *  - Every function that can fail returns 0 (or a count) when it worked and a
 *    negative errno when not.  zosbd2_explain() turns one into advice.
 *  - The library prints nothing, installs no signal handler, changes no state
 *    of the process, and keeps none outside of its handles.
 *  - Calls on one control handle may be made from several threads at once;
 *    closing it must not overlap with them.
 *  - Sizes and offsets are in bytes, times in the unit that the name says.
 *  - Structures that a caller fills in begin with struct_size and are set up
 *    with the function next to them.  Later versions append fields, whose
 *    zero means "as before", so programs keep working without being built
 *    again.  A field that this library does not know and that is not zero is
 *    refused with -E2BIG, an unknown flag with -EINVAL.
 */
#ifndef ZOSBD2_H
#define ZOSBD2_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this header; see zosbd2_version() for that of the library. */
#define ZOSBD2_VERSION_MAJOR	0
#define ZOSBD2_VERSION_MINOR	3
#define ZOSBD2_VERSION_PATCH	0

/* Room for a device's name with its terminating NUL. */
#define ZOSBD2_NAME_SIZE	32

/* The version of the library that is running, such as "0.3.0". */
const char *zosbd2_version(void);

/* ---- control ---------------------------------------------------------- */

/* An open control node.  Not tied to the devices created through it. */
struct zosbd2_control;

/*
 * Open the control node.
 *
 * -ENOENT	there is no control node: the module is not loaded
 * -ENODEV	there is a node, but no module behind it
 * -EPROTONOSUPPORT  the module is older than this library and lacks sessions
 * -EACCES, -EPERM  the caller lacks CAP_SYS_ADMIN
 */
int zosbd2_open(struct zosbd2_control **control);

/* Close it; NULL is ignored.  Devices and servers live on. */
void zosbd2_close(struct zosbd2_control *control);

/* Ask the module for a sign of life. */
int zosbd2_ping(struct zosbd2_control *control);

/*
 * Features of a device.
 *
 * FLUSH	it has a volatile write cache: a write may return before it is
 *		durable, and ops.flush makes durable what has returned by then.
 *		Without it a write must be durable when it returns
 * FUA		a write with ZOSBD2_IO_FUA must be durable when it returns;
 *		needs FLUSH.  Without FUA a flush follows such a write
 * WRITE_ZEROES	zeroes are written with ops.write_zeroes, without data
 * READ_ONLY	there are neither writes nor discards
 * PARTITIONS	it may have partitions; the table is read when somebody asks
 *		for it (BLKRRPART), as nobody serves a new device yet
 * ROTATIONAL	seeks take time (since 0.3)
 */
#define ZOSBD2_DEVICE_FLUSH		(1ull << 0)
#define ZOSBD2_DEVICE_FUA		(1ull << 1)
#define ZOSBD2_DEVICE_WRITE_ZEROES	(1ull << 2)
#define ZOSBD2_DEVICE_READ_ONLY		(1ull << 3)
#define ZOSBD2_DEVICE_PARTITIONS	(1ull << 4)
#define ZOSBD2_DEVICE_ROTATIONAL	(1ull << 5)

/*
 * What becomes of requests when a server dies or stops.
 *
 * WAIT	what it had fetched, and what is new, waits for the next server.  A
 *	request for which none comes within the device's time-out fails; so do
 *	new ones once nobody has served the device for that long
 * FAIL	what it had fetched fails at once, and all that is new while nobody
 *	serves the device
 *
 * Under both, requests wait for the first server.  A request that is handed on
 * may have been carried out already, in whole or in part: it must be possible
 * to repeat it.
 */
enum zosbd2_recover {
	ZOSBD2_RECOVER_WAIT = 0,
	ZOSBD2_RECOVER_FAIL = 1
};

/* What a new device is like.  Zero means the default. */
struct zosbd2_params {
	size_t struct_size;	/* set by zosbd2_params_init() */
	const char *name;	/* of the node below /dev, at most 31 bytes */
	/* bytes, a multiple of block_size, 4 MiB to 12 TiB; no default */
	uint64_t size;
	/*
	 * bytes, default 4096; since 0.3 a power of two from 512 to the page
	 * size, or to 64 KiB where the kernel has larger blocks
	 */
	uint32_t block_size;
	/* a request not answered for this long fails; 1 to 1200, default 60 */
	uint32_t timeout_seconds;
	uint32_t max_segments;	/* per request, at most 256, the default */
	uint32_t flags;		/* none yet */
	/* since 0.2 */
	uint64_t features;	/* ZOSBD2_DEVICE_* */
	uint32_t recovery;	/* enum zosbd2_recover, default WAIT */
	/*
	 * since 0.3.  A module without the ring protocol refuses with -EINVAL
	 * what is not the default.
	 *
	 * hardware queues, at most 64, default 1; the module makes no more than
	 * there are CPUs.  Several are served by the ring protocol only
	 */
	uint32_t queues;
	/* requests at once in each queue, at most 4096; default: the module's */
	uint32_t queue_depth;
	/* bytes, a power of two, default block_size */
	uint32_t physical_block_size;
	/*
	 * data of a request in bytes, at most 16 MiB, default 1 MiB; more is
	 * served by the ring protocol only
	 */
	uint32_t max_io_size;
	uint32_t io_opt;	/* optimal size of a request in bytes, or 0 */
	/*
	 * queues for polled I/O besides, at most 64 and as many as there are
	 * CPUs
	 */
	uint32_t poll_queues;
	uint32_t reserved;	/* 0 */
};

static inline void zosbd2_params_init(struct zosbd2_params *params)
{
	memset(params, 0, sizeof(*params));
	params->struct_size = sizeof(*params);
}

/*
 * Create a device; its node appears below /dev.  Requests wait for a server
 * from then on.  *handle is the device's handle, never 0.
 *
 * -EINVAL	a name or block size that cannot be
 * -ENAMETOOLONG the name has more than 31 bytes
 * -ERANGE	size or timeout_seconds is out of range
 * -EEXIST	a device of this name exists
 * -EMFILE	as many devices exist as the module allows
 * -EOPNOTSUPP	a feature that the module does not know
 */
int zosbd2_create(struct zosbd2_control *control,
		  const struct zosbd2_params *params, uint32_t *handle);

/*
 * Destroy at once: requests that are under way fail and what is not written
 * back is lost.  Without it a destroy writes everything back first and is
 * refused with -EBUSY while anyone but its servers has the device open.
 */
#define ZOSBD2_DESTROY_FORCE	(1u << 0)

/*
 * Destroy a device.  All of its servers end.  Programs such as udev's probes
 * open a device for a moment, so while the answer is -EBUSY the call is tried
 * again for up to patience_ms milliseconds; 0 tries once.
 *
 * -EBUSY	the device is open or mounted
 * -ENOENT	there is no such device
 */
int zosbd2_destroy(struct zosbd2_control *control, uint32_t handle,
		   uint32_t flags, unsigned int patience_ms);
int zosbd2_destroy_by_name(struct zosbd2_control *control, const char *name,
			   uint32_t flags, unsigned int patience_ms);

/* The same for every device that there is. */
int zosbd2_destroy_all(struct zosbd2_control *control, uint32_t flags,
		       unsigned int patience_ms);

/* Find a device's handle.  -ENOENT: no such device. */
int zosbd2_lookup(struct zosbd2_control *control, const char *name,
		  uint32_t *handle);

/* What a device is like. */
struct zosbd2_info {
	size_t struct_size;	/* set by zosbd2_info_init() */
	uint64_t size;		/* bytes */
	uint32_t handle;
	uint32_t block_size;	/* bytes */
	uint32_t timeout_ms;	/* of a request */
	uint32_t max_segments;	/* of a request */
	char name[ZOSBD2_NAME_SIZE]; /* NUL-terminated */
	/* since 0.2 */
	uint64_t features;	/* ZOSBD2_DEVICE_* */
	uint32_t recovery;	/* enum zosbd2_recover */
	uint32_t servers;	/* processes that serve it now */
	/* since 0.3; 0 with a module without the ring protocol */
	uint32_t queues;
	uint32_t queue_depth;	/* of each */
	uint32_t physical_block_size; /* bytes */
	uint32_t max_io_size;	/* bytes */
	uint32_t io_opt;	/* bytes */
	uint32_t poll_queues;	/* besides the queues */
};

static inline void zosbd2_info_init(struct zosbd2_info *info)
{
	memset(info, 0, sizeof(*info));
	info->struct_size = sizeof(*info);
}

/* Describe a device.  -ENOENT: no such device. */
int zosbd2_status(struct zosbd2_control *control, uint32_t handle,
		  struct zosbd2_info *info);

/*
 * Give a device another size in bytes, within the limits of a create.  It can
 * grow at any time; its servers must be able to serve the new part before.
 *
 * -EBUSY	it would shrink, and somebody but its servers has it open
 * -EINVAL	the size is not a multiple of the block size
 * -ERANGE	the size is out of range
 * -ENOENT	there is no such device
 */
int zosbd2_resize(struct zosbd2_control *control, uint32_t handle,
		  uint64_t size);

/*
 * List the handles of all devices, in ascending order.  Writes at most
 * capacity of them and returns how many there are, which may be more.
 */
int zosbd2_list(struct zosbd2_control *control, uint32_t *handles,
		size_t capacity);

/* ---- serving ---------------------------------------------------------- */

/*
 * io_flags of a call.
 *
 * FUA		of a write: it must be durable when it returns.  Only set on a
 *		device with ZOSBD2_DEVICE_FUA
 * NO_UNMAP	of write zeroes: keep the space, so that a later write to it
 *		does not run out of it
 */
#define ZOSBD2_IO_FUA		(1u << 0)
#define ZOSBD2_IO_NO_UNMAP	(1u << 1)

/*
 * What a server does.  The callbacks are called from all threads of the
 * server, several at a time; two that overlap in time may cover the same
 * bytes only if whoever uses the device does so.  Offsets and lengths are
 * multiples of the block size and lie inside the device; a call covers at
 * most the device's max_io_size, a discard or write zeroes possibly more.
 *
 * They return 0, or a negative errno, which fails the request.  A bit of
 * io_flags that is not named above is only ever set once the server asked for
 * it when it started.
 *
 * On a device without ZOSBD2_DEVICE_FLUSH a write must be as durable as the
 * server can make it before it returns.
 */
struct zosbd2_ops {
	size_t struct_size;	/* set by zosbd2_ops_init() */

	/* Fill buf with length bytes of the device from offset on. */
	int (*read)(void *ctx, uint64_t offset, void *buf, size_t length,
		    uint32_t io_flags);

	/* Store length bytes at offset.  buf is not valid after the call. */
	int (*write)(void *ctx, uint64_t offset, const void *buf,
		     size_t length, uint32_t io_flags);

	/*
	 * The bytes are not needed any more.  Optional: without it discards
	 * fail with -EOPNOTSUPP.
	 */
	int (*discard)(void *ctx, uint64_t offset, uint64_t length,
		       uint32_t io_flags);

	/*
	 * The module asks the server to hand in what it has, since another
	 * one takes over.  Optional.  Called by each thread, perhaps more than
	 * once.  The threads end by themselves when the take-over has
	 * succeeded, and serve on if it is given up.
	 */
	void (*shutdown)(void *ctx);

	/* since 0.2 */

	/*
	 * Make durable all writes that returned before this call.  A server
	 * that has it is one that heeds ZOSBD2_IO_FUA too.  Needed for a
	 * device with ZOSBD2_DEVICE_FLUSH.
	 */
	int (*flush)(void *ctx, uint32_t io_flags);

	/*
	 * The range reads as zeroes from now on.  Needed for a device with
	 * ZOSBD2_DEVICE_WRITE_ZEROES.
	 */
	int (*write_zeroes)(void *ctx, uint64_t offset, uint64_t length,
			    uint32_t io_flags);

	/*
	 * The device is the server's, and no request was fetched yet; in a
	 * take-over the servers before have nothing in their hands any more.
	 * Optional.  Called once, by the thread that calls
	 * zosbd2_server_start(), which fails with the negative errno that this
	 * returns; requests wait for another server then.
	 */
	int (*attached)(void *ctx);

	/* since 0.3 */

	/*
	 * Where length bytes of the device from offset on lie in the memory of
	 * this process, or NULL.  Optional.  Data is then copied between there
	 * and the requests without a call of read or write, which are called
	 * for what is NULL, and for writes with ZOSBD2_IO_FUA.  The memory must
	 * stay where it is while the server runs.
	 */
	void *(*locate)(void *ctx, uint64_t offset, uint64_t length);
};

static inline void zosbd2_ops_init(struct zosbd2_ops *ops)
{
	memset(ops, 0, sizeof(*ops));
	ops->struct_size = sizeof(*ops);
}

/* How to serve.  Zero means the default. */
struct zosbd2_server_options {
	size_t struct_size;	/* set by zosbd2_server_options_init() */
	/* 1 to 256, default 1; at least as many as the device has queues */
	uint32_t threads;
	/*
	 * without effect since 0.2: serving does not open the device's node any
	 * more
	 */
	uint32_t node_timeout_ms;
	/*
	 * lets zosbd2_server_stop() interrupt the threads of a server of the
	 * classic protocol; the ring protocol needs none.  The caller must have
	 * installed a handler for it (an empty one will do), and it must not be
	 * SIGURG.  Default 0: none
	 */
	int wake_signal;
	uint32_t flags;		/* ZOSBD2_SERVER_* */
	/* since 0.2 */
	/*
	 * how long the servers before may take to hand in what they have,
	 * default 5000
	 */
	uint32_t take_over_timeout_ms;
	uint32_t reserved;	/* 0 */
};

/*
 * Take the device over from the servers that it has.  New requests wait until
 * those have handed in what they have; none fails.  Servers of this library
 * end then.  The device need not have any.
 */
#define ZOSBD2_SERVER_TAKE_OVER		(1u << 0)

/* Use the classic protocol though the module has a faster one. */
#define ZOSBD2_SERVER_CLASSIC		(1u << 1)

static inline void
zosbd2_server_options_init(struct zosbd2_server_options *options)
{
	memset(options, 0, sizeof(*options));
	options->struct_size = sizeof(*options);
}

/* Threads that serve one device. */
struct zosbd2_server;

/*
 * Serve a device on threads of the library.  ops and options are copied; ctx
 * is passed to the callbacks; control is not used after the call.  options
 * may be NULL.  Several servers, in several processes too, may serve one
 * device.
 *
 * A server does not open the block device.  It may end at any time, with dirty
 * data in the page cache too: requests wait for the next server, or fail, as
 * the device's recovery policy says.
 *
 * The threads block all signals but wake_signal and those that report a fault
 * of their own.  They mark themselves as part of the I/O path (see
 * PR_SET_IO_FLUSHER in prctl(2)) where they may, so that memory they allocate
 * never waits for the very device that they serve.
 *
 * -ENOENT	there is no such device
 * -EOPNOTSUPP	the device has a feature for which ops has no callback
 * -ETIMEDOUT	the servers before did not hand in what they have in time, and
 *		go on as before
 * -EINTR	a signal came during a take-over; they go on as before
 * -EACCES, -EPERM  the caller lacks CAP_SYS_ADMIN
 */
int zosbd2_server_start(struct zosbd2_control *control, uint32_t handle,
			const struct zosbd2_ops *ops, void *ctx,
			const struct zosbd2_server_options *options,
			struct zosbd2_server **server);

/*
 * A file descriptor that polls readable once every thread has ended, which is
 * when zosbd2_server_join() does not wait.  It belongs to the server: neither
 * read nor close it.
 */
int zosbd2_server_fd(const struct zosbd2_server *server);

/*
 * Ask the threads to end although the device lives on; returns at once, and
 * may be called from a callback.  A thread ends when it finds nothing to do:
 * an answer can only be handed in together with a wait for the next request,
 * which is served in turn.
 *
 * Requests that come later are for the next server, see enum zosbd2_recover.
 *
 * A server whose device is destroyed ends without this call.
 *
 * -EOPNOTSUPP	it uses the classic protocol and was started without a
 *		wake_signal
 */
int zosbd2_server_stop(struct zosbd2_server *server);

/* Why a server ended. */
enum zosbd2_end {
	ZOSBD2_END_NONE = 0,	/* it serves */
	ZOSBD2_END_STOPPED = 1,	/* zosbd2_server_stop() */
	ZOSBD2_END_TAKEN_OVER = 2, /* another server serves the device now */
	ZOSBD2_END_GONE = 3,	/* the device was destroyed */
	ZOSBD2_END_FAILED = 4	/* zosbd2_server_join() returns the errno */
};

/*
 * Why a server ended: something else than NONE from when zosbd2_server_fd()
 * polls readable.  To be asked before the join, which frees the server.
 */
enum zosbd2_end zosbd2_server_end(const struct zosbd2_server *server);

/*
 * Wait until every thread has ended, and free the server.  Not from a
 * callback.  Returns 0 when all ended because the device is gone, because
 * another server took over, or because they were asked to, else the negative
 * errno of the first that failed.
 */
int zosbd2_server_join(struct zosbd2_server *server);

/* ---- advice ----------------------------------------------------------- */

/* What was attempted. */
enum zosbd2_attempt {
	ZOSBD2_ATTEMPT_OPEN = 1,
	ZOSBD2_ATTEMPT_CREATE = 2,
	ZOSBD2_ATTEMPT_DESTROY = 3,
	ZOSBD2_ATTEMPT_FIND = 4,	/* lookup, status, list, ping */
	ZOSBD2_ATTEMPT_SERVE = 5,
	ZOSBD2_ATTEMPT_RESIZE = 6	/* since 0.2 */
};

/*
 * Why an attempt failed with this negative errno and what to do about it: a
 * constant English phrase without a full stop, for people.  Never NULL; "" if
 * there is nothing to say beyond strerror().
 */
const char *zosbd2_explain(enum zosbd2_attempt attempt, int error);

#ifdef __cplusplus
}
#endif

#endif /* ZOSBD2_H */
