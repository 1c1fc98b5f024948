/* SPDX-License-Identifier: MIT */
/*
 * A program: calls of several workers, which make them side by side.
 *
 * All that a call does follows from its operation and its arguments, so a
 * program is data: it can be generated, changed, printed, read and repeated.
 */
#ifndef FUZZ_PROGRAM_H
#define FUZZ_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DEVICES		4	/* names fz0 to fz3 */
#define PROCESSES	3
#define THREADS		3	/* of each process */
#define WORKERS		(PROCESSES * THREADS)
#define SETUP		WORKERS	/* calls that are made before the others */
#define MAX_CALLS	2048	/* that can be read; those made are fewer */
#define MADE_CALLS	320
#define MAX_ARGS	20
#define FDS		24	/* slots for descriptors of each process */
#define HANDS		64	/* requests that a server of rings takes at once */

/* What a slot for descriptors usually holds. */
#define FD_CONTROL	0	/* and 1 */
#define FD_DISK		2	/* to 7 */
#define FD_SESSION	8	/* to 15 */
#define FD_CHANNEL	16	/* to 23 */
#define CHANNELS	(FDS - FD_CHANNEL)

/*
 * In place of a slot: one that holds such a descriptor, which is opened if
 * there is none.
 */
enum any { ANY_CONTROL = FDS, ANY_DISK, ANY_SESSION, ANY_CHANNEL, FD_NUMBERS };

/* What a value means; in generate.c are those that are tried. */
enum kind {
	NONE,
	FD,		/* a slot, enum any, or a number plus FD_NUMBERS */
	DEV,		/* a name: of fz0 to fz3, then wrong ones */
	HANDLE,		/* of fz0 to fz3, then their last; from 8 on a number, plus 8 */
	OWN_HANDLE,	/* 0: of the descriptor; else as HANDLE, plus 1 */
	BLOCKS,
	FEATURES,
	BLOCK_BYTES,	/* 4096 */
	ANY_BLOCK_BYTES,
	QUEUES,
	POLL_QUEUES,
	DEPTH,
	PHYSICAL_BYTES,
	IO_BYTES,	/* of a request, at most */
	OPTIMAL_BYTES,
	DISCARD_BYTES,	/* at most */
	GRANULARITY,
	TIMEOUT,	/* of requests, in seconds */
	SEGMENTS,
	QUEUE,
	RECOVERY,
	FORCE,
	MEMORY,		/* enum memory */
	ZERO,		/* reserved */
	FLAGS,		/* of attach */
	UNDERSTOOD,	/* features */
	MILLISECONDS,
	SESSION,	/* a slot for a session */
	CHANNEL,	/* a slot for a channel */
	RING,		/* a channel that there is: as FD */
	WHICH_QUEUE,
	ENTRIES,
	GENERATION,	/* 0, 1: that of the last channel; else a number, plus 2 */
	HOW_TO_MAP,	/* enum how_to_map */
	BRING,		/* requests at most */
	ANSWER_FLAGS,	/* 0: the right ones; else as they are, plus 1 */
	PLACE_IN_DATA,	/* 0: the right one; else a number, plus 1 */
	PART,		/* of a ring: enum part */
	POSITION,	/* 0: as it is; else a number, plus 1, from the kernel's on */
	STYLE,		/* enum style */
	TIMES,		/* how often besides */
	WORDS,		/* how many are written */
	END,		/* enum in host.c */
	STORM,		/* enum storm_of */
	HOW,		/* one of some ways */
	DISK,		/* a slot for a block device */
	USED_DISK,	/* a block device that there is: as FD */
	CONTROL,	/* a slot for the control node */
	OPEN_MODE,	/* enum in calls_files.c */
	ANSWER,		/* enum answer */
	WHICH_ID,	/* enum which_id */
	LENGTH,		/* 0: the right one; else a number, plus 1 */
	ERROR,
	COUNT,
	MANY,
	NUMBER,		/* any */
	COMMAND,	/* of an unknown ioctl */
	OFFSET,		/* bytes on a device */
	BYTES,
	IO,		/* enum in calls_io.c */
	PLACE,		/* enum in memory.c */
	PROCESS,
	FILE_NAME,	/* a number: which of the files in sysfs */
	PAUSE,		/* microseconds */
	SIGNAL,
	KINDS
};

/* What the memory of an argument is like. */
enum memory {
	MEM_GOOD,
	MEM_ODD,	/* at an odd address */
	MEM_TIGHT,	/* what follows is not mapped */
	MEM_SHORT,	/* and so are its last bytes */
	MEM_NULL,
	MEM_SMALL,	/* a small number for a pointer */
	MEM_KERNEL,
	MEM_NON_CANONICAL,
	MEM_LAST,	/* the last bytes of all addresses */
	MEM_USER_END,	/* across the end of user space */
	MEM_READ_ONLY,
	MEM_SHARED,	/* which another thread unmaps and protects meanwhile */
	MEM_DISK,	/* a mapping of a device of ours */
	MEM_RING,	/* a mapping of a channel; for an answer, itself */
	MEMORIES
};

