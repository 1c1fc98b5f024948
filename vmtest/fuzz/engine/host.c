// SPDX-License-Identifier: MIT
/*
 * A server that serves all queues of a device, as one should: so that I/O
 * flows, and ends in the middle, as servers do.
 *
 * Nobody else uses its channels, so it knows what the module must do, and tells
 * when that does something else.  That is why it is a thread with descriptors
 * of its own: other threads close and use numbers that they have no right to,
 * and would hit a channel before it had a number that they do not guess.  Nor
 * is its memory named by answers that others may hand in.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"

#define PATIENCE_MS	5
#define IDLE_TURNS	40
#define CANARY		0xc5
#define CANARIES	64

/* How it ends. */
enum end {
	END_DUTIFULLY,
	END_WITH_REQUESTS,	/* that it has not answered */
	END_LATER,		/* with the process: all stays open */
	END_MAPPED,		/* closed, but mapped */
	END_BY_EXIT,
	END_BY_KILL,
	END_BY_EXEC,
	ENDS
};

/* But for what is told. */
static void check_emptiness(const struct host *host, const struct ring *ring)
{
	const uint64_t *word = (void *)ring->base;
	size_t i, words = ring->bytes / sizeof(*word);

	for (i = ring->requests / sizeof(*word); i < words; i++)
		if (word[i])
			breach_about(host->worker, "a new ring is not empty",
				     "%u bytes at %p, at offset %zu %016llx",
				     ring->bytes, (void *)ring->base,
				     i * sizeof(*word),
				     (unsigned long long)word[i]);
}

static bool attach(struct host *host, struct ring *ring, int control,
		   struct zosbd2_ring_attach *wanted)
{
	struct zosbd2_ring_attach attach = *wanted;
	void *base;

	ring->fd = ioctl(control, ZOSBD2_IOC_ATTACH_QUEUE, &attach);
	if (ring->fd < 0)
		return false;
	base = mmap(NULL, attach.map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		    ring->fd, 0);
	if (base == MAP_FAILED)
		return false;
	ring->base = base;
	ring_lay_out(ring, &attach);
	check_emptiness(host, ring);
	/* The others are to be of the same server. */
	wanted->generation = ring_header(ring)->generation;
	wanted->flags = 0;
	return true;
}

static bool open_channels(struct host *host, const uint64_t *arg)
{
	struct zosbd2_ext_status status = { .handle_id = handle_of(arg[0]) };
	struct zosbd2_ring_attach wanted = {
		.handle_id = status.handle_id,
		.features = ZOSBD2_FEATURES_OF_SERVER,
		.flags = arg[1] ? ZOSBD2_ATTACH_TAKE_OVER : 0,
		.timeout_ms = 40,
		.entries = arg[4],
	};
	int control = open(ZOSBD2_CONTROL_NODE, O_RDWR | O_CLOEXEC);
	unsigned int i;

	if (ioctl(control, ZOSBD2_IOC_GET_STATUS, &status))
		return false;
	host->max_io = status.max_io_bytes;
	host->max_discard = status.max_discard_bytes;
	host->queues = status.queues + status.poll_queues;
	if (host->queues > QUEUES_MAX)
		host->queues = QUEUES_MAX;
	for (i = 0; i < host->queues; i++) {
		wanted.queue = i;
		if (!attach(host, &host->ring[i], control, &wanted))
			return false;
	}
	wanted.queue = 0;
	return attach(host, host_idle_ring(host), control, &wanted);
}

static void close_channels(struct host *host, bool mapped)
{
	struct ring *ring;

	for (ring = host->ring; ring <= host_idle_ring(host); ring++) {
		if (ring->fd >= 0)
			close(ring->fd);
		if (ring->base && !mapped)
			munmap(ring->base, ring->bytes);
	}
}

static void check_request(struct host *host, const struct hand *hand)
{
	uint32_t most = hand->operation == ZOSBD2_RING_READ ||
					hand->operation == ZOSBD2_RING_WRITE
				? host->max_io
				: host->max_discard;

	if (!hand->id || !hand->operation ||
	    hand->operation > ZOSBD2_RING_WRITE_ZEROES)
		breach(host->worker, "a request makes no sense");
	if (hand->operation == ZOSBD2_RING_FLUSH ? hand->length || hand->start
						 : !hand->length)
		breach(host->worker, "a request's place makes no sense");
	if (hand->length > most || (hand->length | hand->start) % 512)
		breach(host->worker, "a request's length makes no sense");
}

static uint32_t longest(const struct ring *ring)
{
	uint32_t most = 0;
	unsigned int i;

	for (i = 0; i < ring->hands; i++)
		if (ring->hand[i].length > most)
			most = ring->hand[i].length;
	return most;
}

/* A round, and a look at all that the module did in it. */
static long serve_round(struct host *host, struct ring *ring)
{
	uint32_t before = ring_header(ring)->request_tail;
	unsigned char canaries[CANARIES], *behind;
	unsigned int most = HANDS, i;
	long ret;

	memset(canaries, CANARY, sizeof(canaries));
	behind = host->service.memory + longest(ring);
	memcpy(behind, canaries, sizeof(canaries));
	ret = ring_round(host->worker, ring, &host->service, false);
	if (memcmp(behind, canaries, sizeof(canaries)))
		breach(host->worker, "data was copied behind its place");
	if (host->service.refused)
		breach(host->worker, "a right answer was refused");
	if (ret < 0)
		return ret;
	if (ret > most || ring_header(ring)->request_tail - before != ret)
		breach(host->worker, "other requests came than was told");
	if (ring_header(ring)->answer_head != ring->answer_tail)
		breach_about(host->worker, "answers were left over",
			     "of %u entries %u to %u, written to %u; got %ld",
			     ring->entries, ring_header(ring)->answer_head,
			     ring_header(ring)->answer_tail, ring->answer_tail,
			     ret);
	for (i = ring->hands - ret; i < ring->hands; i++)
		check_request(host, &ring->hand[i]);
	return ret;
}

