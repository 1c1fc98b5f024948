// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * zosbd2_sample_ramdisk: a RAM disk served from userspace, and a sample of how
 * to use libzosbd2.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "failure.h"
#include "options.h"
#include "store.h"
#include "zosbd2.h"

/* How long a device may be open (udev looks into each) before it is in use. */
#define PATIENCE_MS 3000
/* How often an unforced destroy is tried again in that time. */
#define RETRY_MS 50

static int serve_read(void *ctx, uint64_t offset, void *buffer, size_t length,
		      uint32_t io_flags)
{
	(void)io_flags;
	return store_read(ctx, offset, buffer, length);
}

static int serve_write(void *ctx, uint64_t offset, const void *buffer,
		       size_t length, uint32_t io_flags)
{
	(void)io_flags;
	return store_write(ctx, offset, buffer, length);
}

static int serve_discard(void *ctx, uint64_t offset, uint64_t length,
			 uint32_t io_flags)
{
	(void)io_flags;
	return store_discard(ctx, offset, length);
}

/*
 * Keep the server itself from being paged out: paging it in again could need
 * the very device that it serves.  ONFAULT, since the rest would fill the
 * whole store with memory at once.  The store is left out: it may be swapped
 * (to another disk), as tmpfs may, and locked pages cannot be discarded.
 *
 * The OOM score stays what it is.  When memory runs out because the disk is
 * filled beyond it, the store is what has to go: sparing this process would
 * only kill all the others first.
 *
 * Best effort: without the rights the disk works, but for that risk.
 */
static void stay_in_memory(const struct store *store)
{
	mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	munlock(store->memory, (size_t)store->size);
}

/* A device while it is served. */
struct session {
	struct zosbd2_control *control;
	struct zosbd2_server *server;
	const char *name;
	uint32_t handle;
	int signal_fd;
};

/* Signals are read from a descriptor, so that they can be polled for. */
static int watch_signals(void)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

enum event { EVENT_NONE, EVENT_SIGNAL, EVENT_ENDED };

/* timeout_ms: -1 waits for ever. */
static enum event next_event(const struct session *session, int timeout_ms)
{
	struct signalfd_siginfo info;
	struct pollfd fds[] = {
		{ .fd = zosbd2_server_fd(session->server), .events = POLLIN },
		{ .fd = session->signal_fd, .events = POLLIN },
	};

	if (poll(fds, 2, timeout_ms) <= 0)
		return EVENT_NONE;
	if (fds[0].revents)
		return EVENT_ENDED;
	if (read(session->signal_fd, &info, sizeof(info)) == sizeof(info))
		return EVENT_SIGNAL;
	return EVENT_NONE;
}

/*
 * The first signal: give up the device unless somebody uses it.  Another one
 * meanwhile forces.  Returns what the last attempt did.
 */
static int destroy_on_signal(const struct session *session)
{
	uint32_t flags = 0;
	int error, left_ms;

	for (left_ms = PATIENCE_MS;; left_ms -= RETRY_MS) {
		error = zosbd2_destroy(session->control, session->handle, flags,
				       0);
		if (error != -EBUSY || flags || left_ms <= 0)
			return error;
		switch (next_event(session, RETRY_MS)) {
		case EVENT_ENDED:
			return 0;
		case EVENT_SIGNAL:
			flags = ZOSBD2_DESTROY_FORCE;
			break;
		default:
			break;
		}
	}
}

/* Returns when the server has ended, or has been told to. */
static void wait_for_the_end(const struct session *session)
{
	bool forced = false;
	int error;

	for (;;) {
		switch (next_event(session, -1)) {
		case EVENT_ENDED:
			return;
		case EVENT_NONE:
			continue;
		case EVENT_SIGNAL:
			break;
		}
		if (forced)
			error = zosbd2_destroy(session->control,
					       session->handle,
					       ZOSBD2_DESTROY_FORCE, 0);
		else
			error = destroy_on_signal(session);
		/* -ENOENT: somebody else destroyed it just now. */
		if (!error || error == -ENOENT)
			return;
		report_failure(ZOSBD2_ATTEMPT_DESTROY, error, "destroy",
			       session->name);
		fprintf(stderr,
			"%s: still serving /dev/%s; signal again to destroy it by force\n",
			program_invocation_short_name, session->name);
		forced = true;
	}
}

