// SPDX-License-Identifier: MIT
/*
 * Programs out of chance.
 *
 * A program is named by its lineage: the number it was generated with, and
 * those of the changes that were made to it since.  With the run's seed that
 * says all about it.
 */
#include <string.h>

#include "program.h"

unsigned int weighted_op(struct chance *chance, enum role role)
{
	unsigned int op, total = 0;
	uint64_t pick;

	for (op = 0; op < nr_ops; op++)
		total += ops[op].weight[role];
	pick = below(chance, total);
	for (op = 0; pick >= ops[op].weight[role]; op++)
		pick -= ops[op].weight[role];
	return op;
}

static unsigned int arguments(const struct op *op)
{
	unsigned int count = 0;

	while (count < MAX_ARGS && op->arg[count].name)
		count++;
	return count;
}

static void fill_right(struct chance *chance, struct call *call,
		       const struct taste *taste)
{
	const struct op *op = &ops[call->op];
	unsigned int i, count = arguments(op);

	for (i = 0; i < count; i++)
		call->arg[i] = op->arg[i].kind == DEV
				       ? taste->dev
				       : right_value(chance, op->arg[i].kind,
						     taste);
}

/* Most calls are right, most others nearly so: what is checked first hides
 * what is checked last. */
void fill_call(struct chance *chance, struct call *call,
	       const struct taste *taste)
{
	const struct op *op = &ops[call->op];
	unsigned int i, count = arguments(op);
	uint64_t dice = below(chance, 100);
	unsigned int wrong = dice < 60 ? 0 : dice < 85 ? 1 : dice < 95 ? 2 : 99;

	for (i = 0; i < count; i++)
		call->arg[i] = right_value(chance, op->arg[i].kind, taste);
	if (!count)
		return;
	if (wrong > count) {
		for (i = 0; i < count; i++)
			call->arg[i] = wrong_value(chance, op->arg[i].kind);
		return;
	}
	while (wrong--) {
		i = below(chance, count);
		/* A wrong file says little about all that is behind it. */
		if (i == 0)
			i = below(chance, count);
		call->arg[i] = wrong_value(chance, op->arg[i].kind);
	}
}

static unsigned int op_named(const char *name)
{
	unsigned int op;

	for (op = 0; op < nr_ops - 1; op++)
		if (!strcmp(ops[op].name, name))
			break;
	return op;
}

static void add(struct program *program, struct chance *chance,
		unsigned int worker, unsigned int op, const struct taste *taste)
{
	struct call *call;

	if (program->calls >= MADE_CALLS)
		return;
	call = &program->call[program->calls++];
	memset(call, 0, sizeof(*call));
	call->worker = worker;
	call->op = op;
	fill_call(chance, call, taste);
}

/* A server begins with something to serve through, whoever uses a device too. */
static void add_start(struct program *program, struct chance *chance,
		      unsigned int worker, enum role role,
		      struct taste *taste)
{
	unsigned int slot = worker % THREADS * 2;
	const char *first = "open_disk";

	taste->dev = one_in(chance, 3) ? below(chance, DEVICES) : 0;
	taste->fd = FD_DISK + slot;
	if (role == MASTER || role == CHAOS || role == KEEPER) {
		taste->fd = ANY_DISK + below(chance, 3);
		return;
	}
	if (role == RINGER) {
		taste->fd = FD_CHANNEL + slot;
		first = "attach_queue";
	} else if (role == SERVER && below(chance, 3)) {
		taste->fd = FD_SESSION + slot;
		first = "attach";
	}
	add(program, chance, worker, op_named(first), taste);
	if (one_in(chance, 4) || program->calls >= MADE_CALLS)
		return;
	fill_right(chance, &program->call[program->calls - 1], taste);
}

/**
 * program_generate - make a new program
 * @program: filled in
 * @seed: of the run
 * @number: of the program
 */
