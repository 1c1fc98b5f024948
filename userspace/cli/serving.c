// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE /* MCL_ONFAULT, program_invocation_short_name */
#include "serving.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* How long a device may be open (udev looks into each) before it is in use. */
#define PATIENCE_MS 3000
/* How often an unforced destroy is tried again in PATIENCE_MS. */
#define RETRY_MS 50

/* ONFAULT, since the rest would fill all mappings with memory at once. */
void stay_in_memory(void)
{
	mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

/* Signals are read from a descriptor, so that they can be polled for. */
enum exit_status serving_watch_signals(struct serving *serving)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	serving->signal_fd = -1;
	if (sigprocmask(SIG_BLOCK, &signals, NULL) == 0)
		serving->signal_fd = signalfd(-1, &signals,
					      SFD_CLOEXEC | SFD_NONBLOCK);
	if (serving->signal_fd >= 0)
		return STATUS_OK;
	fprintf(stderr, "%s: cannot watch for signals: %s\n",
		program_invocation_short_name, strerror(errno));
	return STATUS_FAILED;
}

enum event { EVENT_NONE, EVENT_SIGNAL, EVENT_ENDED };

/* timeout_ms: -1 waits for ever. */
static enum event next_event(const struct serving *serving, int timeout_ms)
{
	struct signalfd_siginfo info;
	struct pollfd fds[] = {
		{ .fd = zosbd2_server_fd(serving->server), .events = POLLIN },
		{ .fd = serving->signal_fd, .events = POLLIN },
	};

	if (poll(fds, 2, timeout_ms) <= 0)
		return EVENT_NONE;
	if (fds[0].revents)
		return EVENT_ENDED;
	if (read(serving->signal_fd, &info, sizeof(info)) == sizeof(info))
		return EVENT_SIGNAL;
	return EVENT_NONE;
}

/*
 * The first signal: give up the device unless somebody uses it.  Another one
 * meanwhile forces.  Returns what the last attempt did.
 */
static int destroy_on_signal(const struct serving *serving)
{
	uint32_t flags = 0;
	int error, left_ms;

	for (left_ms = PATIENCE_MS;; left_ms -= RETRY_MS) {
		error = zosbd2_destroy(serving->control, serving->handle, flags,
				       0);
		if (error != -EBUSY || flags || left_ms <= 0)
			return error;
		switch (next_event(serving, RETRY_MS)) {
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
static void wait_for_the_end(const struct serving *serving)
{
	bool forced = false;
	int error;

	for (;;) {
		switch (next_event(serving, -1)) {
		case EVENT_ENDED:
			return;
		case EVENT_NONE:
			continue;
		case EVENT_SIGNAL:
			break;
		}
		if (forced)
			error = zosbd2_destroy(serving->control,
					       serving->handle,
					       ZOSBD2_DESTROY_FORCE, 0);
		else
			error = destroy_on_signal(serving);
		/* -ENOENT: somebody else destroyed it just now. */
		if (!error || error == -ENOENT)
			return;
		report_failure(ZOSBD2_ATTEMPT_DESTROY, error, "destroy",
			       serving->name);
		fprintf(stderr,
			"%s: still serving /dev/%s; signal again to destroy it by force\n",
			program_invocation_short_name, serving->name);
		forced = true;
	}
}

int serving_until_the_end(struct serving *serving, enum zosbd2_end *end)
{
	struct pollfd ended = { .fd = zosbd2_server_fd(serving->server),
				.events = POLLIN };
	int error;

	wait_for_the_end(serving);
	while (poll(&ended, 1, -1) <= 0)
		;
	*end = zosbd2_server_end(serving->server);
	error = zosbd2_server_join(serving->server);
	serving->server = NULL;
	return error;
}

enum exit_status destroy_by_name(struct zosbd2_control *control,
				 const char *name, bool force)
{
	const uint32_t flags = force ? ZOSBD2_DESTROY_FORCE : 0;
	const int error = zosbd2_destroy_by_name(control, name, flags,
						 PATIENCE_MS);

	return error ? report_failure(ZOSBD2_ATTEMPT_DESTROY, error, "destroy",
				      name) :
		       STATUS_OK;
}
