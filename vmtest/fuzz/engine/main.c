// SPDX-License-Identifier: MIT
/*
 * zosbd2_fuzz: random calls to the module.
 *
 *	zosbd2_fuzz run SEED SECONDS CALLS SLOWNESS MODULE
 *						until either is reached
 *	zosbd2_fuzz print SEED SLOWNESS NAME...		programs, as a script
 *	zosbd2_fuzz replay FILE TIMES SLOWNESS MODULE	a script
 *	zosbd2_fuzz expand FILE				a script without storms
 *
 * CALLS 0 is no limit.  SLOWNESS is the kernel's, 1 for one that users run: it
 * gives programs more calls and more time.  MODULE is its file, with which it is
 * loaded anew once in a while; - leaves it as it is.  Ends with 0, 1 if something
 * failed, or 2.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "engine.h"

#define RELOAD_AFTER	100	/* programs */
#define MAX_CORPUS	2048
#define MAX_PROGRAMS	256	/* of a script */

struct common *common;

static struct lineage corpus[MAX_CORPUS];
static unsigned int corpus_size;
static int log_fd = -1;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, "%s", text);
	close(fd);
}

static void prepare(const char *module)
{
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED)
		exit(2);
	/* Orphans of the programs are ours to wait for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	log_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (strcmp(module, "-"))
		module_path = module;
	if (!module_load()) {
		perror(module);
		exit(2);
	}
	/* What was before does not count. */
	kernel_complained();
	/* Threads that lose their memory to others are no news. */
	write_file("/proc/sys/debug/exception-trace", "0");
}

/*
 * In the kernel's log, so that what it reports stands behind its program.  Not
 * with dprintf(), which asks for the position first, and gives up where old
 * kernels say EINVAL of it.
 */
static void note(const char *name)
{
	char line[256];
	int length = snprintf(line, sizeof(line), "<5>vmtest: fuzz program %s\n",
			      name);

	if (write(log_fd, line, length) != length)
		perror("/dev/kmsg");
}

static void print_name(const struct lineage *lineage, char *name, size_t size)
{
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < lineage->steps; i++)
		used += snprintf(name + used, size - used, "%s%" PRIu32,
				 i ? "." : "", lineage->number[i]);
}

static bool parse_name(struct lineage *lineage, const char *name)
{
	char *end;

	for (lineage->steps = 0; lineage->steps < MAX_LINEAGE; name = end + 1) {
		lineage->number[lineage->steps++] = strtoul(name, &end, 10);
		if (end == name || (*end && *end != '.'))
			return false;
		if (!*end)
			return true;
	}
	return false;
}

/* A new program, or a change to one that has found something. */
static struct lineage choose(uint64_t seed, uint32_t number)
{
	struct chance chance = chance_of(seed * 3, number);
	struct lineage lineage = { };

	if (corpus_size && below(&chance, 3)) {
		lineage = corpus[below(&chance, corpus_size)];
		if (lineage.steps == MAX_LINEAGE)
			lineage.steps = 0;
	}
	lineage.number[lineage.steps++] = number;
	return lineage;
}

static int run(uint64_t seed, uint64_t seconds, uint64_t calls,
	       unsigned int slowness)
{
	bool covered = cover_prepare() && cover_locate();
	enum verdict verdict = RAN;
	uint64_t told = 0;
	uint32_t number;
	char name[160] = "";

	report_start("run", seed, covered);
	for (number = 0; verdict == RAN; number++) {
		struct lineage lineage;

		if (now_ns() > began + seconds * 1000000000ULL ||
		    (calls && common->calls >= calls))
			break;
		if (number && number % RELOAD_AFTER == 0) {
			note("reload");
			verdict = module_reload();
			if (covered)
				cover_locate();
			if (verdict != RAN)
				break;
		}
		lineage = choose(seed, number);
		print_name(&lineage, name, sizeof(name));
		program_make(&common->program, seed, slowness, &lineage);
		note(name);
		verdict = supervise(name, slowness);
		if (covered && common->news && corpus_size < MAX_CORPUS)
			corpus[corpus_size++] = lineage;
		if (now_ns() > told + 1000000000ULL) {
			told = now_ns();
			report_progress(number + 1, corpus_size, name);
		}
	}
	if (verdict == RAN) {
		note("reload");
		verdict = module_reload();
	}
	report_end(number, corpus_size);
	return verdict == RAN ? 0 : 1;
}

static unsigned int read_script(const char *path, struct program *programs)
{
	unsigned int line = 0, count = 0;
	FILE *file = fopen(path, "r");
	int ret = 0;

	if (!file) {
		perror(path);
		exit(2);
	}
	while (count < MAX_PROGRAMS &&
	       (ret = program_read(&programs[count], file, &line)) > 0)
		count++;
	fclose(file);
	if (ret < 0) {
		fprintf(stderr, "%s:%u: no call\n", path, line);
		exit(2);
	}
	return count;
}

static int replay(const char *path, unsigned int times, unsigned int slowness)
{
	static struct program programs[MAX_PROGRAMS];
	unsigned int i, turn, count = read_script(path, programs);
	enum verdict verdict = RAN;
	char name[32];

	report_start("replay", 0, false);
	for (turn = 0; turn < times && verdict == RAN; turn++) {
		for (i = 0; i < count && verdict == RAN; i++) {
			common->program = programs[i];
			snprintf(name, sizeof(name), "%u of turn %u", i, turn);
			note(name);
			verdict = supervise(name, slowness);
		}
	}
	if (verdict == RAN)
		verdict = module_reload();
	report_end((uint64_t)turn * count, 0);
	return verdict == RAN ? 0 : 1;
}

static int print(uint64_t seed, unsigned int slowness, char **names)
{
	static struct program program;
	struct lineage lineage;

	for (; *names; names++) {
		if (!parse_name(&lineage, *names)) {
			fprintf(stderr, "%s: no program\n", *names);
			return 2;
		}
		program_make(&program, seed, slowness, &lineage);
		printf("# seed %" PRIu64 ", program %s\n", seed, *names);
		program_print(&program, stdout, false);
	}
	return 0;
}

static int expand(const char *path)
{
	static struct program programs[MAX_PROGRAMS];
	unsigned int i, count = read_script(path, programs);

	for (i = 0; i < count; i++)
		program_print(&programs[i], stdout, true);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "run")) {
		prepare(argv[6]);
		return run(strtoull(argv[2], NULL, 0),
			   strtoull(argv[3], NULL, 0),
			   strtoull(argv[4], NULL, 0),
			   strtoul(argv[5], NULL, 0));
	}
	if (argc == 6 && !strcmp(argv[1], "replay")) {
		prepare(argv[5]);
		return replay(argv[2], strtoul(argv[3], NULL, 0),
			      strtoul(argv[4], NULL, 0));
	}
	if (argc > 4 && !strcmp(argv[1], "print"))
		return print(strtoull(argv[2], NULL, 0),
			     strtoul(argv[3], NULL, 0), argv + 4);
	if (argc == 3 && !strcmp(argv[1], "expand"))
		return expand(argv[2]);
	fprintf(stderr, "see the top of main.c\n");
	return 2;
}
