// SPDX-License-Identifier: MIT
/*
 * Programs as text: one call a line, its worker, its name, its arguments.
 *
 *	program
 *	setup ext_create control=0 dev=0 blocks=1024 ...
 *	0 attach control=0 handle=0 ...
 *	8 open_disk fd=2 dev=0 mode=2
 *	end
 *
 * Worker 0 to 8 are threads, three of a process; calls of `setup` are made
 * before the others.  `#` begins a comment.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

static void print_call(const struct call *call, FILE *out)
{
	const struct op *op = &ops[call->op];
	unsigned int i;

	if (call->worker == SETUP)
		fprintf(out, "setup %s", op->name);
	else
		fprintf(out, "%u %s", call->worker, op->name);
	for (i = 0; i < MAX_ARGS && op->arg[i].name; i++)
		fprintf(out,
			call->arg[i] < 100000 ? " %s=%" PRIu64
					      : " %s=%#" PRIx64,
			op->arg[i].name, call->arg[i]);
	fprintf(out, "\n");
}

/**
 * program_print - write a program
 * @program: the program
 * @out: where to
 * @expanded: write the calls of a storm in its place
 */
void program_print(const struct program *program, FILE *out, bool expanded)
{
	const struct call *call = program->call;
	struct storm storm;
	struct call one;

	fprintf(out, "program\n");
	for (; call < program->call + program->calls; call++) {
		if (!expanded || !is_storm(call)) {
			print_call(call, out);
			continue;
		}
		storm = storm_of(call->worker, call->arg);
		while (storm_next(&storm, &one))
			print_call(&one, out);
	}
	fprintf(out, "end\n");
}

static int parse_argument(struct call *call, char *word)
{
	const struct op *op = &ops[call->op];
	char *value = strchr(word, '='), *end;
	unsigned int i;

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	for (i = 0; i < MAX_ARGS && op->arg[i].name; i++) {
		if (strcmp(op->arg[i].name, word))
			continue;
		call->arg[i] = strtoull(value, &end, 0);
		return *end ? -EINVAL : 0;
	}
	return -EINVAL;
}

static int parse_call(struct call *call, char *line)
{
	char *rest, *word = strtok_r(line, " \t", &rest), *end;
	unsigned long worker;
	int ret = 0;

	memset(call, 0, sizeof(*call));
	if (!strcmp(word, "setup")) {
		call->worker = SETUP;
	} else {
		worker = strtoul(word, &end, 10);
		if (*end || worker >= WORKERS)
			return -EINVAL;
		call->worker = worker;
	}
	word = strtok_r(NULL, " \t", &rest);
	for (call->op = 0; call->op < nr_ops; call->op++)
		if (word && !strcmp(ops[call->op].name, word))
			break;
	if (call->op == nr_ops)
		return -EINVAL;
	while (!ret && (word = strtok_r(NULL, " \t", &rest)))
		ret = parse_argument(call, word);
	return ret;
}

/**
 * program_read - read the next program of a file
 * @program: filled in
 * @in: the file
 * @number: counts its lines
 *
 * Return: 1, 0 at the end of the file, or -EINVAL for what is no script.
 */
int program_read(struct program *program, FILE *in, unsigned int *number)
{
	bool begun = false;
	char line[2048];

	program->calls = 0;
	while (fgets(line, sizeof(line), in)) {
		char *comment = strchr(line, '#');

		++*number;
		if (comment)
			*comment = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (!line[strspn(line, " \t")])
			continue;
		if (!begun) {
			if (strcmp(line, "program"))
				return -EINVAL;
			begun = true;
		} else if (!strcmp(line, "end")) {
			return 1;
		} else if (program->calls == MAX_CALLS ||
			   parse_call(&program->call[program->calls++], line)) {
			return -EINVAL;
		}
	}
	return begun ? -EINVAL : 0;
}