static bool wait_for_requests(struct host *host)
{
	struct pollfd fds[QUEUES_MAX];
	unsigned int i;

	for (i = 0; i < host->queues; i++) {
		if (host->ring[i].hands)
			return true;
		fds[i] = (struct pollfd){
			.fd = host->ring[i].fd,
			.events = POLLIN,
		};
	}
	return poll(fds, host->queues, PATIENCE_MS) > 0;
}

static void serve(struct host *host, uint64_t count, bool tricks)
{
	unsigned int idle = 0, i;
	struct ring *ring;

	while (count && idle < IDLE_TURNS && !common->hurry) {
		common->seat[host->worker->number].since = now_ns();
		idle = wait_for_requests(host) ? 0 : idle + 1;
		for (i = 0; i < host->queues; i++) {
			ring = &host->ring[i];
			if (serve_round(host, ring) < 0 && errno != EINTR)
				return;
			if (tricks && ring->hands)
				host_try_a_trick(host, ring);
			if (count && ring->hands)
				count--;
		}
	}
}

/* Bring what there is, and do not answer it. */
static void hoard(struct host *host)
{
	unsigned int i;

	for (i = 0; i < host->queues; i++) {
		ring_enter(&host->ring[i], HANDS - host->ring[i].hands, false);
		ring_take(host->worker, &host->ring[i]);
	}
}

static void hand_in_all(struct host *host)
{
	unsigned int i, turn;

	for (i = 0; i < host->queues; i++)
		for (turn = 0; turn < HANDS && host->ring[i].hands; turn++) {
			ring_answer_all(&host->ring[i], &host->service);
			ring_publish(&host->ring[i]);
			if (ring_enter(&host->ring[i], 0, false) < 0)
				break;
		}
}

static void end(struct host *host, enum end how)
{
	if (how == END_DUTIFULLY || common->hurry)
		hand_in_all(host);
	else
		hoard(host);
	if (common->hurry)
		how = END_DUTIFULLY;
	switch (how) {
	case END_LATER:
		return;
	case END_BY_EXIT:
		_exit(0);
	case END_BY_KILL:
		kill(getpid(), SIGKILL);
		return;
	case END_BY_EXEC:
		execl("/bin/sleep", "sleep", "0.02", NULL);
		return;
	default:
		close_channels(host, how == END_MAPPED);
	}
}

/* Returns how it ended; -1 if it could not begin. */
static int be_host(struct worker *worker, const uint64_t *arg)
{
	static _Thread_local struct host host;
	enum end how = arg[7] % ENDS;
	unsigned int i;
	int error;

	for (i = 0; i <= QUEUES_MAX; i++)
		host.ring[i].fd = -1;
	host.worker = worker;
	host.service = (struct service){
		.style = arg[3] % (STYLES + 1),
		.chance = chance_of(arg[8], 0),
		.error = error_of(arg[5]) ?: -EIO,
		.memory = worker->arguments + arg[8] % 64,
	};
	if (!open_channels(&host, arg)) {
		error = errno;
		close_channels(&host, false);
		errno = error;
		return -1;
	}
	serve(&host, arg[2] % 256 + 1, arg[6]);
	end(&host, how);
	return how;
}

/**
 * struct stay - what a worker waits for, and its host's thread tells
 * @worker: who waits
 * @arg: of its call
 * @how: how it ended, or -1
 * @error: then, an errno
 * @over: it has ended
 */
struct stay {
	struct worker *worker;
	const uint64_t *arg;
	int how;
	int error;
	sem_t over;
};

static void *host_main(void *argument)
{
	struct stay *stay = argument;
	bool later;

	/* The last are those for coverage. */
	if (close_range(FIRST_FD_OF_COVER + WORKERS + 1, ~0U,
			CLOSE_RANGE_UNSHARE)) {
		/* All others are its process's still. */
		stay->how = -1;
		stay->error = errno;
		sem_post(&stay->over);
		return NULL;
	}
	cover_begin(stay->worker);
	close_range(3, FIRST_FD_OF_COVER - 1, 0);
	common->seat[stay->worker->number].tid = syscall(SYS_gettid);
	stay->how = be_host(stay->worker, stay->arg);
	stay->error = errno;
	later = stay->how == END_LATER;
	cover_end(stay->worker);
	sem_post(&stay->over);
	/* Its descriptors go with it. */
	while (later)
		pause();
	return NULL;
}

long call_host(struct worker *worker, const uint64_t *arg)
{
	struct stay stay = { .worker = worker, .arg = arg };
	pthread_t thread;
	int error;

	sem_init(&stay.over, 0, 0);
	cover_end(worker);
	error = pthread_create(&thread, NULL, host_main, &stay);
	if (!error) {
		pthread_detach(thread);
		while (sem_wait(&stay.over))
			;
		error = stay.how < 0 ? stay.error : 0;
	}
	common->seat[worker->number].tid = syscall(SYS_gettid);
	cover_begin(worker);
	errno = error;
	return error ? -1 : 0;
}
