// SPDX-License-Identifier: LGPL-2.1-or-later
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backing.h"
#include "claim.h"
#include "zosbd2.h"

struct segment {
	struct store store;
	struct backing backing;
	char path[sizeof(SEGMENT_FOLDER "/zosbd2.") + ZOSBD2_NAME_SIZE];
};

static const struct segment *segment_of(const struct store *store)
{
	return (const struct segment *)store;
}

static int segment_read(const struct store *store, uint64_t offset,
			void *buffer, size_t length)
{
	return backing_read(&segment_of(store)->backing, offset, buffer,
			    length);
}

static int segment_write(const struct store *store, uint64_t offset,
			 const void *buffer, size_t length)
{
	return backing_write(&segment_of(store)->backing, offset, buffer,
			     length, false);
}

static int segment_discard(const struct store *store, uint64_t offset,
			   uint64_t length)
{
	return backing_discard(&segment_of(store)->backing, offset, length);
}

/* After a call that failed: never 0, which no analyser can know. */
static int last_error(void)
{
	return errno > 0 ? -errno : -EIO;
}

/* Whether the name still leads to the file that is open. */
static bool has_its_name(const struct segment *segment)
{
	struct stat opened, named;

	return fstat(segment->backing.fd, &opened) == 0 &&
	       lstat(segment->path, &named) == 0 &&
	       opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

/* Who had it may have removed it at the end. */
static int segment_claim(struct store *store, int patience_ms)
{
	const struct segment *segment = segment_of(store);
	const int error = claim(segment->backing.fd, patience_ms);

	if (error)
		return error;
	return has_its_name(segment) ? 0 : -ENOENT;
}

/* Only who has it claimed may do so. */
static void segment_forget(struct store *store)
{
	unlink(segment_of(store)->path);
}

static void segment_close(struct store *store)
{
	close(segment_of(store)->backing.fd);
	free(store);
}

static const struct store_kind segment_kind = {
	.read = segment_read,
	.write = segment_write,
	.discard = segment_discard,
	.claim = segment_claim,
	.forget = segment_forget,
	.close = segment_close,
};

/* Anybody may put something into the folder. */
static int check_owner(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return last_error();
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
	    status.st_mode & 0077)
		return -EPERM;
	return 0;
}

static int open_with(struct store **store, const char *name, int flags)
{
	struct segment *segment;
	int error;

	/* A device's name has no slash either. */
	if (strchr(name, '/') || strlen(name) >= ZOSBD2_NAME_SIZE)
		return -EINVAL;
	segment = malloc(sizeof(*segment));
	if (!segment)
		return -ENOMEM;
	*segment = (struct segment){ .store.kind = &segment_kind };
	snprintf(segment->path, sizeof(segment->path),
		 SEGMENT_FOLDER "/zosbd2.%s", name);
	segment->backing.fd = open(segment->path,
				   O_RDWR | O_NOFOLLOW | O_NONBLOCK |
					   O_CLOEXEC | flags,
				   0600);
	if (segment->backing.fd < 0) {
		error = last_error();
		free(segment);
		return error;
	}
	error = check_owner(segment->backing.fd);
	if (error) {
		segment_close(&segment->store);
		return error;
	}
	/* gcc's analyser loses what only its first member's address leads to. */
	*store = (struct store *)segment;
	return 0;
}

int segment_open(struct store **store, const char *name)
{
	return open_with(store, name, 0);
}

int segment_size(const struct store *store, uint64_t *size)
{
	return backing_size(&segment_of(store)->backing, size);
}

/* Open and claim; a file that was removed meanwhile is opened anew. */
static int open_claimed(struct store **store, const char *name, int flags)
{
	int error;

	for (;;) {
		error = open_with(store, name, flags);
		if (error)
			return error;
		error = segment_claim(*store, 0);
		if (!error)
			return 0;
		segment_close(*store);
		if (error != -ENOENT)
			return error;
	}
}

int segment_create(struct store **store, const char *name, uint64_t size,
		   bool *left_over)
{
	uint64_t before = 0;
	int error;

	error = open_claimed(store, name, O_CREAT);
	if (error)
		return error;
	error = segment_size(*store, &before);
	*left_over = before != 0;
	if (!error && (ftruncate(segment_of(*store)->backing.fd, 0) < 0 ||
		       ftruncate(segment_of(*store)->backing.fd,
				 (off_t)size) < 0))
		error = -errno;
	if (error) {
		segment_forget(*store);
		segment_close(*store);
	}
	return error;
}

void segment_remove(const char *name)
{
	struct store *store;

	if (open_claimed(&store, name, 0))
		return;
	segment_forget(store);
	segment_close(store);
}