enum answer {
	ANSWER_RIGHT,	/* of the kind that the last request wants, or none */
	ANSWER_NONE,
	ANSWER_READ,
	ANSWER_WRITE,
	ANSWER_DISCARD,
	ANSWER_FLUSH,
	ANSWER_ZEROES,
	ANSWERS		/* from here on: a number, plus ANSWERS */
};

/* What is done about the mapping of a channel. */
enum how_to_map {
	MAP_RIGHT,
	MAP_READ_ONLY,
	MAP_FOR_ITSELF,	/* private */
	MAP_AWAY,	/* unmap it */
	MAP_HOLE,	/* unmap its first page */
	MAP_NO_ACCESS,
	MAP_NO_WRITES,
	MAP_ACCESS,
	MAP_FORGET,	/* madvise: not needed */
	MAP_INHERIT,	/* madvise: children are to have it */
	MAP_LARGER,	/* mremap */
	MAPS
};

enum part {
	PART_ANSWERS,
	PART_REQUESTS,
	PART_HEADER,
	PART_POSITIONS,
	PART_ALL,
	PARTS
};

/* How a server answers over rings; each of it is right. */
enum style {
	STYLE_AT_ONCE,	/* data and end in one answer */
	STYLE_APART,	/* data first, the end in another call */
	STYLE_PIECES,	/* the data of a read in pieces */
	STYLE_BLIND,	/* the end alone */
	STYLE_SHORT,	/* a part of a read's data */
	STYLE_FAILURE,	/* an error */
	STYLES,
	STYLE_MIXED = STYLES
};

/* Whose calls a storm consists of. */
enum storm_of {
	STORM_OF_SERVER,
	STORM_OF_MASTER,
	STORM_OF_CLIENT,
	STORM_OF_RINGER,
	STORMS
};

enum which_id {
	ID_RIGHT,
	ID_STALE,	/* that of the request before */
	ID_OTHER,	/* that of another thread's request */
	ID_NEXT,	/* of the same tag, one generation on */
	ID_NEIGHBOUR,	/* of the next tag */
	IDS		/* from here on: a number, plus IDS */
};

/* What a worker is out for. */
enum role { SERVER, CLIENT, MASTER, CHAOS, RINGER, KEEPER, ROLES };

struct worker;

/**
 * struct op - something that a call can do
 * @name: in scripts
 * @run: does it; returns -1 and leaves errno when it failed
 * @ioctl: it is a call to the module; those that make several count them
 * @weight: how often each role does it
 * @arg: its arguments
 */
struct op {
	const char *name;
	long (*run)(struct worker *worker, const uint64_t *arg);
	bool ioctl;
	unsigned char weight[ROLES];
	struct {
		const char *name;
		enum kind kind;
	} arg[MAX_ARGS];
};

struct call {
	uint8_t worker;
	uint8_t op;
	uint64_t arg[MAX_ARGS];
};

struct program {
	unsigned int calls;
	struct call call[MAX_CALLS];
};

/* ops.c */
extern const struct op ops[];
extern const unsigned int nr_ops;
const char *kind_name(unsigned int number);

/* script.c */
void program_print(const struct program *program, FILE *out, bool expanded);
int program_read(struct program *program, FILE *in, unsigned int *line);

/* storm.c */

struct chance {
	uint64_t state;
};

/**
 * struct taste - what values a worker prefers
 * @fd: its own slot
 * @dev: its own device
 */
struct taste {
	unsigned int fd;
	unsigned int dev;
};

/**
 * struct storm - many calls, which are made up as they are made
 * @chance: decides
 * @taste: what they prefer
 * @role: whose calls they are
 * @left: how many are left
 * @worker: who makes them
 */
struct storm {
	struct chance chance;
	struct taste taste;
	enum role role;
	unsigned int left;
	uint8_t worker;
};

bool is_storm(const struct call *call);
struct storm storm_of(unsigned int worker, const uint64_t *arg);
bool storm_next(struct storm *storm, struct call *call);
void storm_enlarge(uint64_t *arg, unsigned int times);

/* generate.c */
#define MAX_LINEAGE 12
struct lineage {
	unsigned int steps;
	uint32_t number[MAX_LINEAGE];
};

void program_make(struct program *program, uint64_t seed, unsigned int slowness,
		  const struct lineage *lineage);
void program_generate(struct program *program, uint64_t seed, uint32_t number);
void program_mutate(struct program *program, uint64_t seed, uint32_t number);

/* values.c */
/* A storm's calls are made up while it blows. */
void fill_call(struct chance *chance, struct call *call,
	       const struct taste *taste);
unsigned int weighted_op(struct chance *chance, enum role role);

struct chance chance_of(uint64_t seed, uint64_t number);
uint64_t draw(struct chance *chance);
uint64_t below(struct chance *chance, uint64_t limit);
bool one_in(struct chance *chance, uint64_t limit);
uint64_t right_value(struct chance *chance, enum kind kind,
		     const struct taste *taste);
uint64_t wrong_value(struct chance *chance, enum kind kind);

#endif
