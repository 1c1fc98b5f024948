// SPDX-License-Identifier: MIT
/*
 * Channels as files: attached, mapped, waited for.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "channel.h"

long call_attach_queue(struct worker *worker, const uint64_t *arg)
{
	struct zosbd2_ring_attach attach = {
		.handle_id = handle_of(arg[1]),
		.flags = arg[2],
		.features = arg[3],
		.timeout_ms = arg[4],
		.queue = arg[5],
		.entries = arg[6],
	};
	uint64_t slot = arg[9] % FDS;
	long fd;

	attach.generation = channel_generation(attach.handle_id, arg[7]);
	attach.reserved[worker->number % 4] = arg[8];
	fd = control_call(worker, arg[0], ZOSBD2_IOC_ATTACH_QUEUE, &attach,
			  sizeof(attach), arg[11]);
	if (fd < 0)
		return fd;
	channel_know(slot, &attach);
	fd_keep(worker, slot, fd, attach.handle_id);
	if (!arg[10])
		channel_get(slot, fd, attach.handle_id);
	return fd;
}

long call_map_channel(struct worker *worker, const uint64_t *arg)
{
	int fd = fd_of(worker, arg[0]);

	return channel_map(fd_slot(worker, arg[0]), fd, arg[1] % MAPS, arg[2],
			   arg[3] * PAGE);
}

static long wait_in_epoll(int fd, uint32_t events, int timeout_ms)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC), error;
	long ret;

	if (epoll < 0)
		return -1;
	ret = epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	if (!ret)
		ret = epoll_wait(epoll, &event, 1, timeout_ms);
	error = errno;
	close(epoll);
	errno = error;
	return ret;
}

/* One that outlives what is waited for: the file leaves it when it goes. */
static long wait_in_lasting_epoll(int fd, int timeout_ms)
{
	static _Atomic int lasting = -1;
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
	int epoll = lasting, none = -1;

	if (epoll < 0) {
		epoll = epoll_create1(EPOLL_CLOEXEC);
		if (!atomic_compare_exchange_strong(&lasting, &none, epoll)) {
			close(epoll);
			epoll = none;
		}
	}
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) && errno != EEXIST)
		return -1;
	epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
	return epoll_wait(epoll, &event, 1, timeout_ms);
}

long call_poll(struct worker *worker, const uint64_t *arg)
{
	int fd = fd_of(worker, arg[0]), timeout_ms = arg[2] % 20000 / 1000;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	long ret;

	switch (arg[1] % 6) {
	case 0:
		poll_fd.events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP;
		break;
	case 1:
		return wait_in_epoll(fd, EPOLLIN, timeout_ms);
	case 2:
		return wait_in_epoll(fd, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE,
				     timeout_ms);
	case 3:
		return wait_in_lasting_epoll(fd, timeout_ms);
	default:
		break;
	}
	ret = poll(&poll_fd, 1, timeout_ms);
	if (ret <= 0 || !(poll_fd.revents & POLLNVAL))
		return ret;
	errno = EBADF;
	return -1;
}
