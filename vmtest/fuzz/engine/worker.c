// SPDX-License-Identifier: MIT
/*
 * The processes and threads that make the calls of a program.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel.h"
#include "engine.h"

/**
 * count - count a call
 * @op: which
 * @error: its errno, or 0
 */
void count(unsigned int op, int error)
{
	if (error < 0 || error >= ERRNOS)
		error = ERRNOS - 1;
	common->outcome[op][error]++;
	if (ops[op].ioctl)
		common->calls++;
	else
		common->others++;
}

/**
 * breach - note that the module did what it must not; the program fails
 * @worker: who has seen it
 * @what: what it did, a constant
 */
void breach(const struct worker *worker, const char *what)
{
	breach_about(worker, what, "%s", "");
}

/**
 * breach_about - as breach(), and note more
 * @worker: who has seen it
 * @what: what it did, a constant
 * @format: a line about it, for printf()
 */
void breach_about(const struct worker *worker, const char *what,
		  const char *format, ...)
{
	const char *none = NULL;
	va_list arguments;

	/* The first is what it begins with. */
	if (!atomic_compare_exchange_strong(&common->breach, &none, what))
		return;
	common->breach_op = worker->op;
	common->breach_worker = worker->number;
	va_start(arguments, format);
	vsnprintf(common->breach_detail, sizeof(common->breach_detail), format,
		  arguments);
	va_end(arguments);
}

/**
 * make_call - make a call
 * @worker: who makes it
 * @call: the call
 */
void make_call(struct worker *worker, const struct call *call)
{
	struct seat *seat = &common->seat[worker->number];
	long ret;

	worker->op = call->op;
	cover_reset(worker);
	seat->since = now_ns();
	errno = 0;
	ret = ops[call->op].run(worker, call->arg);
	count(call->op, ret < 0 ? errno : 0);
	seat->since = 0;
	cover_collect(worker);
}

/* Go on where the worker of this number was, in a life before maybe. */
static void run_worker(struct worker *worker)
{
	struct seat *seat = &common->seat[worker->number];
	const struct program *program = &common->program;
	unsigned int next;

	seat->tid = syscall(SYS_gettid);
	cover_begin(worker);
	for (;;) {
		next = seat->next++;
		if (next >= program->calls || common->hurry)
			break;
		if (program->call[next].worker == worker->number)
			make_call(worker, &program->call[next]);
	}
	seat->done = true;
}

static void *thread_main(void *argument)
{
	struct worker *worker = argument;
	char name[16];

	snprintf(name, sizeof(name), "fuzz-%u", worker->number);
	prctl(PR_SET_NAME, name);
	run_worker(worker);
	return NULL;
}

static void ignore(int number)
{
	(void)number;
}

static void catch(int number)
{
	struct sigaction action = { .sa_handler = ignore };

	/* Without SA_RESTART: a call that waits is to end. */
	sigaction(number, &action, NULL);
}

static void prepare(unsigned int process)
{
	const struct rlimit none = { 0, 0 };
	int null = open("/dev/null", O_RDWR);
	unsigned int slot;

	/* A wrong number is not to write into what others read. */
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	close_range(3, 99, 0);
	setrlimit(RLIMIT_CORE, &none);
	catch(SIGUSR1);
	catch(SIGUSR2);
	catch(SIGURG);
	for (slot = 0; slot < FDS; slot++)
		common->fd[process][slot] = -1;
	for (slot = FD_CONTROL; slot < FD_DISK; slot++)
		common->fd[process][slot] =
			open(ZOSBD2_CONTROL_NODE, O_RDWR | O_CLOEXEC);
	memory_prepare();
	channels_prepare();
}

/**
 * process_run - be one of the processes
 * @process: which
 * @first: it has not died before
 */
void process_run(unsigned int process, bool first)
{
	struct worker worker[THREADS] = { };
	pthread_t thread[THREADS];
	unsigned int i;

	prepare(process);
	for (i = 0; i < THREADS; i++) {
		worker[i].number = process * THREADS + i;
		worker[i].process = process;
		worker[i].buffer = memory_buffer(i);
		worker[i].arguments = memory_arguments(i);
	}
	if (process == 0 && first) {
		struct worker setup = {
			.number = SETUP,
			.buffer = memory_buffer(0),
			.arguments = memory_arguments(0),
		};

		run_worker(&setup);
		common->go = true;
	}
	while (!common->go)
		usleep(200);
	for (i = 1; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, thread_main, &worker[i]))
			_exit(98);
	thread_main(&worker[0]);
	for (i = 1; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}
