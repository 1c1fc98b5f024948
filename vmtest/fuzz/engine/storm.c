// SPDX-License-Identifier: MIT
/*
 * Many calls to the module in a row, or much I/O, made up as it is made.
 *
 * They follow from the storm's seed, so a storm can be repeated as any other
 * call can: it is one line of a script, its count can be made smaller, and it
 * can be written out as the calls that it consists of.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"

#define MAX_STORM	8192
/* Each piece of I/O may take as long as a time-out. */
#define MAX_STORM_OF_IO	16

/* What makes or removes a disk takes a thousand times as long as the rest. */
static bool is_quick(unsigned int op, enum role role)
{
	if (role == CLIENT)
		return ops[op].run == call_io;
	return ops[op].ioctl && ops[op].run != call_create &&
	       ops[op].run != call_ext_create &&
	       ops[op].run != call_destroy_by_id &&
	       ops[op].run != call_destroy_by_name &&
	       ops[op].run != call_destroy_all &&
	       ops[op].run != call_serve && ops[op].run != call_ring_serve &&
	       ops[op].run != call_host;
}

/**
 * is_storm - is it a storm
 * @call: a call
 */
bool is_storm(const struct call *call)
{
	return ops[call->op].run == call_storm;
}

static enum role role_of(const uint64_t *arg)
{
	static const enum role roles[STORMS] = {
		SERVER, MASTER, CLIENT, RINGER,
	};

	return roles[arg[1] % STORMS];
}

/**
 * storm_enlarge - let a storm have more calls, unless they are I/O
 * @arg: the storm's arguments
 * @times: how many times as many
 */
void storm_enlarge(uint64_t *arg, unsigned int times)
{
	if (role_of(arg) != CLIENT)
		arg[2] = arg[2] % MAX_STORM * times % MAX_STORM;
}

/**
 * storm_of - begin a storm
 * @worker: who makes its calls
 * @arg: the storm's arguments
 */
struct storm storm_of(unsigned int worker, const uint64_t *arg)
{
	enum role role = role_of(arg);

	return (struct storm){
		.chance = chance_of(arg[3], 0),
		.taste.fd = arg[0] % FD_NUMBERS,
		.role = role,
		.left = arg[2] % (role == CLIENT ? MAX_STORM_OF_IO : MAX_STORM),
		.worker = worker,
	};
}

/**
 * storm_next - the next call of a storm
 * @storm: the storm
 * @call: filled in
 *
 * Return: false if it is over.
 */
bool storm_next(struct storm *storm, struct call *call)
{
	if (!storm->left)
		return false;
	storm->left--;
	memset(call, 0, sizeof(*call));
	call->worker = storm->worker;
	do
		call->op = weighted_op(&storm->chance, storm->role);
	while (!is_quick(call->op, storm->role));
	fill_call(&storm->chance, call, &storm->taste);
	return true;
}

long call_storm(struct worker *worker, const uint64_t *arg)
{
	struct storm storm = storm_of(worker->number, arg);
	struct call call;

	while (!common->hurry && storm_next(&storm, &call))
		make_call(worker, &call);
	errno = 0;
	return 0;
}
