// SPDX-License-Identifier: MIT
/*
 * Descriptors: opened, closed under others, doubled, handed from process to
 * process; and files in sysfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel.h"
#include "engine.h"

#define FIRST_SOCKET 100 /* numbers that no other descriptor has */

/**
 * fd_keep - put a descriptor into a slot, and close what was there
 * @worker: whose
 * @slot: a slot
 * @fd: the descriptor
 * @handle: of the device that it belongs to, 0 if nobody knows
 */
void fd_keep(const struct worker *worker, uint64_t slot, int fd,
	     uint32_t handle)
{
	int old = atomic_exchange(&common->fd[worker->process][slot % FDS], fd);

	if (old >= 0)
		close(old);
	common->fd_handle[worker->process][slot % FDS] = handle;
}

/* Something of the first device that may be there. */
static int open_some(const struct worker *worker, enum any any,
		     unsigned int slot, uint32_t *handle)
{
	struct zosbd2_ext_attach attach = {
		.features = ZOSBD2_FEATURES_OF_SERVER,
	};
	char path[16];
	unsigned int i;
	int fd = -1;

	if (any == ANY_CONTROL)
		return open(ZOSBD2_CONTROL_NODE, O_RDWR | O_CLOEXEC);
	for (i = 0; fd < 0 && i < DEVICES; i++) {
		*handle = attach.handle_id = common->handle[i];
		if (!*handle)
			continue;
		if (any == ANY_DISK) {
			snprintf(path, sizeof(path), "/dev/fz%u", i);
			/* Half of them see what others have written at once. */
			fd = open(path, O_RDWR | O_CLOEXEC |
						(worker->number & 1 ? O_DIRECT
								    : 0));
		} else if (any == ANY_CHANNEL) {
			fd = channel_open(worker, slot, *handle);
		} else {
			fd = ioctl(fd_of(worker, FD_CONTROL),
				   ZOSBD2_IOC_ATTACH, &attach);
		}
	}
	return fd;
}

/* The slot that is meant; it may be empty. */
static unsigned int slot_of(const struct worker *worker, uint64_t which)
{
	static const uint8_t first[] = {
		FD_CONTROL, FD_DISK, FD_SESSION, FD_CHANNEL, FDS,
	};
	unsigned int slot, slots, turn, i;

	if (which < FDS)
		return which;
	slot = first[which - FDS];
	slots = first[which - FDS + 1] - slot;
	/* Threads begin at different ones. */
	turn = worker->number % slots;
	for (i = 0; i < slots; i++)
		if (common->fd[worker->process][slot + (i + turn) % slots] >= 0)
			return slot + (i + turn) % slots;
	return slot + turn;
}

/**
 * fd_of - the descriptor in a slot
 * @worker: whose
 * @slot: a slot, enum any, or a number plus FD_NUMBERS
 */
int fd_of(const struct worker *worker, uint64_t slot)
{
	uint32_t handle = 0;
	unsigned int found;
	int fd;

	if (slot >= FD_NUMBERS)
		return slot - FD_NUMBERS;
	found = slot_of(worker, slot);
	fd = common->fd[worker->process][found];
	if (fd >= 0 || slot < FDS)
		return fd;
	fd = open_some(worker, slot, found, &handle);
	if (fd >= 0)
		fd_keep(worker, found, fd, handle);
	return fd;
}

/**
 * fd_slot - the slot itself
 * @worker: whose
 * @slot: a slot, enum any, or a number plus FD_NUMBERS
 *
 * Return: its number; -1 if none is meant.
 */
int fd_slot(const struct worker *worker, uint64_t slot)
{
	return slot < FD_NUMBERS ? (int)slot_of(worker, slot) : -1;
}

/**
 * fd_drop - close what belongs to a device that is gone
 * @worker: whose
 * @slot: what the call was made with; only enum any is taken to heart
 *
 * So that the next call opens another one, of a device that is there.
 */
void fd_drop(const struct worker *worker, uint64_t slot)
{
	int fd;

	if (slot < FDS || slot >= FD_NUMBERS)
		return;
	fd = atomic_exchange(&common->fd[worker->process]
					[slot_of(worker, slot)],
			     -1);
	if (fd >= 0)
		close(fd);
}

/**
 * fd_handle - the handle of the device that a descriptor belongs to
 * @worker: whose
 * @slot: a slot, or enum any
 */
uint32_t fd_handle(const struct worker *worker, uint64_t slot)
{
	uint32_t handle = 0;

	if (slot < FD_NUMBERS)
		handle = common->fd_handle[worker->process]
					  [slot_of(worker, slot)];
	return handle ?: (uint32_t)common->handle[0];
}

static long keep(const struct worker *worker, uint64_t slot, int fd,
		 uint32_t handle)
{
	if (fd < 0)
		return -1;
	fd_keep(worker, slot, fd, handle);
	return 0;
}

static int mode_of(uint64_t mode)
{
	static const int modes[] = {
		O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_DIRECT,
		O_RDWR | O_EXCL, O_RDWR | O_SYNC, O_RDONLY | O_NONBLOCK, O_PATH,
	};

	return O_CLOEXEC | (mode < 8 ? modes[mode] : (int)mode & O_ACCMODE);
}

long call_open_control(struct worker *worker, const uint64_t *arg)
{
	return keep(worker, arg[0],
		    open(ZOSBD2_CONTROL_NODE, mode_of(arg[1])), 0);
}

