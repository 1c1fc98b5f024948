// SPDX-License-Identifier: MIT
/*
 * Random values: for each kind of argument those that are right, and those
 * that are wrong or nearly so.
 */
#include <linux/zosbd2_ring.h>

#include "program.h"

/* splitmix64 */
uint64_t draw(struct chance *chance)
{
	uint64_t value = chance->state += 0x9e3779b97f4a7c15;

	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
	value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
	return value ^ (value >> 31);
}

struct chance chance_of(uint64_t seed, uint64_t number)
{
	struct chance chance = { .state = seed };

	chance.state = draw(&chance) ^ number;
	return chance;
}

uint64_t below(struct chance *chance, uint64_t limit)
{
	return limit ? draw(chance) % limit : 0;
}

bool one_in(struct chance *chance, uint64_t limit)
{
	return below(chance, limit) == 0;
}

static uint64_t edge(struct chance *chance)
{
	static const uint64_t edges[] = {
		0, 1, 2, 7, 255, 256, 257, 511, 512, 4095, 4096, 4097,
		65535, 65536, 1 << 20, (1 << 20) + 1, INT32_MAX, 1ULL << 31,
		UINT32_MAX, 1ULL << 32, ZOSBD2_MAX_BLOCKS, INT64_MAX,
		1ULL << 63, UINT64_MAX - 4095, UINT64_MAX,
	};

	if (one_in(chance, 3))
		return draw(chance) >> below(chance, 64);
	return edges[below(chance, sizeof(edges) / sizeof(*edges))];
}

static uint64_t mostly(struct chance *chance, uint64_t usual, uint64_t limit)
{
	return below(chance, 4) ? usual : below(chance, limit);
}

static uint64_t features(struct chance *chance)
{
	uint64_t value = below(chance, 64);

	if (one_in(chance, 2))
		return 0;
	/* A device that nobody writes to shows little. */
	if (!one_in(chance, 8))
		value &= ~ZOSBD2_FEATURE_READ_ONLY;
	if (value & ZOSBD2_FEATURE_FUA)
		value |= ZOSBD2_FEATURE_FLUSH;
	return value;
}

/* What a worker serves or uses a device through. */
static uint64_t usual_file(struct chance *chance, const struct taste *taste)
{
	switch (below(chance, 16)) {
	case 0:
		return FD_DISK + below(chance, FDS - FD_DISK);
	case 1 ... 3:
		return taste->fd;
	default:
		if (taste->fd >= FD_CHANNEL)
			return ANY_CHANNEL;
		return taste->fd >= FD_SESSION ? ANY_SESSION : ANY_DISK;
	}
}

static uint64_t usual_disk(struct chance *chance, const struct taste *taste)
{
	if (taste->fd >= FD_DISK && taste->fd < FD_SESSION && below(chance, 4))
		return taste->fd;
	return one_in(chance, 4) ? usual_file(chance, taste) : ANY_DISK;
}

static uint64_t usual_channel(struct chance *chance, const struct taste *taste)
{
	switch (below(chance, 8)) {
	case 0:
		return FD_CHANNEL + below(chance, CHANNELS);
	case 1:
		return ANY_CHANNEL;
	default:
		return taste->fd >= FD_CHANNEL && taste->fd < FDS ? taste->fd
								  : ANY_CHANNEL;
	}
}

/* A storm's calls are to suit what they are made with, mostly. */
static uint64_t storm_of_whom(struct chance *chance, const struct taste *taste)
{
	if (one_in(chance, 4))
		return below(chance, STORMS);
	if (taste->fd >= FD_CHANNEL)
		return STORM_OF_RINGER;
	return taste->fd >= FD_SESSION ? STORM_OF_SERVER : below(chance, 3);
}

/* Of devices: what is checked against each other goes together. */
static uint64_t shape_value(struct chance *chance, enum kind kind)
{
	if (below(chance, 4))
		return kind == ANY_BLOCK_BYTES ? ZOSBD2_BLOCK_SIZE : 0;
	switch (kind) {
	case ANY_BLOCK_BYTES:
		return 512ULL << below(chance, 4);
	case QUEUES:
		return 1 + below(chance, 3);
	case POLL_QUEUES:
		return 1 + below(chance, 2);
	case DEPTH:
		return one_in(chance, 8) ? ZOSBD2_MAX_QUEUE_DEPTH
					 : 1 + below(chance, 64);
	case PHYSICAL_BYTES:
	case GRANULARITY:
		return 4096ULL << below(chance, 3);
	case IO_BYTES:
		return 65536ULL << below(chance, 9);
	case OPTIMAL_BYTES:
		return 65536ULL << below(chance, 7);
	default:
		return 65536ULL << below(chance, 15);
	}
}

