// SPDX-License-Identifier: MIT
/*
 * Random values: for each kind of argument those that are right, and those
 * that are wrong or nearly so.
 */
#include <linux/zosbd2_ext.h>

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
	uint64_t value = below(chance, 32);

	if (one_in(chance, 2))
		return 0;
	/* A device that nobody writes to shows little. */
	if (!one_in(chance, 8))
		value &= ~ZOSBD2_FEATURE_READ_ONLY;
	if (value & ZOSBD2_FEATURE_FUA)
		value |= ZOSBD2_FEATURE_FLUSH;
	return value;
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
		switch (below(chance, 16)) {
		case 0:
			return FD_DISK + below(chance, FDS - FD_DISK);
		case 1 ... 3:
			return taste->fd;
		default:
			return taste->fd >= FD_SESSION ? ANY_SESSION : ANY_DISK;
		}
	case DEV:
	case HANDLE:
		return mostly(chance, taste->dev, DEVICES);
	case BLOCKS:
		return ZOSBD2_MIN_BLOCKS << below(chance, 4);
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
		return taste->fd >= FD_SESSION && below(chance, 4)
			       ? taste->fd
			       : FD_SESSION + below(chance, FDS - FD_SESSION);
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
		return one_in(chance, 6) ? 1 << 20
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
	default:
		return below(chance, 64);
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
	case FD:
	case SESSION:
	case DISK:
	case CONTROL:
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
		return below(chance, 64);
	default:
		return edge(chance);
	}
}
