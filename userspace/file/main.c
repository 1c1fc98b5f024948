// SPDX-License-Identifier: LGPL-2.1-or-later
/* zosbd2_file: a regular file or a block device, served as a block device. */
#define _GNU_SOURCE /* program_invocation_short_name */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "claim.h"
#include "failure.h"
#include "options.h"
#include "partitions.h"
#include "serve.h"
#include "serving.h"
#include "target.h"
#include "zosbd2.h"

#define DURABLE \
	(ZOSBD2_DEVICE_FLUSH | ZOSBD2_DEVICE_FUA | ZOSBD2_DEVICE_WRITE_ZEROES)
#define MEBIBYTES_4 (UINT64_C(4) << 20)

static enum exit_status complain(const char *path, int error)
{
	const char *program = program_invocation_short_name;

	switch (error) {
	case -EMEDIUMTYPE:
		fprintf(stderr,
			"%s: cannot serve %s: it is neither a regular file nor a block device\n",
			program, path);
		return STATUS_FAILED;
	case -EWOULDBLOCK:
		fprintf(stderr,
			"%s: cannot serve %s: another server has locked it; end that one, or take over with --take-over\n",
			program, path);
		return STATUS_BUSY;
	case -EBUSY:
		fprintf(stderr,
			"%s: cannot serve %s: the block device is in use (\"lsblk\" tells by what)\n",
			program, path);
		return STATUS_BUSY;
	case -ENOENT:
		fprintf(stderr,
			"%s: cannot open %s: %s; give --size to make a new file\n",
			program, path, strerror(-error));
		return STATUS_FAILED;
	case -EINVAL:
		fprintf(stderr,
			"%s: cannot open %s: %s; its file system may lack O_DIRECT: leave out --direct\n",
			program, path, strerror(-error));
		return STATUS_FAILED;
	default:
		fprintf(stderr, "%s: cannot serve %s: %s\n", program, path,
			strerror(-error));
		return STATUS_FAILED;
	}
}

/* The bytes that a new device gets of a file that was claimed. */
static enum exit_status new_size(const struct target *target,
				 const struct options *options, uint64_t *size)
{
	uint64_t has;
	int error;

	error = backing_size(&target->backing, &has);
	if (error)
		return complain(target->path, error);
	*size = options->server.wishes.size ? options->server.wishes.size : has;
	if (*size % 4096 || *size < MEBIBYTES_4) {
		fprintf(stderr,
			"%s: cannot serve %s: its size of %llu bytes is less than 4M or no multiple of 4096; give a --size to make it longer\n",
			program_invocation_short_name, target->path,
			(unsigned long long)has);
		return STATUS_FAILED;
	}
	if (target->backing.is_block_device ? has < *size : has > *size) {
		fprintf(stderr,
			"%s: cannot serve %s: it has %llu bytes and --size says %llu; a file is never made shorter, nor a block device longer\n",
			program_invocation_short_name, target->path,
			(unsigned long long)has, (unsigned long long)*size);
		return STATUS_FAILED;
	}
	error = has < *size && !options->read_only ?
			target_extend(target, *size) :
			0;
	return error ? complain(target->path, error) : STATUS_OK;
}

static bool is_adopting(const struct options *options)
{
	return options->server.reattach || options->server.take_over;
}

/* The old server has gone, but something else has the file. */
static enum exit_status cannot_claim(const struct serving *serving,
				     const struct target *target, int error)
{
	fprintf(stderr, "%s: /dev/%s has no server now: see --reattach\n",
		program_invocation_short_name, serving->name);
	return complain(target->path, error);
}

/*
 * Serve until the end.  Of a device that was there before, or that may have
 * been written to, the content counts: it stays for another server.
 */
static enum exit_status serve(struct serving *serving,
			      const struct options *options,
			      struct target *target, uint64_t size)
{
	enum zosbd2_end end;
	int error;

	error = serve_start(serving, target, options);
	if (error && !is_adopting(options))
		zosbd2_destroy(serving->control, serving->handle,
			       ZOSBD2_DESTROY_FORCE, 0);
	if (error == -EWOULDBLOCK || error == -EBUSY)
		return cannot_claim(serving, target, error);
	if (error)
		return report_failure(ZOSBD2_ATTEMPT_SERVE, error, "serve",
				      serving->name);
	if (options->partitions && !is_adopting(options))
		error = partitions_read(serving->name);
	if (error)
		fprintf(stderr, "%s: cannot read the partitions of /dev/%s: %s\n",
			program_invocation_short_name, serving->name,
			strerror(-error));
	printf("ready: /dev/%s, %llu bytes of %s, threads %u\n", serving->name,
	       (unsigned long long)size, target->path, options->server.threads);
	/* Nobody may be there to read it any more. */
	(void)fflush(stdout);

	error = serving_until_the_end(serving, &end);
	if (error) {
		fprintf(stderr, "%s: /dev/%s has no server now: see --reattach\n",
			program_invocation_short_name, serving->name);
		return report_failure(ZOSBD2_ATTEMPT_SERVE, error, "serve",
				      serving->name);
	}
	if (end == ZOSBD2_END_TAKEN_OVER)
		fprintf(stderr, "%s: another server has taken /dev/%s over\n",
			program_invocation_short_name, serving->name);
	return STATUS_OK;
}

