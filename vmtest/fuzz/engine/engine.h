/* SPDX-License-Identifier: MIT */
/*
 * What runs programs: a supervisor, PROCESSES children with THREADS threads
 * each, and memory that they all share.
 */
#ifndef FUZZ_ENGINE_H
#define FUZZ_ENGINE_H

#include <linux/zosbd2_ring.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "program.h"

#define MAX_OPS		64
#define ERRNOS		160
#define COVER_WORDS	(1 << 16)	/* of a worker's buffer for KCOV */
#define TEXT_BYTES	(1 << 20)	/* of the module, at most */

/**
 * struct seat - what others see of a worker
 * @next: its next call, an index into the program
 * @since: when its call under way began, in ns; 0 between calls
 * @tid: its thread; 0 when it has none
 * @done: there is nothing left for it to do
 * @id: of the request that it fetched last
 * @ring_id: the same, of those that came through rings
 */
struct seat {
	_Atomic unsigned int next;
	_Atomic uint64_t since;
	_Atomic pid_t tid;
	_Atomic bool done;
	_Atomic uint32_t id;
	_Atomic uint64_t ring_id;
};

/**
 * struct common - the memory that all share
 * @program: the one that is run
 * @go: its setup is over
 * @hurry: it is to end
 * @handle: of each device, since it was created last
 * @old_handle: the one it had before
 * @generation: how often it has been taken over, as a channel was told last
 * @fd: of each process, -1 where there is none
 * @fd_handle: of the device that it belongs to, 0 if nobody knows
 * @pid: of each process
 * @outcome: of each operation: how often each errno, 0 for success
 * @got: what servers got; 0 for anything else
 * @answered: right answers that were taken
 * @rung: those of them that came through rings
 * @calls: calls to the module
 * @others: all others
 * @breach: what the module did that it must not; NULL if nothing
 * @breach_op: in which operation
 * @breach_worker: whose
 * @breach_detail: more about it
 * @covered: a bit for each byte of the module's code that was reached
 * @pcs: how many are set
 * @news: some were set by this program
 */
struct common {
	struct program program;
	_Atomic bool go;
	_Atomic bool hurry;
	_Atomic uint32_t handle[DEVICES];
	_Atomic uint32_t old_handle[DEVICES];
	_Atomic uint64_t generation[DEVICES];
	_Atomic int fd[PROCESSES][FDS];
	_Atomic uint32_t fd_handle[PROCESSES][FDS];
	_Atomic pid_t pid[PROCESSES];
	struct seat seat[WORKERS + 1];
	_Atomic uint64_t outcome[MAX_OPS][ERRNOS];
	_Atomic uint64_t got[8];
	_Atomic uint64_t answered;
	_Atomic uint64_t rung;
	_Atomic uint64_t calls;
	_Atomic uint64_t others;
	const char *_Atomic breach;
	_Atomic unsigned int breach_op;
	_Atomic unsigned int breach_worker;
	char breach_detail[256];
	_Atomic uint8_t covered[TEXT_BYTES / 8];
	_Atomic unsigned int pcs;
	_Atomic bool news;
};

extern struct common *common;

/**
 * struct worker - a thread that makes calls
 * @number: of all
 * @process: which it is in
 * @op: what it does now, an index into ops
 * @buffer: memory for data, of BUFFER_BYTES; what is behind is not mapped.  As
 *	answers in a ring name it, whoever hands them in has it written to
 * @arguments: the same, for what only the worker's own calls write to
 * @handle: of the request that it fetched last
 * @operation: which kind that was; 0: none that waits for an answer
 * @id: its operation id
 * @stale: that of the one before
 * @length: its length
 */
struct worker {
	unsigned int number;
	unsigned int process;
	unsigned int op;
	unsigned char *buffer;
	unsigned char *arguments;
	uint32_t handle;
	uint32_t operation;
	uint32_t id;
	uint32_t stale;
	uint64_t length;
};

/* memory.c */
#define PAGE		4096UL
#define BUFFER_BYTES	(ZOSBD2_MAX_IO_BYTES + 2 * PAGE)
void memory_prepare(void);
unsigned char *memory_buffer(unsigned int thread);
unsigned char *memory_arguments(unsigned int thread);
void *memory_at(struct worker *worker, uint64_t kind, size_t given,
		size_t room);
void *memory_place(struct worker *worker, uint64_t kind, const void *what,
		   size_t given, size_t room);
bool memory_fetch(const void *from, void *to, size_t bytes);
long call_memory(struct worker *worker, const uint64_t *arg);

