// SPDX-License-Identifier: MIT
/*
 * A plugin of QEMU's that counts how often each instruction of the guest is
 * executed, between the moments that the guest marks.
 *
 * Marks come in pairs.  What is executed in the first pair counts -1, what is
 * executed in the second counts +1: the result is what the second did more.
 * It is written to the file that "out=" names, a line "ADDRESS COUNT" each.
 *
 * The interface is declared here as far as it is used, which is the part that
 * has been the same in all its versions (qemu/qemu-plugin.h).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

enum { QEMU_PLUGIN_CB_NO_REGS };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(
	qemu_plugin_id_t id,
	void (*callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_cb(
	struct qemu_plugin_insn *insn,
	void (*callback)(unsigned int cpu, void *data), int flags, void *data);
void qemu_plugin_register_atexit_cb(
	qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t id, void *data),
	void *data);

EXPORTED extern int qemu_plugin_version;
int qemu_plugin_version = API_VERSION;

struct counter {
	struct counter *next;
	uint64_t address;
	int64_t count;
};

#define BUCKETS (1U << 16)

static struct counter *buckets[BUCKETS];
/* What an instruction counts now. */
static int weight;
static unsigned int marks;
static const char *out;

static struct counter *counter_of(uint64_t address)
{
	struct counter **bucket = &buckets[(address * 0x9e3779b97f4a7c15) >> 48];
	struct counter *counter;

	for (counter = *bucket; counter; counter = counter->next)
		if (counter->address == address)
			return counter;
	counter = malloc(sizeof(*counter));
	if (!counter)
		abort();
	*counter = (struct counter){ .next = *bucket, .address = address };
	*bucket = counter;
	return counter;
}

static void executed(unsigned int cpu, void *data)
{
	struct counter *counter = data;

	(void)cpu;
	counter->count += weight;
}

static void marked(unsigned int cpu, void *data)
{
	static const int weights[] = { -1, 0, 1 };

	(void)cpu;
	(void)data;
	weight = marks < 3 ? weights[marks] : 0;
	marks++;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	const size_t length = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < length; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint64_t address = qemu_plugin_insn_vaddr(insn);

		if (address == MARK)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, marked, QEMU_PLUGIN_CB_NO_REGS, NULL);
		else
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, executed, QEMU_PLUGIN_CB_NO_REGS,
				counter_of(address));
	}
}

static void finish(qemu_plugin_id_t id, void *data)
{
	FILE *file = fopen(out, "w");

	(void)id;
	(void)data;
	if (!file)
		abort();
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct counter *counter = buckets[i]; counter;
		     counter = counter->next)
			if (counter->count)
				fprintf(file, "%llx %lld\n",
					(unsigned long long)counter->address,
					(long long)counter->count);
	fclose(file);
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id,
				 const struct qemu_info *info, int argc,
				 char **argv);

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
			int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