static uint64_t right_value_for_rings(struct chance *chance, enum kind kind,
				      const struct taste *taste)
{
	switch (kind) {
	case RING:
		return usual_channel(chance, taste);
	case CHANNEL:
		return taste->fd >= FD_CHANNEL && taste->fd < FDS &&
				       below(chance, 4)
			       ? taste->fd
			       : FD_CHANNEL + below(chance, CHANNELS);
	case WHICH_QUEUE:
		return one_in(chance, 3) ? below(chance, 4) : 0;
	case ENTRIES:
		return one_in(chance, 3) ? 1ULL << below(chance, 13) : 0;
	case GENERATION:
		return one_in(chance, 4);
	case HOW_TO_MAP:
		return mostly(chance, MAP_RIGHT, MAPS);
	case BRING:
		return below(chance, 4) ? 1 + below(chance, HANDS - 1) : 0;
	case ANSWER_FLAGS:
		/* The data alone, and the end alone, besides both. */
		return one_in(chance, 3) ? 2 + below(chance, 2) : 0;
	case PLACE_IN_DATA:
		return one_in(chance, 6) ? 1 + 512 * below(chance, 16) : 0;
	case PART:
		return below(chance, PARTS);
	case POSITION:
		/* As it is, where the kernel's is, or a little ahead. */
		return one_in(chance, 2) ? 0 : below(chance, 4);
	case STYLE:
		return mostly(chance, STYLE_MIXED, STYLES);
	case TIMES:
		return one_in(chance, 6) ? 1 + below(chance, 3) : 0;
	case WORDS:
		return 1ULL << below(chance, 13);
	case END:
		return one_in(chance, 3) ? below(chance, 8) : 0;
	default:
		return below(chance, 64);
	}
}

/**
 * right_value - a value with which a call may succeed
 * @chance: decides
 * @kind: of which argument
 * @taste: what the worker prefers
 */
uint64_t right_value(struct chance *chance, enum kind kind,
		     const struct taste *taste)
{
	switch (kind) {
	case FD:
		return usual_file(chance, taste);
	case USED_DISK:
		return usual_disk(chance, taste);
	case DEV:
	case HANDLE:
		return mostly(chance, taste->dev, DEVICES);
	case BLOCKS:
		/* So many are enough, however small they are. */
		return one_in(chance, 3) ? ZOSBD2_MIN_BLOCKS << below(chance, 3)
					 : ZOSBD2_MIN_BLOCKS * 8
						   << below(chance, 2);
	case FEATURES:
		return features(chance);
	case BLOCK_BYTES:
		return ZOSBD2_BLOCK_SIZE;
	case TIMEOUT:
		return one_in(chance, 8) ? 30 : 1 + below(chance, 2);
	case SEGMENTS:
		return one_in(chance, 4) ? 1 + below(chance, 256) : 0;
	case RECOVERY:
	case FORCE:
		return below(chance, 2);
	case MEMORY:
		return one_in(chance, 12) ? MEM_ODD + below(chance, 2) : MEM_GOOD;
	case FLAGS:
		return one_in(chance, 3);
	case UNDERSTOOD:
		return one_in(chance, 8) ? features(chance) &
						   ZOSBD2_FEATURES_OF_SERVER
					 : ZOSBD2_FEATURES_OF_SERVER;
	case MILLISECONDS:
		return below(chance, 40);
	case SESSION:
		return taste->fd >= FD_SESSION && taste->fd < FD_CHANNEL &&
				       below(chance, 4)
			       ? taste->fd
			       : FD_SESSION +
					 below(chance, FD_CHANNEL - FD_SESSION);
	case DISK:
		return taste->fd >= FD_DISK && taste->fd < FD_SESSION &&
				       below(chance, 4)
			       ? taste->fd
			       : FD_DISK + below(chance, FD_SESSION - FD_DISK);
	case CONTROL:
		return one_in(chance, 8) ? ANY_CONTROL : FD_CONTROL;
	case OPEN_MODE:
		return mostly(chance, 2, 8);
	case ANSWER:
		/* Right in all but its kind; that of a read brings data. */
		return one_in(chance, 8) ? ANSWER_READ + below(chance, 2) *
								 below(chance, 5)
					 : 0;
	case OWN_HANDLE:
	case WHICH_ID:
	case LENGTH:
	case ZERO:
		return 0;
	case ERROR:
		return one_in(chance, 6) ? below(chance, 4) : 0;
	case COUNT:
		return 1 + below(chance, 40);
	case MANY:
		return 1 + below(chance, 250);
	case OFFSET:
		return below(chance, 1024) * ZOSBD2_BLOCK_SIZE;
	case BYTES:
		return one_in(chance, 6) ? 1ULL << 20 << below(chance, 4)
					 : ZOSBD2_BLOCK_SIZE << below(chance, 5);
	case COMMAND:
		return edge(chance);
	case PROCESS:
		return below(chance, PROCESSES);
	case PAUSE:
		return below(chance, 20000);
	case QUEUE:
		return below(chance, 257);
	case SIGNAL:
		return below(chance, 4);
	case STORM:
		return storm_of_whom(chance, taste);
	case ANY_BLOCK_BYTES ... GRANULARITY:
		return shape_value(chance, kind);
	default:
		return right_value_for_rings(chance, kind, taste);
	}
}