long call_open_disk(struct worker *worker, const uint64_t *arg)
{
	char path[64], name[ZOSBD2_NAME_LEN];

	name_of(arg[1], name);
	/* Nothing here is to harm the guest's own disk. */
	if (!strcmp(name, "vda"))
		strcpy(name, "fz0p1");
	snprintf(path, sizeof(path), "/dev/%.31s", name);
	return keep(worker, arg[0], open(path, mode_of(arg[2])),
		    handle_of(arg[1] % DEVICES));
}

long call_close(struct worker *worker, const uint64_t *arg)
{
	int fd = fd_of(worker, arg[0]);

	if (arg[0] < FDS)
		atomic_store(&common->fd[worker->process][arg[0]], -1);
	return close(fd);
}

long call_dup(struct worker *worker, const uint64_t *arg)
{
	int fd = fcntl(fd_of(worker, arg[0]), F_DUPFD_CLOEXEC, 3);

	channel_copy(fd_slot(worker, arg[0]), arg[1] % FDS);
	return keep(worker, arg[1], fd, fd_handle(worker, arg[0]));
}

/* Take a descriptor of another process, as a debugger could. */
long call_steal(struct worker *worker, const uint64_t *arg)
{
	unsigned int process = arg[0] % PROCESSES;
	int pidfd, fd;

	pidfd = syscall(SYS_pidfd_open, common->pid[process], 0);
	if (pidfd < 0)
		return -1;
	fd = syscall(SYS_pidfd_getfd, pidfd,
		     common->fd[process][arg[1] % FDS], 0);
	close(pidfd);
	return keep(worker, arg[2], fd,
		    common->fd_handle[process][arg[1] % FDS]);
}

/**
 * files_prepare - make the sockets that descriptors are passed through
 *
 * Anew for each program: what nobody took would stay open.
 */
void files_prepare(void)
{
	unsigned int process;
	int pair[2];

	for (process = 0; process < PROCESSES; process++) {
		if (socketpair(AF_UNIX,
			       SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			       pair))
			continue;
		dup2(pair[0], FIRST_SOCKET + 2 * process);
		dup2(pair[1], FIRST_SOCKET + 2 * process + 1);
		close(pair[0]);
		close(pair[1]);
	}
}

/**
 * files_end - close them, and what is still in them
 */
void files_end(void)
{
	close_range(FIRST_SOCKET, FIRST_SOCKET + 2 * PROCESSES - 1, 0);
}

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

long call_pass(struct worker *worker, const uint64_t *arg)
{
	int fd = fd_of(worker, arg[1]);
	union control control = { };
	char byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(FIRST_SOCKET + 2 * (arg[0] % PROCESSES), &message, 0);
}

long call_take(struct worker *worker, const uint64_t *arg)
{
	union control control = { };
	char byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(FIRST_SOCKET + 2 * worker->process + 1, &message,
		    MSG_CMSG_CLOEXEC) < 0)
		return -1;
	if (control.header.cmsg_len != CMSG_LEN(sizeof(int)))
		return 0;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return keep(worker, arg[0], fd, 0);
}

static const char *const sysfs_files[] = {
	"zosbd2/handle", "zosbd2/state", "zosbd2/recovery", "zosbd2/servers",
	"zosbd2/threads", "zosbd2/requests", "zosbd2/read_bytes",
	"zosbd2/write_bytes", "zosbd2/discard_bytes", "zosbd2/flushes",
	"zosbd2/errors", "zosbd2/timeouts", "zosbd2/queue_waits",
	"zosbd2/late_answers", "zosbd2/servers_lost", "zosbd2/handed_on",
	"zosbd2/queued", "zosbd2/in_flight", "zosbd2/timeout_ms",
	"zosbd2/queue_depth", "zosbd2/max_segments", "size", "ro", "stat",
	"queue/io_poll", "queue/optimal_io_size", "mq/0/cpu_list",
	"inflight", "queue/nr_requests", "queue/read_ahead_kb",
	"queue/max_sectors_kb", "queue/write_cache", "queue/wbt_lat_usec",
	"queue/discard_max_bytes", "queue/nomerges", "queue/io_timeout",
	"queue/rotational", "queue/stable_writes", "queue/iostats",
	"queue/scheduler",
	"../../module/zosbd2/parameters/queue_depth",
	"../../module/zosbd2/parameters/max_devices",
	"../../module/zosbd2/refcnt",
};

long call_sysfs(struct worker *worker, const uint64_t *arg)
{
	static const char *const words[] = {
		"none", "write back", "write through", "0", "1", "-1", "",
	};
	char path[128], name[ZOSBD2_NAME_LEN], text[256];
	long ret;
	int fd, error;

	(void)worker;
	name_of(arg[0] % DEVICES, name);
	snprintf(path, sizeof(path), "/sys/block/%.31s/%s", name,
		 sysfs_files[arg[1] % (sizeof(sysfs_files) /
				       sizeof(*sysfs_files))]);
	fd = open(path, (arg[2] ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (arg[2]) {
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)arg[3]);
		if (arg[3] % 16 < 7)
			strcpy(text, words[arg[3] % 16]);
		ret = write(fd, text, strlen(text));
	} else {
		ret = read(fd, text, sizeof(text));
	}
	error = errno;
	close(fd);
	errno = error;
	return ret;
}
