// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * zosbd2_sample_ramdisk: a RAM disk served from userspace, and a sample of how
 * to use libzosbd2.
 */
#define _GNU_SOURCE /* program_invocation_short_name */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "claim.h"
#include "failure.h"
#include "options.h"
#include "segment.h"
#include "serving.h"
#include "store.h"
#include "zosbd2.h"

#define DEFAULT_SIZE (UINT64_C(4) << 30)

static int serve_read(void *ctx, uint64_t offset, void *buffer, size_t length,
		      uint32_t io_flags)
{
	struct store *store = ctx;

	(void)io_flags;
	return store->kind->read(store, offset, buffer, length);
}

static int serve_write(void *ctx, uint64_t offset, const void *buffer,
		       size_t length, uint32_t io_flags)
{
	struct store *store = ctx;

	(void)io_flags;
	return store->kind->write(store, offset, buffer, length);
}

static int serve_discard(void *ctx, uint64_t offset, uint64_t length,
			 uint32_t io_flags)
{
	struct store *store = ctx;

	(void)io_flags;
	return store->kind->discard(store, offset, length);
}

static void *serve_locate(void *ctx, uint64_t offset, uint64_t length)
{
	struct store *store = ctx;

	return store->kind->locate(store, offset, length);
}

/* In a take-over the store is free only when the other server has gone. */
static int attached(void *ctx)
{
	struct store *store = ctx;

	return store->kind->claim(store, CLAIM_PATIENCE_MS);
}

static enum exit_status complain(const char *name, int error)
{
	const char *program = program_invocation_short_name;
	const char *advice = "";

	switch (error) {
	case -EWOULDBLOCK:
		fprintf(stderr,
			"%s: cannot use " SEGMENT_FOLDER "/zosbd2.%s: another server has locked it; end that one, or take over with --take-over\n",
			program, name);
		return STATUS_BUSY;
	case -ENOENT:
		advice = "; the device was not served with --keep, "
			 "or this machine has no " SEGMENT_FOLDER;
		break;
	case -EPERM:
	case -ELOOP:
		advice = "; it is not what this program makes: see who put it there, and remove it";
		break;
	default:
		break;
	}
	fprintf(stderr, "%s: cannot use " SEGMENT_FOLDER "/zosbd2.%s: %s%s\n",
		program, name, strerror(-error), advice);
	return STATUS_FAILED;
}

/* A device that has no content, or has lost it, helps nobody. */
static void give_up(const struct serving *serving, bool has_content)
{
	if (has_content)
		fprintf(stderr,
			"%s: /dev/%s has no server now: see --reattach\n",
			program_invocation_short_name, serving->name);
	else
		zosbd2_destroy(serving->control, serving->handle,
			       ZOSBD2_DESTROY_FORCE, 0);
}

static enum exit_status serve(struct serving *serving,
			      const struct options *options,
			      const struct zosbd2_info *info,
			      struct store *store)
{
	struct zosbd2_server_options server_options;
	struct zosbd2_ops ops;
	enum zosbd2_end end;
	int error;

	zosbd2_ops_init(&ops);
	ops.read = serve_read;
	ops.write = serve_write;
	ops.discard = serve_discard;
	ops.attached = attached;
	if (store->kind->locate)
		ops.locate = serve_locate;
	zosbd2_server_options_init(&server_options);
	server_options.threads = options->server.threads;
	server_options.flags = server_flags(&options->server);

	error = zosbd2_server_start(serving->control, serving->handle, &ops,
				    store, &server_options, &serving->server);
	if (error) {
		give_up(serving, options->server.reattach || options->server.take_over);
		if (error == -EWOULDBLOCK)
			return complain(options->name, error);
		return report_failure(ZOSBD2_ATTEMPT_SERVE, error, "serve",
				      options->name);
	}
	printf("ready: /dev/%s, %llu bytes, threads %u, time-out %u s\n",
	       options->name, (unsigned long long)info->size, options->server.threads,
	       info->timeout_ms / 1000);
	/* Nobody may be there to read it any more. */
	(void)fflush(stdout);

	error = serving_until_the_end(serving, &end);
	if (error) {
		give_up(serving, options->keep);
		return report_failure(ZOSBD2_ATTEMPT_SERVE, error, "serve",
				      options->name);
	}
	if (end == ZOSBD2_END_TAKEN_OVER)
		fprintf(stderr, "%s: another server has taken /dev/%s over\n",
			program_invocation_short_name, options->name);
	else
		store->kind->forget(store);
	return STATUS_OK;
}