static enum exit_status serve_new(struct serving *serving,
				  const struct options *options,
				  struct target *target)
{
	struct zosbd2_params params;
	enum exit_status status;
	int error;

	/* Another server's file is not to be touched. */
	error = target_claim(target, 0);
	if (error)
		return complain(target->path, error);
	zosbd2_params_init(&params);
	status = new_size(target, options, &params.size);
	if (status != STATUS_OK)
		return status;
	params.name = options->name;
	params.timeout_seconds = options->server.wishes.timeout_seconds;
	params.queues = options->server.queues;
	params.poll_queues = options->server.poll_queues;
	params.recovery = options->server.wishes.recovery > 0 ?
				  (uint32_t)options->server.wishes.recovery :
				  ZOSBD2_RECOVER_WAIT;
	params.features = options->read_only ? ZOSBD2_DEVICE_READ_ONLY :
					       DURABLE;
	if (options->partitions)
		params.features |= ZOSBD2_DEVICE_PARTITIONS;
	error = zosbd2_create(serving->control, &params, &serving->handle);
	if (error == -EEXIST)
		fprintf(stderr,
			"%s: if %s is the device of %s and has lost its server, give --reattach\n",
			program_invocation_short_name, options->name,
			target->path);
	if (error)
		return report_failure(ZOSBD2_ATTEMPT_CREATE, error, "create",
				      options->name);
	return serve(serving, options, target, params.size);
}

/* What the device was created with is what this program must give. */
static enum exit_status check_features(const struct zosbd2_info *info,
				       const struct options *options)
{
	const bool read_only = info->features & ZOSBD2_DEVICE_READ_ONLY;
	const char *problem = NULL;

	if (read_only && !options->read_only)
		problem = "it is read-only: give --read-only";
	else if (!read_only && options->read_only)
		problem = "it can be written to: leave out --read-only";
	else if (!read_only && !(info->features & ZOSBD2_DEVICE_FLUSH))
		problem = "it was created without flush, so by another program: "
			  "writes would be acknowledged before they are durable";
	else if (options->partitions &&
		 !(info->features & ZOSBD2_DEVICE_PARTITIONS))
		problem = "it was created without --partitions";
	if (!problem)
		return STATUS_OK;
	fprintf(stderr, "%s: cannot serve %s: %s\n",
		program_invocation_short_name, info->name, problem);
	return STATUS_FAILED;
}

/*
 * A living server of ours has its file locked.  If this file is not, then the
 * device is served from another one.
 */
static enum exit_status check_living(struct serving *serving,
				     const struct options *options,
				     struct target *target)
{
	struct zosbd2_info info;
	int error;

	error = target_claim(target, 0);
	if (error == -EWOULDBLOCK)
		return STATUS_OK;
	if (error)
		return complain(target->path, error);
	/* Or it died just now. */
	zosbd2_info_init(&info);
	error = zosbd2_status(serving->control, serving->handle, &info);
	if (error)
		return report_failure(ZOSBD2_ATTEMPT_FIND, error, "look at",
				      options->name);
	if (!info.servers)
		return STATUS_OK;
	fprintf(stderr,
		"%s: cannot take over %s: its server does not serve %s, which nobody has locked\n",
		program_invocation_short_name, options->name, target->path);
	return STATUS_FAILED;
}

static enum exit_status serve_existing(struct serving *serving,
				       const struct options *options,
				       struct target *target)
{
	struct zosbd2_info info;
	enum exit_status status;
	uint64_t has = 0;
	int error;

	status = adopt_find(serving->control, options->name,
			    options->server.take_over, &info);
	if (status == STATUS_OK)
		status = check_features(&info, options);
	if (status != STATUS_OK)
		return status;
	serving->handle = info.handle;
	error = options->server.take_over ? 0 :
				     target_claim(target, CLAIM_PATIENCE_MS);
	if (!error)
		error = backing_size(&target->backing, &has);
	if (error)
		return complain(target->path, error);
	/* Of a block device a part may be served. */
	if (target->backing.is_block_device && has > info.size)
		has = info.size;
	status = adopt_check(&info, &options->server.wishes, target->path, has);
	if (status == STATUS_OK && options->server.take_over && info.servers)
		status = check_living(serving, options, target);
	if (status != STATUS_OK)
		return status;
	error = options->read_only ? 0 : target_extend(target, info.size);
	if (error)
		return complain(target->path, error);
	return serve(serving, options, target, info.size);
}

static enum exit_status open_and_serve(struct zosbd2_control *control,
				       const struct options *options)
{
	struct serving serving = { .control = control, .name = options->name };
	const bool exists = is_adopting(options);
	struct target target;
	enum exit_status status;
	int error;

	error = target_open(&target, options->path, options->read_only,
			    options->direct,
			    options->server.wishes.size && !exists &&
				    !options->read_only);
	if (error)
		return complain(options->path, error);
	stay_in_memory();
	status = serving_watch_signals(&serving);
	if (status == STATUS_OK) {
		status = exists ? serve_existing(&serving, options, &target) :
				  serve_new(&serving, options, &target);
		close(serving.signal_fd);
	}
	target_close(&target);
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
	status = options.server.destroy ? destroy_by_name(control, options.name,
							 options.server.force) :
				   open_and_serve(control, &options);
	zosbd2_close(control);
	return status;
}
