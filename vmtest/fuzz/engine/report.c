// SPDX-License-Identifier: MIT
/*
 * What the engine tells its host: one JSON object a line.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"

uint64_t began;

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", stdout);
		else if (*text == '\t')
			fputs("\\t", stdout);
		else if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text >= 32)
			putchar(*text);
	}
	putchar('"');
}

static void end_line(void)
{
	puts("}");
	fflush(stdout);
}

void report_start(const char *what, uint64_t seed, bool covered)
{
	began = now_ns();
	printf("{\"event\": \"start\", \"what\": \"%s\", \"seed\": %" PRIu64
	       ", \"covered\": %s",
	       what, seed, covered ? "true" : "false");
	end_line();
}

static void print_numbers(uint64_t programs, unsigned int corpus)
{
	printf("\"seconds\": %.1f, \"programs\": %" PRIu64
	       ", \"calls\": %" PRIu64 ", \"others\": %" PRIu64
	       ", \"answered\": %" PRIu64 ", \"rung\": %" PRIu64
	       ", \"corpus\": %u, \"pcs\": %u",
	       (now_ns() - began) / 1e9, programs,
	       (uint64_t)common->calls, (uint64_t)common->others,
	       (uint64_t)common->answered, (uint64_t)common->rung, corpus,
	       (unsigned int)common->pcs);
}

void report_progress(uint64_t programs, unsigned int corpus, const char *name)
{
	printf("{\"event\": \"progress\", \"program\": \"%s\", ", name);
	print_numbers(programs, corpus);
	end_line();
}

void report_failure(const char *kind, const char *name, const char *detail)
{
	printf("{\"event\": \"failure\", \"kind\": \"%s\", \"program\": \"%s\", "
	       "\"detail\": ",
	       kind, name);
	print_string(detail);
	end_line();
}

static void print_outcomes(unsigned int op)
{
	const char *separator = "";
	unsigned int error;

	printf("\"%s\": {", ops[op].name);
	for (error = 0; error < ERRNOS; error++) {
		const char *name = error ? strerrorname_np(error) : "OK";

		if (!common->outcome[op][error])
			continue;
		printf("%s\"%s\": %" PRIu64, separator, name ?: "other",
		       (uint64_t)common->outcome[op][error]);
		separator = ", ";
	}
	printf("}");
}

void report_end(uint64_t programs, unsigned int corpus)
{
	static const char *const got[] = {
		"nothing", "read", "write", "discard", "flush", "write zeroes",
		"signal", "gone",
	};
	unsigned int i;

	printf("{\"event\": \"end\", ");
	print_numbers(programs, corpus);
	printf(", \"got\": {");
	for (i = 0; i < 8; i++)
		printf("%s\"%s\": %" PRIu64, i ? ", " : "", got[i],
		       (uint64_t)common->got[i]);
	printf("}, \"ioctls\": {");
	for (i = 0; i < nr_ops; i++) {
		if (!ops[i].ioctl)
			continue;
		printf("%s", i ? ", " : "");
		print_outcomes(i);
	}
	printf("}, \"system\": {");
	for (i = 0; ops[i].ioctl; i++)
		;
	for (; i < nr_ops; i++) {
		print_outcomes(i);
		printf("%s", i + 1 < nr_ops ? ", " : "");
	}
	printf("}");
	end_line();
}

static void append_file(char *text, size_t size, const char *path)
{
	size_t used = strlen(text), got;
	FILE *file = fopen(path, "r");

	if (!file)
		return;
	got = fread(text + used, 1, size - used - 1, file);
	text[used + got] = '\0';
	fclose(file);
}

/**
 * append_blocked - tell where the threads of a process are in the kernel
 * @text: gets it
 * @size: its room
 * @pid: the process
 */
void append_blocked(char *text, size_t size, pid_t pid)
{
	/* What runs on a CPU has no stack there: it is in the log, see below. */
	static const char *const files[] = { "stat", "syscall", "stack" };
	struct dirent *entry;
	char path[300];
	unsigned int i;
	size_t used;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return;
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		used = strlen(text);
		snprintf(text + used, size - used, "task %s:\n", entry->d_name);
		for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
			snprintf(path, sizeof(path), "/proc/%d/task/%.20s/%s",
				 pid, entry->d_name, files[i]);
			append_file(text, size, path);
		}
	}
	closedir(tasks);
}

/**
 * show_running - have the kernel's log show what the CPUs are doing
 */
void show_running(void)
{
	FILE *file = fopen("/proc/sysrq-trigger", "w");

	if (!file)
		return;
	fputc('l', file);
	fclose(file);
}
