// SPDX-License-Identifier: MIT
/*
 * The channels that a process has in its slots.
 *
 * Each has a place in memory that is kept for its mapping, so that nothing else
 * is hit when one thread unmaps it and another one writes there: that one
 * traps, and gives up what it was at.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "channel.h"

#define WINDOW (512UL << 10) /* more than the largest mapping */

/**
 * struct channel - what is known of the channel in a slot
 * @attach: what the module said of it
 * @renewed: and nobody has looked at that yet
 * @busy: somebody uses what follows
 * @ring: the server's side
 */
static struct channel {
	struct zosbd2_ring_attach attach;
	_Atomic bool renewed;
	_Atomic bool busy;
	struct ring ring;
} channels[CHANNELS];

static _Thread_local sigjmp_buf *escape;

static void trap(int number)
{
	if (escape)
		siglongjmp(*escape, 1);
	/* It comes again, and ends the process. */
	signal(number, SIG_DFL);
}

/**
 * channels_prepare - make the places
 */
void channels_prepare(void)
{
	struct sigaction action = {
		.sa_handler = trap,
		.sa_flags = SA_NODEFER,
	};
	unsigned char *windows;
	unsigned int i;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	windows = mmap(NULL, CHANNELS * WINDOW, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (windows == MAP_FAILED)
		_exit(99);
	for (i = 0; i < CHANNELS; i++)
		channels[i].ring.base = windows + i * WINDOW;
}

/**
 * careful - do something with memory that may not be there
 * @work: does it
 * @argument: for that
 *
 * Return: false if it was not there, and the rest has not been done.
 */
bool careful(void (*work)(void *), void *argument)
{
	sigjmp_buf here;

	if (sigsetjmp(here, 0)) {
		escape = NULL;
		return false;
	}
	escape = &here;
	work(argument);
	escape = NULL;
	return true;
}

static struct channel *channel_in(uint64_t slot)
{
	if (slot < FD_CHANNEL || slot >= FDS)
		return NULL;
	return &channels[slot - FD_CHANNEL];
}

/**
 * channel_know - note how to map the channel that is now in a slot
 * @slot: the slot, which may be one of another kind
 * @attach: what the module said
 */
void channel_know(uint64_t slot, const struct zosbd2_ring_attach *attach)
{
	struct channel *channel = channel_in(slot);

	if (!channel)
		return;
	channel->attach = *attach;
	channel->renewed = true;
}

/**
 * channel_copy - note the same of a slot as of another one
 * @from: that one, or -1
 * @to: the slot
 */
void channel_copy(int from, uint64_t to)
{
	struct channel *source = from < 0 ? NULL : channel_in(from);
	struct channel *target = channel_in(to);

	if (source && target && source != target)
		channel_know(to, &source->attach);
}

/* As the module or the kernel may let it be larger than its place. */
static long map_elsewhere(int fd, int sharing, size_t bytes, uint64_t offset)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, sharing, fd,
			    offset);

	if (memory == MAP_FAILED)
		return -1;
	return munmap(memory, bytes);
}

/*
 * Mapped elsewhere first: a mmap() to a fixed place that fails leaves nothing
 * there, and other threads' mappings would come to where this one's are.
 */
static long map_here(unsigned char *base, int fd, int protection, int sharing,
		     size_t bytes, uint64_t offset)
{
	void *memory = mmap(NULL, bytes, protection, sharing, fd, offset);

	if (memory == MAP_FAILED)
		return -1;
	if (mremap(memory, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, base) !=
	    MAP_FAILED)
		return 0;
	munmap(memory, bytes);
	return -1;
}

static long unmap_here(unsigned char *base, size_t bytes)
{
	return mmap(base, bytes, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		    0) == MAP_FAILED
		       ? -1
		       : 0;
}

/**
 * channel_map - change the mapping of a channel
 * @slot: where the channel is
 * @fd: the channel
 * @how: what to do
 * @bytes: how much of it; 0: all that there is
 * @offset: from where on, for a new mapping
 */
