// SPDX-License-Identifier: LGPL-2.1-or-later
/* A server: the threads of a service, from start to join. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/zosbd2_ext.h>

#include "control.h"
#include "export.h"
#include "ring_worker.h"
#include "scheduling.h"
#include "session.h"
#include "versioned.h"
#include "worker.h"
#include "zosbd2.h"

#define MAX_THREADS 256
#define DEFAULT_TAKE_OVER_TIMEOUT_MS 5000
#define NUDGE_MS 20

#define FIRST_OPS_SIZE offsetof(struct zosbd2_ops, flush)
#define FIRST_OPTIONS_SIZE \
	offsetof(struct zosbd2_server_options, take_over_timeout_ms)

/* One thread, and what it serves through: either of the protocols. */
struct worker {
	struct zosbd2_server *server;
	pthread_t thread;
	struct exchange exchange;
	struct channel channel;
	struct arena arena;
	struct pacing pacing;
};

enum gate { GATE_CLOSED, GATE_OPEN, GATE_ABANDONED };

struct zosbd2_server {
	struct service service;
	struct zosbd2_server_options options;
	bool rings;
	uint32_t queues;	/* these two of the device, with rings */
	uint32_t max_io_size;
	int ended_fd;		/* eventfd, signalled by the last worker */

	pthread_mutex_t lock;	/* protects the fields up to ended */
	pthread_cond_t changed;	/* gate or running changed */
	enum gate gate;
	uint32_t running;	/* workers that have not ended */
	int first_error;
	/*
	 * enum zosbd2_end of the workers that have; readable without lock when
	 * none is left
	 */
	atomic_int ended;

	uint32_t started;	/* threads to join; the starting thread's */
	struct worker workers[];
};

/* A failure outweighs all, and the end of the device what came before it. */
static void note_end(struct zosbd2_server *server, int end)
{
	if (end < 0 && !server->first_error)
		server->first_error = end;
	if (end < 0)
		end = ZOSBD2_END_FAILED;
	if (end > atomic_load(&server->ended))
		atomic_store(&server->ended, end);
}

/*
 * Several threads share the requests of a queue: where a callback takes its
 * time, one of them should not take what the others could serve meanwhile.
 */
static unsigned int batch_of(const struct zosbd2_server *server)
{
	const bool quick = server->service.ops.locate;

	return quick || server->options.threads <= server->queues ? RING_BATCH :
								    1;
}

static int run(struct worker *worker)
{
	struct zosbd2_server *server = worker->server;

	if (server->rings)
		return ring_worker_run(&server->service, &worker->channel,
				       &worker->arena, &worker->pacing,
				       batch_of(server));
	return worker_run(&server->service, &worker->exchange);
}

static void *worker_thread(void *argument)
{
	struct worker *worker = argument;
	struct zosbd2_server *server = worker->server;
	int end = ZOSBD2_END_STOPPED;
	bool go, last;

	/*
	 * All threads exist before the first fetches a request: a start that
	 * fails half-way has nothing to take back from the module.
	 */
	pthread_mutex_lock(&server->lock);
	while (server->gate == GATE_CLOSED)
		pthread_cond_wait(&server->changed, &server->lock);
	go = server->gate == GATE_OPEN;
	pthread_mutex_unlock(&server->lock);

	if (go) {
		scheduling_begin(&worker->pacing, server->rings);
		end = run(worker);
		/* Its queue may have nobody else: rather none than a part. */
		if (end < 0 && server->rings)
			zosbd2_server_stop(server);
	}

	pthread_mutex_lock(&server->lock);
	note_end(server, end);
	last = --server->running == 0;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	/*
	 * Safe: the server is freed only after this thread was joined.  An
	 * eventfd at 0 takes a 1; nobody could be told of a failure anyway.
	 */
	if (last)
		eventfd_write(server->ended_fd, 1);
	return NULL;
}

/* Signals are the business of the program's other threads. */
static void block_signals(const struct zosbd2_server *server, sigset_t *before)
{
	static const int own_faults[] = { SIGBUS, SIGFPE, SIGILL, SIGSEGV,
					  SIGSYS, SIGTRAP };
	sigset_t blocked;

	sigfillset(&blocked);
	for (size_t at = 0; at < sizeof(own_faults) / sizeof(*own_faults); at++)
		sigdelset(&blocked, own_faults[at]);
	if (server->options.wake_signal)
		sigdelset(&blocked, server->options.wake_signal);
	pthread_sigmask(SIG_SETMASK, &blocked, before);
}

