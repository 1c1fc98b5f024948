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
 *	params.name = "disk";
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
#define ZOSBD2_VERSION_MINOR	1
#define ZOSBD2_VERSION_PATCH	0

/* Room for a device's name with its terminating NUL. */
#define ZOSBD2_NAME_SIZE	32

/* The version of the library that is running, such as "0.1.0". */
const char *zosbd2_version(void);

/* ---- control ---------------------------------------------------------- */

/* An open control node.  Not tied to the devices created through it. */
struct zosbd2_control;

/*
 * Open the control node.
 *
 * -ENOENT	there is no control node: the module is not loaded
 * -ENODEV	there is a node, but no module behind it
 * -EACCES, -EPERM  the caller lacks CAP_SYS_ADMIN
 */
int zosbd2_open(struct zosbd2_control **control);

/* Close it; NULL is ignored.  Devices and servers live on. */
void zosbd2_close(struct zosbd2_control *control);

/* Ask the module for a sign of life. */
int zosbd2_ping(struct zosbd2_control *control);

/* What a new device is like.  Zero means the default. */
struct zosbd2_params {
	size_t struct_size;	/* set by zosbd2_params_init() */
	const char *name;	/* of the node below /dev, at most 31 bytes */
	uint64_t size;		/* bytes, a multiple of block_size, 4 MiB to
				 * 12 TiB; no default */
	uint32_t block_size;	/* bytes; only 4096, the default */
	uint32_t timeout_seconds; /* a request that is not answered for this
				 * long fails; 1 to 1200, default 60 */
	uint32_t max_segments;	/* per request, at most 256, the default */
	uint32_t flags;		/* none yet */
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
 * List the handles of all devices, in ascending order.  Writes at most
 * capacity of them and returns how many there are, which may be more.
 */
int zosbd2_list(struct zosbd2_control *control, uint32_t *handles,
		size_t capacity);

/* ---- serving ---------------------------------------------------------- */

/*
 * What a server does.  The callbacks are called from all threads of the
 * server, several at a time; two that overlap in time may cover the same
 * bytes only if whoever uses the device does so.  Offsets and lengths are
 * multiples of the block size and lie inside the device; a call covers at
 * most 1 MiB, a discard possibly more.
 *
 * They return 0, or a negative errno, which fails the request.  io_flags is 0
 * today; a bit is only ever set once the server asked for it when it started.
 *
 * A write must be as durable as the server can make it before it returns: the
 * devices of this version have no flush.
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
	 * The module asks the server to shut down.  Optional.  The thread
	 * goes on serving until the device is destroyed.
	 */
	void (*shutdown)(void *ctx);
};

static inline void zosbd2_ops_init(struct zosbd2_ops *ops)
{
	memset(ops, 0, sizeof(*ops));
	ops->struct_size = sizeof(*ops);
}

/* How to serve.  Zero means the default. */
struct zosbd2_server_options {
	size_t struct_size;	/* set by zosbd2_server_options_init() */
	uint32_t threads;	/* 1 to 256, default 1 */
	uint32_t node_timeout_ms; /* how long to wait for the device's node to
				 * appear below /dev, default 5000 */
	int wake_signal;	/* lets zosbd2_server_stop() interrupt the
				 * server's threads; the caller must have
				 * installed a handler for it (an empty one
				 * will do), and it must not be SIGURG.
				 * Default 0: none */
	uint32_t flags;		/* none yet */
};

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
 * The threads block all signals but wake_signal and those that report a fault
 * of their own.  They mark themselves as part of the I/O path (see
 * PR_SET_IO_FLUSHER in prctl(2)) where they may, so that memory they allocate
 * never waits for the very device that they serve.
 *
 * -ENOENT	there is no such device
 * -ETIMEDOUT	its node did not appear below /dev, or is of another device
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
 * The last close of a device writes back what is still in the page cache and
 * waits for somebody to serve that.  Stop a server only if the device is idle
 * or has another one.
 *
 * A server whose device is destroyed ends without this call.
 *
 * -EOPNOTSUPP	started without a wake_signal
 */
int zosbd2_server_stop(struct zosbd2_server *server);

/*
 * Wait until every thread has ended, and free the server.  Not from a
 * callback.  Returns 0 when all ended because the device is gone or because
 * they were asked to, else the negative errno of the first that failed.
 */
int zosbd2_server_join(struct zosbd2_server *server);

/* ---- advice ----------------------------------------------------------- */

/* What was attempted. */
enum zosbd2_attempt {
	ZOSBD2_ATTEMPT_OPEN = 1,
	ZOSBD2_ATTEMPT_CREATE = 2,
	ZOSBD2_ATTEMPT_DESTROY = 3,
	ZOSBD2_ATTEMPT_FIND = 4,	/* lookup, status, list, ping */
	ZOSBD2_ATTEMPT_SERVE = 5
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