static enum exit_status serve(struct session *session,
			      const struct options *options,
			      struct store *store)
{
	struct zosbd2_server_options server_options;
	struct zosbd2_ops ops;
	int error;

	zosbd2_ops_init(&ops);
	ops.read = serve_read;
	ops.write = serve_write;
	ops.discard = serve_discard;
	zosbd2_server_options_init(&server_options);
	server_options.threads = options->threads;

	error = zosbd2_server_start(session->control, session->handle, &ops,
				    store, &server_options, &session->server);
	if (error) {
		zosbd2_destroy(session->control, session->handle,
			       ZOSBD2_DESTROY_FORCE, 0);
		return report_failure(ZOSBD2_ATTEMPT_SERVE, error, "serve",
				      options->name);
	}
	printf("ready: /dev/%s, %llu bytes, threads %u, time-out %u s\n",
	       options->name, (unsigned long long)options->size,
	       options->threads, options->timeout_seconds);
	fflush(stdout);

	wait_for_the_end(session);
	error = zosbd2_server_join(session->server);
	if (!error)
		return STATUS_OK;
	/* No thread is left; a device without a server helps nobody. */
	zosbd2_destroy(session->control, session->handle, ZOSBD2_DESTROY_FORCE,
		       0);
	return report_failure(ZOSBD2_ATTEMPT_SERVE, error, "serve",
			      options->name);
}

static enum exit_status create_and_serve(struct zosbd2_control *control,
					 const struct options *options)
{
	struct session session = { .control = control, .name = options->name };
	struct zosbd2_params params;
	enum exit_status status;
	struct store store;
	int error;

	error = store_init(&store, options->size);
	if (error) {
		fprintf(stderr,
			"%s: cannot reserve %llu bytes of address space: %s; choose a smaller --size, or see vm.overcommit_memory\n",
			program_invocation_short_name,
			(unsigned long long)options->size, strerror(-error));
		return STATUS_FAILED;
	}
	stay_in_memory(&store);
	/* Before the device exists: a signal must not leave it behind. */
	session.signal_fd = watch_signals();
	if (session.signal_fd < 0) {
		fprintf(stderr, "%s: cannot watch for signals: %s\n",
			program_invocation_short_name,
			strerror(-session.signal_fd));
		store_destroy(&store);
		return STATUS_FAILED;
	}

	zosbd2_params_init(&params);
	params.name = options->name;
	params.size = options->size;
	params.timeout_seconds = options->timeout_seconds;
	error = zosbd2_create(control, &params, &session.handle);
	if (error)
		status = report_failure(ZOSBD2_ATTEMPT_CREATE, error, "create",
					options->name);
	else
		status = serve(&session, options, &store);
	close(session.signal_fd);
	store_destroy(&store);
	return status;
}

static enum exit_status destroy(struct zosbd2_control *control,
				const struct options *options)
{
	const uint32_t flags = options->force ? ZOSBD2_DESTROY_FORCE : 0;
	const int error = zosbd2_destroy_by_name(control, options->name, flags,
						 PATIENCE_MS);

	if (error)
		return report_failure(ZOSBD2_ATTEMPT_DESTROY, error, "destroy",
				      options->name);
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	struct zosbd2_control *control;
	struct options options;
	enum exit_status status;
	int error;

	if (!options_read(&options, argc, argv, &status))
		return status;
	error = zosbd2_open(&control);
	if (error)
		return report_failure(ZOSBD2_ATTEMPT_OPEN, error, "open",
				      "/dev/zosbd2ctl");
	status = options.destroy ? destroy(control, &options) :
				   create_and_serve(control, &options);
	zosbd2_close(control);
	return status;
}