/**
 * wrong_value - a value that hardly anybody expects
 * @chance: decides
 * @kind: of which argument
 */
uint64_t wrong_value(struct chance *chance, enum kind kind)
{
	static const uint64_t blocks[] = {
		0, 1, ZOSBD2_MIN_BLOCKS - 1, ZOSBD2_MAX_BLOCKS,
		ZOSBD2_MAX_BLOCKS + 1, UINT64_MAX, 1ULL << 52,
	};

	switch (kind) {
	case SESSION:
	case CHANNEL:
		/* Without the control node there is nothing more to be done. */
		return FD_DISK + below(chance, FDS - FD_DISK);
	case FD:
	case DISK:
	case USED_DISK:
	case CONTROL:
	case RING:
		return below(chance, 4) ? below(chance, FD_NUMBERS)
					: FD_NUMBERS + edge(chance);
	case DEV:
		return DEVICES + below(chance, 12);
	case HANDLE:
		return below(chance, 3) ? below(chance, 8) : 8 + edge(chance);
	case OWN_HANDLE:
		return below(chance, 3) ? 1 + below(chance, 8)
					: 9 + edge(chance);
	case BLOCKS:
		return below(chance, 3) ? blocks[below(chance, 7)] : edge(chance);
	case FEATURES:
	case UNDERSTOOD:
		return below(chance, 2) ? below(chance, 64)
					: 1ULL << below(chance, 64);
	case BLOCK_BYTES:
	case ANY_BLOCK_BYTES ... GRANULARITY:
		return below(chance, 3) ? 512ULL << below(chance, 9)
					: edge(chance);
	case MEMORY:
		return below(chance, MEMORIES);
	case RECOVERY:
	case FLAGS:
		return below(chance, 2) ? 2 + below(chance, 2) : edge(chance);
	case ANSWER:
		return below(chance, 4) ? 1 + below(chance, ANSWERS - 1)
					: ANSWERS + (below(chance, 2)
							     ? below(chance, 64)
							     : edge(chance));
	case WHICH_ID:
		return below(chance, 4) ? below(chance, IDS)
					: IDS + edge(chance);
	case MILLISECONDS:
		return below(chance, 2) ? below(chance, 300) : edge(chance);
	case OFFSET:
		return below(chance, 2) ? below(chance, 1 << 25) : edge(chance);
	case BYTES:
		return below(chance, 2) ? below(chance, 1 << 14) : edge(chance);
	case TIMEOUT:
		return below(chance, 2) ? 1199 + below(chance, 4)
					: edge(chance);
	case COUNT:
	case MANY:
	case PROCESS:
	case PAUSE:
	case PLACE:
	case IO:
	case SIGNAL:
	case HOW_TO_MAP:
	case PART:
	case STYLE:
	case TIMES:
	case WORDS:
	case END:
	case STORM:
	case HOW:
		return below(chance, 64);
	case ENTRIES:
	case POSITION:
		return below(chance, 2) ? below(chance, 8200) : edge(chance);
	case GENERATION:
	case ANSWER_FLAGS:
		return below(chance, 2) ? below(chance, 16) : edge(chance);
	case PLACE_IN_DATA:
		return below(chance, 2) ? below(chance, 1 << 20) : edge(chance);
	default:
		return edge(chance);
	}
}