long channel_map(int slot, int fd, enum how_to_map how, size_t bytes,
		 uint64_t offset)
{
	struct channel *channel = slot < 0 ? NULL : channel_in(slot);
	unsigned char *base;

	if (!bytes && channel)
		bytes = channel->attach.map_bytes;
	if (!bytes)
		bytes = 3 * PAGE;
	/* What is no channel of ours may be mapped, but not changed. */
	if (!channel || bytes > WINDOW)
		return map_elsewhere(fd, how == MAP_FOR_ITSELF ? MAP_PRIVATE
							       : MAP_SHARED,
				     bytes, offset);
	base = channel->ring.base;
	switch (how) {
	case MAP_RIGHT:
		return map_here(base, fd, PROT_READ | PROT_WRITE, MAP_SHARED,
				bytes, offset);
	case MAP_READ_ONLY:
		return map_here(base, fd, PROT_READ, MAP_SHARED, bytes, offset);
	case MAP_FOR_ITSELF:
		return map_here(base, fd, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				bytes, offset);
	case MAP_AWAY:
		return unmap_here(base, WINDOW);
	case MAP_HOLE:
		return unmap_here(base, PAGE);
	case MAP_NO_ACCESS:
		return mprotect(base, bytes, PROT_NONE);
	case MAP_NO_WRITES:
		return mprotect(base, bytes, PROT_READ);
	case MAP_ACCESS:
		return mprotect(base, bytes, PROT_READ | PROT_WRITE);
	case MAP_FORGET:
		return madvise(base, bytes, MADV_DONTNEED);
	case MAP_INHERIT:
		return madvise(base, bytes, MADV_DOFORK);
	default:
		return mremap(base, bytes, bytes + PAGE, 0) == MAP_FAILED ? -1
									  : 0;
	}
}

struct told {
	const struct ring *ring;
	uint64_t generation;
};

static void read_generation(void *argument)
{
	struct told *told = argument;

	told->generation = ring_header(told->ring)->generation;
}

/**
 * channel_get - map a channel that was attached, and read what it tells
 * @slot: where it is
 * @fd: the channel
 * @handle: its device
 */
void channel_get(uint64_t slot, int fd, uint32_t handle)
{
	struct channel *channel = channel_in(slot);
	struct told told = { };
	unsigned int i;

	if (!channel || channel_map(slot, fd, MAP_RIGHT, 0, 0))
		return;
	told.ring = &channel->ring;
	for (i = 0; careful(read_generation, &told) && i < DEVICES; i++)
		if (common->handle[i] == handle)
			common->generation[i] = told.generation;
}

/**
 * channel_open - attach to the first queue of a device, and map that channel
 * @worker: who does
 * @slot: where it will be
 * @handle: the device
 *
 * Return: the channel, or -1.
 */
int channel_open(const struct worker *worker, unsigned int slot,
		 uint32_t handle)
{
	struct zosbd2_ring_attach attach = {
		.handle_id = handle,
		.features = ZOSBD2_FEATURES_OF_SERVER,
	};
	int fd = ioctl(fd_of(worker, FD_CONTROL), ZOSBD2_IOC_ATTACH_QUEUE,
		       &attach);

	if (fd < 0)
		return -1;
	channel_know(slot, &attach);
	channel_get(slot, fd, handle);
	return fd;
}

/**
 * channel_begin - use the ring of a slot, alone
 * @worker: who will
 * @slot: the slot, or enum any
 *
 * Return: the ring; NULL if there is none, or somebody else uses it.
 */
struct ring *channel_begin(const struct worker *worker, uint64_t slot)
{
	int fd = fd_of(worker, slot), number = fd_slot(worker, slot);
	struct channel *channel = number < 0 ? NULL : channel_in(number);

	if (!channel || !channel->attach.entries ||
	    atomic_exchange(&channel->busy, true))
		return NULL;
	if (atomic_exchange(&channel->renewed, false))
		ring_lay_out(&channel->ring, &channel->attach);
	channel->ring.fd = fd;
	return &channel->ring;
}

/**
 * channel_seen - the ring of a slot, for who does not want to be alone
 * @worker: who asks
 * @slot: the slot, or enum any
 *
 * Return: the ring; NULL if there is none.
 */
struct ring *channel_seen(const struct worker *worker, uint64_t slot)
{
	struct ring *ring = channel_begin(worker, slot);
	int number = fd_slot(worker, slot);
	struct channel *channel = number < 0 ? NULL : channel_in(number);

	if (ring)
		channel_end(ring);
	return channel && channel->ring.entries ? &channel->ring : NULL;
}

/**
 * channel_window - where a channel's mapping is
 * @number: of those of the process
 */
unsigned char *channel_window(unsigned int number)
{
	return channels[number].ring.base;
}

/**
 * channel_end - have done with it
 * @ring: the ring
 */
void channel_end(struct ring *ring)
{
	unsigned int i;

	for (i = 0; i < CHANNELS; i++)
		if (&channels[i].ring == ring)
			channels[i].busy = false;
}

/**
 * channel_generation - the generation that an attach names
 * @handle: the device
 * @which: 0: none; 1: that of a channel of it; else a number, plus 2
 */
uint64_t channel_generation(uint32_t handle, uint64_t which)
{
	unsigned int i;

	if (which > 1)
		return which - 2;
	for (i = 0; which && i < DEVICES; i++)
		if (common->handle[i] == handle)
			return common->generation[i];
	return 0;
}