/* calls_control.c */
long call_ping(struct worker *worker, const uint64_t *arg);
long call_create(struct worker *worker, const uint64_t *arg);
long call_destroy_by_id(struct worker *worker, const uint64_t *arg);
long call_destroy_by_name(struct worker *worker, const uint64_t *arg);
long call_destroy_all(struct worker *worker, const uint64_t *arg);
long call_get_handle(struct worker *worker, const uint64_t *arg);
long call_list(struct worker *worker, const uint64_t *arg);
long call_status(struct worker *worker, const uint64_t *arg);
long call_unknown(struct worker *worker, const uint64_t *arg);
void name_of(uint64_t dev, char name[ZOSBD2_NAME_LEN]);
uint32_t handle_of(uint64_t which);
void created(uint64_t dev, uint32_t handle);
long control_call(struct worker *worker, uint64_t fd, unsigned long command,
		  void *argument, size_t bytes, uint64_t memory);

/* calls_extension.c */
long call_info(struct worker *worker, const uint64_t *arg);
long call_ext_create(struct worker *worker, const uint64_t *arg);
long call_ext_status(struct worker *worker, const uint64_t *arg);
long call_attach(struct worker *worker, const uint64_t *arg);
long call_resize(struct worker *worker, const uint64_t *arg);

/* calls_channel.c */
long call_attach_queue(struct worker *worker, const uint64_t *arg);
long call_map_channel(struct worker *worker, const uint64_t *arg);
long call_poll(struct worker *worker, const uint64_t *arg);

/* calls_ring.c */
long call_enter(struct worker *worker, const uint64_t *arg);
long call_answer(struct worker *worker, const uint64_t *arg);
long call_ring_serve(struct worker *worker, const uint64_t *arg);
long call_positions(struct worker *worker, const uint64_t *arg);
long call_scribble(struct worker *worker, const uint64_t *arg);

/* host.c */
long call_host(struct worker *worker, const uint64_t *arg);

/* calls_polled.c */
long call_polled(struct worker *worker, const uint64_t *arg);

/* calls_serve.c */
int32_t error_of(uint64_t which);
long call_device_ping(struct worker *worker, const uint64_t *arg);
long call_operate(struct worker *worker, const uint64_t *arg);
long call_serve(struct worker *worker, const uint64_t *arg);

/* calls_files.c */
int fd_of(const struct worker *worker, uint64_t slot);
void fd_keep(const struct worker *worker, uint64_t slot, int fd,
	     uint32_t handle);
void fd_drop(const struct worker *worker, uint64_t slot);
int fd_slot(const struct worker *worker, uint64_t slot);
uint32_t fd_handle(const struct worker *worker, uint64_t slot);
long call_open_control(struct worker *worker, const uint64_t *arg);
long call_open_disk(struct worker *worker, const uint64_t *arg);
long call_close(struct worker *worker, const uint64_t *arg);
long call_dup(struct worker *worker, const uint64_t *arg);
long call_steal(struct worker *worker, const uint64_t *arg);
long call_pass(struct worker *worker, const uint64_t *arg);
long call_take(struct worker *worker, const uint64_t *arg);
long call_sysfs(struct worker *worker, const uint64_t *arg);
void files_prepare(void);
void files_end(void);

/* storm.c */
long call_storm(struct worker *worker, const uint64_t *arg);

/* calls_io.c */
long call_io(struct worker *worker, const uint64_t *arg);
long call_map(struct worker *worker, const uint64_t *arg);

/* calls_life.c */
long call_wait(struct worker *worker, const uint64_t *arg);
long call_signal(struct worker *worker, const uint64_t *arg);
long call_kill(struct worker *worker, const uint64_t *arg);
long call_die(struct worker *worker, const uint64_t *arg);
long call_fork(struct worker *worker, const uint64_t *arg);

/* worker.c */
void count(unsigned int op, int error);
void breach(const struct worker *worker, const char *what);
void breach_about(const struct worker *worker, const char *what,
		  const char *format, ...) __attribute__((format(printf, 3, 4)));
void make_call(struct worker *worker, const struct call *call);
void process_run(unsigned int process, bool first) __attribute__((noreturn));

/* cover.c */
#define FIRST_FD_OF_COVER 200 /* to + WORKERS: numbers that nothing else has */
bool cover_prepare(void);
bool cover_locate(void);
void cover_begin(const struct worker *worker);
void cover_end(const struct worker *worker);
void cover_reset(const struct worker *worker);
void cover_collect(const struct worker *worker);

/* supervise.c */
enum verdict { RAN, FAILED };
enum verdict supervise(const char *name, unsigned int slowness);

/* kernel.c */
bool kernel_complained(void);

/* module.c */
extern const char *module_path;
bool module_load(void);
bool module_is_idle(void);
enum verdict module_reload(void);

/* report.c */
extern uint64_t began;
uint64_t now_ns(void);
void report_start(const char *what, uint64_t seed, bool covered);
void report_progress(uint64_t programs, unsigned int corpus, const char *name);
void report_failure(const char *kind, const char *name, const char *detail);
void report_end(uint64_t programs, unsigned int corpus);
void append_blocked(char *text, size_t size, pid_t pid);
void show_running(void);

#endif