static enum exit_status create_and_serve(struct serving *serving,
					 const struct options *options,
					 uint64_t size, struct store *store)
{
	struct zosbd2_params params;
	struct zosbd2_info info;
	int error;

	zosbd2_params_init(&params);
	params.name = options->name;
	params.size = size;
	params.timeout_seconds = options->server.wishes.timeout_seconds;
	params.queues = options->server.queues;
	params.poll_queues = options->server.poll_queues;
	if (options->server.wishes.recovery > 0)
		params.recovery = (uint32_t)options->server.wishes.recovery;
	error = zosbd2_create(serving->control, &params, &serving->handle);
	if (error) {
		store->kind->forget(store);
		return report_failure(ZOSBD2_ATTEMPT_CREATE, error, "create",
				      options->name);
	}
	zosbd2_info_init(&info);
	error = zosbd2_status(serving->control, serving->handle, &info);
	if (!error)
		return serve(serving, options, &info, store);
	store->kind->forget(store);
	return report_failure(ZOSBD2_ATTEMPT_FIND, error, "look at",
			      options->name);
}

/* The store is opened before a device refers to it. */
static enum exit_status serve_new(struct serving *serving,
				  const struct options *options)
{
	const uint64_t size = options->server.wishes.size ? options->server.wishes.size :
						     DEFAULT_SIZE;
	enum exit_status status;
	bool left_over = false;
	struct store *store;
	uint32_t handle;
	int error;

	/* What a device left without a server is to be found again. */
	if (options->keep &&
	    !zosbd2_lookup(serving->control, options->name, &handle)) {
		fprintf(stderr,
			"%s: cannot create %s: it exists; to serve it, give --reattach or --take-over\n",
			program_invocation_short_name, options->name);
		return STATUS_EXISTS;
	}
	error = options->keep ? segment_create(&store, options->name, size,
					       &left_over) :
				memory_open(&store, size);
	if (error && options->keep)
		return complain(options->name, error);
	if (error) {
		fprintf(stderr,
			"%s: cannot reserve %llu bytes of address space: %s; choose a smaller --size, or see vm.overcommit_memory\n",
			program_invocation_short_name,
			(unsigned long long)size, strerror(-error));
		return STATUS_FAILED;
	}
	if (left_over)
		fprintf(stderr,
			"%s: " SEGMENT_FOLDER "/zosbd2.%s was left over from a device that is gone; starting afresh\n",
			program_invocation_short_name, options->name);
	status = create_and_serve(serving, options, size, store);
	store->kind->close(store);
	return status;
}

/* A living server of ours has the segment locked. */
static enum exit_status check_living(struct serving *serving,
				     const struct options *options,
				     struct store *store)
{
	struct zosbd2_info info;
	int error;

	error = store->kind->claim(store, 0);
	if (error == -EWOULDBLOCK)
		return STATUS_OK;
	if (error)
		return complain(options->name, error);
	/* Or it died just now. */
	zosbd2_info_init(&info);
	error = zosbd2_status(serving->control, serving->handle, &info);
	if (error)
		return report_failure(ZOSBD2_ATTEMPT_FIND, error, "look at",
				      options->name);
	if (!info.servers)
		return STATUS_OK;
	fprintf(stderr,
		"%s: cannot take over %s: its server was not started with --keep\n",
		program_invocation_short_name, options->name);
	return STATUS_FAILED;
}

static enum exit_status serve_existing(struct serving *serving,
				       const struct options *options)
{
	struct zosbd2_info info;
	enum exit_status status;
	struct store *store;
	uint64_t has = 0;
	int error;

	status = adopt_find(serving->control, options->name,
			    options->server.take_over, &info);
	if (status != STATUS_OK)
		return status;
	serving->handle = info.handle;
	error = segment_open(&store, options->name);
	if (error)
		return complain(options->name, error);
	error = segment_size(store, &has);
	if (error)
		status = complain(options->name, error);
	else
		status = adopt_check(&info, &options->server.wishes,
				     "its content in " SEGMENT_FOLDER, has);
	if (status == STATUS_OK && options->server.take_over && info.servers)
		status = check_living(serving, options, store);
	if (status == STATUS_OK)
		status = serve(serving, options, &info, store);
	store->kind->close(store);
	return status;
}

static enum exit_status watch_and_serve(struct zosbd2_control *control,
					const struct options *options)
{
	struct serving serving = { .control = control, .name = options->name };
	enum exit_status status;

	/*
	 * The OOM score stays what it is.  When memory runs out because the
	 * disk is filled beyond it, the store is what has to go: sparing this
	 * process would only kill all the others first.
	 */
	stay_in_memory();
	status = serving_watch_signals(&serving);
	if (status != STATUS_OK)
		return status;
	if (options->server.reattach || options->server.take_over)
		status = serve_existing(&serving, options);
	else
		status = serve_new(&serving, options);
	close(serving.signal_fd);
	return status;
}

static enum exit_status destroy(struct zosbd2_control *control,
				const struct options *options)
{
	enum exit_status status;

	status = destroy_by_name(control, options->name, options->server.force);
	/* A living server removes it itself, and has it locked until then. */
	if (status == STATUS_OK)
		segment_remove(options->name);
	return status;
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
	status = options.server.destroy ? destroy(control, &options) :
				   watch_and_serve(control, &options);
	zosbd2_close(control);
	return status;
}