static void server_free(struct zosbd2_server *server)
{
	for (uint32_t at = 0; at < server->options.threads; at++) {
		exchange_destroy(&server->workers[at].exchange);
		channel_close(&server->workers[at].channel);
		arena_destroy(&server->workers[at].arena);
	}
	if (server->service.fd >= 0)
		close(server->service.fd);
	if (server->ended_fd >= 0)
		close(server->ended_fd);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

static void open_gate(struct zosbd2_server *server, enum gate gate)
{
	pthread_mutex_lock(&server->lock);
	server->gate = gate;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

static void join_threads(struct zosbd2_server *server)
{
	for (uint32_t at = 0; at < server->started; at++)
		pthread_join(server->workers[at].thread, NULL);
}

static int start_threads(struct zosbd2_server *server)
{
	sigset_t before;
	int error = 0;

	block_signals(server, &before);
	while (server->started < server->options.threads) {
		struct worker *worker = &server->workers[server->started];

		worker->server = server;
		error = -pthread_create(&worker->thread, NULL, worker_thread,
					worker);
		if (error)
			break;
		server->started++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);

	/* Nobody looks at it before the gate opens. */
	server->running = server->started;
	open_gate(server, error ? GATE_ABANDONED : GATE_OPEN);
	if (error)
		join_threads(server);
	return error;
}

static int init_waiting(struct zosbd2_server *server)
{
	pthread_condattr_t monotonic;
	int error;

	error = -pthread_mutex_init(&server->lock, NULL);
	if (error)
		return error;
	error = -pthread_condattr_init(&monotonic);
	if (!error) {
		pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
		error = -pthread_cond_init(&server->changed, &monotonic);
		pthread_condattr_destroy(&monotonic);
	}
	if (error)
		pthread_mutex_destroy(&server->lock);
	return error;
}

static int read_options(const struct zosbd2_server_options *callers,
			struct zosbd2_server_options *options)
{
	struct zosbd2_server_options defaults;
	int error;

	zosbd2_server_options_init(&defaults);
	error = versioned_copy_in(options, sizeof(*options), FIRST_OPTIONS_SIZE,
				  callers ? callers : &defaults);
	if (error)
		return error;
	if (!options->threads)
		options->threads = 1;
	if (!options->take_over_timeout_ms)
		options->take_over_timeout_ms = DEFAULT_TAKE_OVER_TIMEOUT_MS;
	if (options->flags &
		    ~(ZOSBD2_SERVER_TAKE_OVER | ZOSBD2_SERVER_CLASSIC) ||
	    options->threads > MAX_THREADS || options->reserved ||
	    options->wake_signal < 0 || options->wake_signal > SIGRTMAX ||
	    options->wake_signal == SIGURG)
		return -EINVAL;
	return 0;
}

static int open_channels(struct zosbd2_server *server,
			 struct zosbd2_control *control)
{
	const struct zosbd2_server_options *options = &server->options;
	int error;

	/* What can fail comes before a take-over. */
	for (uint32_t at = 0; at < options->threads; at++) {
		error = arena_init(&server->workers[at].arena,
				   server->max_io_size);
		if (error)
			return error;
	}
	for (uint32_t at = 0; at < options->threads; at++) {
		/* The first one takes the whole device over. */
		error = channel_open(&server->workers[at].channel, control,
				     server->service.handle,
				     at % server->queues, &server->service.ops,
				     at ? &server->workers[0].channel : NULL,
				     !at && options->flags &
						    ZOSBD2_SERVER_TAKE_OVER,
				     options->take_over_timeout_ms);
		if (error)
			return error;
	}
	return 0;
}

/* Every queue needs a thread. */
static int choose_protocol(struct zosbd2_control *control, uint32_t handle,
			   struct zosbd2_server_options *options,
			   struct zosbd2_info *info)
{
	int error;

	zosbd2_info_init(info);
	error = zosbd2_status(control, handle, info);
	if (error)
		return error;
	if (control->version < ZOSBD2_EXT_VERSION_RINGS)
		options->flags |= ZOSBD2_SERVER_CLASSIC;
	if (!(options->flags & ZOSBD2_SERVER_CLASSIC) &&
	    options->threads < info->queues + info->poll_queues)
		options->threads = info->queues + info->poll_queues;
	return 0;
}

static int open_session(struct zosbd2_server *server,
			struct zosbd2_control *control)
{
	const struct zosbd2_server_options *options = &server->options;
	struct service *service = &server->service;
	int error;

	for (uint32_t at = 0; at < options->threads; at++) {
		error = exchange_init(&server->workers[at].exchange);
		if (error)
			return error;
	}
	service->fd = session_open(control, service->handle, &service->ops,
				   options->flags & ZOSBD2_SERVER_TAKE_OVER,
				   options->take_over_timeout_ms);
	return service->fd < 0 ? service->fd : 0;
}

static int server_fill(struct zosbd2_server *server,
		       struct zosbd2_control *control)
{
	struct service *service = &server->service;
	int error;

	server->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->ended_fd < 0)
		return -errno;
	error = server->rings ? open_channels(server, control) :
				open_session(server, control);
	if (error)
		return error;
	if (service->ops.attached) {
		error = service->ops.attached(service->ctx);
		if (error)
			return error < 0 ? error : -EIO;
	}
	return start_threads(server);
}

ZOSBD2_EXPORT int
zosbd2_server_start(struct zosbd2_control *control, uint32_t handle,
		    const struct zosbd2_ops *ops, void *ctx,
		    const struct zosbd2_server_options *options,
		    struct zosbd2_server **server)
{
	struct zosbd2_server_options our_options;
	struct zosbd2_server *new;
	struct zosbd2_info info;
	struct zosbd2_ops our_ops;
	int error;

	*server = NULL;
	error = read_options(options, &our_options);
	if (error)
		return error;
	error = versioned_copy_in(&our_ops, sizeof(our_ops), FIRST_OPS_SIZE,
				  ops);
	if (error)
		return error;
	if (!our_ops.read || !our_ops.write)
		return -EINVAL;
	error = choose_protocol(control, handle, &our_options, &info);
	if (error)
		return error;

	new = calloc(1, sizeof(*new) +
				our_options.threads * sizeof(struct worker));
	if (!new)
		return -ENOMEM;
	new->options = our_options;
	new->rings = !(our_options.flags & ZOSBD2_SERVER_CLASSIC);
	new->queues = info.queues + info.poll_queues;
	new->max_io_size = info.max_io_size;
	error = init_waiting(new);
	if (error) {
		free(new);
		return error;
	}
	new->service.ops = our_ops;
	new->service.ctx = ctx;
	new->service.handle = handle;
	new->service.fd = -1;
	new->ended_fd = -1;
	for (uint32_t at = 0; at < our_options.threads; at++)
		channel_init(&new->workers[at].channel);
	error = server_fill(new, control);
	if (error) {
		server_free(new);
		return error;
	}
	*server = new;
	return 0;
}

ZOSBD2_EXPORT int zosbd2_server_fd(const struct zosbd2_server *server)
{
	return server->ended_fd;
}

ZOSBD2_EXPORT enum zosbd2_end
zosbd2_server_end(const struct zosbd2_server *server)
{
	struct pollfd ended = { .fd = server->ended_fd, .events = POLLIN };

	if (poll(&ended, 1, 0) <= 0)
		return ZOSBD2_END_NONE;
	return (enum zosbd2_end)atomic_load(&server->ended);
}

/*
 * A nudge that reaches a thread just before it enters its wait is lost, so
 * the join repeats them.  A thread that has ended may be signalled until it
 * was joined.
 */
static void nudge(struct zosbd2_server *server)
{
	for (uint32_t at = 0; at < server->started; at++)
		pthread_kill(server->workers[at].thread,
			     server->options.wake_signal);
}

ZOSBD2_EXPORT int zosbd2_server_stop(struct zosbd2_server *server)
{
	if (!server->rings && !server->options.wake_signal)
		return -EOPNOTSUPP;
	atomic_store(&server->service.stop, true);
	if (!server->rings)
		nudge(server);
	for (uint32_t at = 0; server->rings && at < server->options.threads; at++)
		channel_wake(&server->workers[at].channel);
	return 0;
}

static void wait_for_a_change(struct zosbd2_server *server, unsigned int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&server->changed, &server->lock, &until);
}

ZOSBD2_EXPORT int zosbd2_server_join(struct zosbd2_server *server)
{
	int error;

	pthread_mutex_lock(&server->lock);
	while (server->running) {
		if (server->rings || !server->options.wake_signal) {
			pthread_cond_wait(&server->changed, &server->lock);
			continue;
		}
		/* A stop may come while this waits. */
		wait_for_a_change(server, NUDGE_MS);
		if (atomic_load(&server->service.stop))
			nudge(server);
	}
	error = server->first_error;
	pthread_mutex_unlock(&server->lock);
	join_threads(server);
	server_free(server);
	return error;
}
