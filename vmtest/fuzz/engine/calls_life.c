// SPDX-License-Identifier: MIT
/*
 * Threads and processes that wait, disturb each other, multiply and die.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"

static void pause_us(uint64_t us)
{
	struct timespec time = { .tv_nsec = us % 1000000 * 1000 };

	nanosleep(&time, NULL);
}

long call_wait(struct worker *worker, const uint64_t *arg)
{
	(void)worker;
	pause_us(arg[0] % 50000);
	return 0;
}

long call_signal(struct worker *worker, const uint64_t *arg)
{
	static const int signals[] = { SIGUSR1, SIGURG, SIGUSR2, SIGSTOP };
	unsigned int other = arg[0] % WORKERS;
	pid_t pid = common->pid[other / THREADS];
	pid_t tid = common->seat[other].tid;
	int signal = signals[arg[1] % 4];
	long ret;

	if (!pid || !tid)
		return 0;
	if (signal != SIGSTOP)
		return syscall(SYS_tgkill, pid, tid, signal);
	/* Who stops itself needs the supervisor, who does that in a while. */
	ret = kill(pid, SIGSTOP);
	if (other / THREADS != worker->process) {
		pause_us(3000);
		kill(pid, SIGCONT);
	}
	return ret;
}

long call_kill(struct worker *worker, const uint64_t *arg)
{
	pid_t pid = common->pid[arg[0] % PROCESSES];

	(void)worker;
	return pid ? kill(pid, SIGKILL) : 0;
}

long call_die(struct worker *worker, const uint64_t *arg)
{
	switch (arg[0] % 4) {
	case 0:
		return kill(getpid(), SIGKILL);
	case 1:
		_exit(0);
	case 2:
		/* The thread alone; the first leaves its process headless. */
		common->seat[worker->number].done = true;
		syscall(SYS_exit, 0);
		return 0;
	default:
		signal(SIGSEGV, SIG_DFL);
		return kill(getpid(), SIGSEGV);
	}
}

struct child {
	uint64_t us;
	char stack[16384];
};

/* It has our memory, so it may only make system calls. */
static int live_in_our_memory(void *argument)
{
	struct child *child = argument;
	struct timespec time = { .tv_nsec = child->us * 1000 };

	syscall(SYS_nanosleep, &time, NULL);
	syscall(SYS_exit, 0);
	return 0;
}

static long clone_with_memory(uint64_t us)
{
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (child == MAP_FAILED)
		return -1;
	/* Stays mapped: it goes with the process. */
	child->us = us;
	return clone(live_in_our_memory, child->stack + sizeof(child->stack),
		     CLONE_VM | SIGCHLD, child);
}

/* A child that serves through what it has inherited. */
static void serve_inherited(const struct worker *worker)
{
	struct zosbd2_operation *operation = (void *)worker->buffer;
	unsigned int slot;

	signal(SIGALRM, SIG_DFL);
	alarm(1);
	for (slot = FD_CHANNEL; slot < FDS; slot++) {
		ioctl(fd_of(worker, slot), ZOSBD2_IOC_ENTER, 1);
		channel_map(slot, fd_of(worker, slot), MAP_RIGHT, 0, 0);
	}
	for (slot = FD_DISK; slot < FD_CHANNEL; slot++) {
		memset(operation, 0, sizeof(*operation));
		operation->handle_id = handle_of(slot % DEVICES);
		operation->header.operation = ZOSBD2_OP_NO_RESPONSE;
		ioctl(fd_of(worker, slot), ZOSBD2_IOCTL_DEVICE_OPERATION,
		      operation);
	}
}

long call_fork(struct worker *worker, const uint64_t *arg)
{
	uint64_t us = arg[1] % 50000;
	long pid;

	switch (arg[0] % 5) {
	case 0:
		return clone_with_memory(us);
	case 1:
		/* What it serves is lost, though the process lives. */
		return execl("/bin/sleep", "sleep", "0.02", NULL);
	default:
		break;
	}
	/* Not fork(): its handlers would wait for threads that are not there. */
	pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid)
		return pid;
	if (arg[0] % 5 == 2)
		execl("/bin/sleep", "sleep", "0.02", NULL);
	else if (arg[0] % 5 == 3)
		serve_inherited(worker);
	pause_us(us);
	_exit(0);
}
