// SPDX-License-Identifier: LGPL-2.1-or-later
#include "serve.h"

#include "claim.h"

static const struct backing *backing_of(void *ctx)
{
	return &((struct target *)ctx)->backing;
}

static int serve_read(void *ctx, uint64_t offset, void *buffer, size_t length,
		      uint32_t io_flags)
{
	(void)io_flags;
	return backing_read(backing_of(ctx), offset, buffer, length);
}

static int serve_write(void *ctx, uint64_t offset, const void *buffer,
		       size_t length, uint32_t io_flags)
{
	return backing_write(backing_of(ctx), offset, buffer, length,
			     io_flags & ZOSBD2_IO_FUA);
}

static int serve_discard(void *ctx, uint64_t offset, uint64_t length,
			 uint32_t io_flags)
{
	(void)io_flags;
	return backing_discard(backing_of(ctx), offset, length);
}

static int serve_write_zeroes(void *ctx, uint64_t offset, uint64_t length,
			      uint32_t io_flags)
{
	return backing_write_zeroes(backing_of(ctx), offset, length,
				    io_flags & ZOSBD2_IO_NO_UNMAP);
}

static int serve_flush(void *ctx, uint32_t io_flags)
{
	(void)io_flags;
	return backing_flush(backing_of(ctx));
}

static int attached(void *ctx)
{
	return target_claim(ctx, CLAIM_PATIENCE_MS);
}

int serve_start(struct serving *serving, struct target *target,
		const struct options *options)
{
	struct zosbd2_server_options server_options;
	struct zosbd2_ops ops;

	zosbd2_ops_init(&ops);
	ops.read = serve_read;
	ops.write = serve_write;
	ops.discard = serve_discard;
	ops.flush = serve_flush;
	ops.write_zeroes = serve_write_zeroes;
	ops.attached = attached;
	zosbd2_server_options_init(&server_options);
	server_options.threads = options->server.threads;
	server_options.flags = server_flags(&options->server);
	return zosbd2_server_start(serving->control, serving->handle, &ops,
				   target, &server_options, &serving->server);
}