void program_generate(struct program *program, uint64_t seed, uint32_t number)
{
	static const enum role roles[] = {
		SERVER, SERVER, RINGER, RINGER, RINGER, KEEPER,
		CLIENT, CLIENT, CLIENT, MASTER, CHAOS,
	};
	struct chance chance = chance_of(seed, number);
	struct taste taste[WORKERS] = { };
	unsigned int i, worker, created = 1 + below(&chance, 3);
	enum role role[WORKERS];

	program->calls = 0;
	for (i = 0; i < created; i++) {
		taste[0].dev = i;
		add(program, &chance, SETUP,
		    op_named(below(&chance, 3) ? "ext_create" : "create"),
		    &taste[0]);
		/* The first is there in any case, or little happens. */
		if (i == 0)
			fill_right(&chance, &program->call[0], &taste[0]);
	}
	for (worker = 0; worker < WORKERS; worker++) {
		role[worker] =
			roles[below(&chance, sizeof(roles) / sizeof(*roles))];
		add_start(program, &chance, worker, role[worker],
			  &taste[worker]);
	}
	for (i = 60 + below(&chance, 220); i; i--) {
		worker = below(&chance, WORKERS);
		add(program, &chance, worker,
		    weighted_op(&chance, role[worker]), &taste[worker]);
	}
}

static void remove_calls(struct program *program, unsigned int at,
			 unsigned int count)
{
	memmove(&program->call[at], &program->call[at + count],
		(program->calls - at - count) * sizeof(*program->call));
	program->calls -= count;
}

static void mutate_once(struct program *program, struct chance *chance)
{
	unsigned int at = below(chance, program->calls), count, op;
	struct taste taste = {
		.fd = FD_DISK + below(chance, FDS - FD_DISK),
		.dev = below(chance, DEVICES),
	};
	struct call *call = &program->call[at];

	switch (below(chance, 8)) {
	case 0: /* without some */
		count = 1 + below(chance, 4);
		if (at + count < program->calls)
			remove_calls(program, at, count);
		break;
	case 1: /* in another order */
		count = below(chance, program->calls);
		taste.fd = call->worker;
		call->worker = program->call[count].worker;
		program->call[count].worker = taste.fd;
		break;
	case 2: /* by somebody else */
		call->worker = below(chance, WORKERS);
		break;
	case 3: /* again */
		if (program->calls < MADE_CALLS)
			program->call[program->calls++] = *call;
		break;
	case 4:
	case 5: /* with another argument */
		count = arguments(&ops[call->op]);
		op = below(chance, count);
		if (!count)
			break;
		call->arg[op] =
			below(chance, 2)
				? right_value(chance, ops[call->op].arg[op].kind,
					      &taste)
				: wrong_value(chance, ops[call->op].arg[op].kind);
		break;
	default: /* and one more */
		op = weighted_op(chance, below(chance, ROLES));
		add(program, chance, below(chance, WORKERS), op, &taste);
		if (program->calls < 2)
			break;
		/* Somewhere in the middle. */
		struct call last = program->call[program->calls - 1];

		memmove(call + 1, call,
			(program->calls - 1 - at) * sizeof(*call));
		*call = last;
		break;
	}
}

/**
 * program_mutate - change a program
 * @program: changed
 * @seed: of the run
 * @number: of the change
 */
void program_mutate(struct program *program, uint64_t seed, uint32_t number)
{
	struct chance chance = chance_of(~seed, number);
	unsigned int times = 1 + below(&chance, 6);

	while (times-- && program->calls)
		mutate_once(program, &chance);
}

/**
 * program_make - make the program of a lineage
 * @program: filled in
 * @seed: of the run
 * @slowness: of the kernel: where the processes, devices and end of a program
 *	take seconds, whatever it does, it has larger storms
 * @lineage: its name
 */
void program_make(struct program *program, uint64_t seed, unsigned int slowness,
		  const struct lineage *lineage)
{
	unsigned int i;

	program_generate(program, seed, lineage->number[0]);
	for (i = 1; i < lineage->steps; i++)
		program_mutate(program, seed, lineage->number[i]);
	for (i = 0; i < program->calls; i++)
		if (is_storm(&program->call[i]))
			storm_enlarge(program->call[i].arg,
				      slowness * slowness);
}
