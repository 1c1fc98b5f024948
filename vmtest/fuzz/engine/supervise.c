// SPDX-License-Identifier: MIT
/*
 * One program: start its processes, wake those that wait, replace those that
 * have died; then end all of it, and see that nothing stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "supervise.h"

#define MS		1000000ULL
/* All of these are longer on a slow kernel. */
#define LOOK		(1 * MS)	/* how often */
#define NUDGE		(5 * MS)	/* who waits so long gets a signal */
#define STUCK		(250 * MS)	/* it has not helped */
#define LIMIT		(4000 * MS)	/* of a program */
#define RESPAWNS	8

static pid_t group;
static unsigned int respawns;
static unsigned int slow;
static uint64_t nudged[WORKERS];

static void start_process(unsigned int process, bool first)
{
	pid_t pid = fork();

	if (!pid) {
		setpgid(0, group);
		process_run(process, first);
	}
	setpgid(pid, group ?: pid);
	if (!group)
		group = pid;
	common->pid[process] = pid;
}

static bool has_work(unsigned int process)
{
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		if (!common->seat[process * THREADS + i].done)
			return true;
	return false;
}

/* Take note of the dead; returns whether there are living children. */
static bool reap(void)
{
	unsigned int process, i;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		for (process = 0; process < PROCESSES; process++) {
			if (common->pid[process] != pid)
				continue;
			common->pid[process] = 0;
			for (i = 0; i < THREADS; i++) {
				common->seat[process * THREADS + i].tid = 0;
				common->seat[process * THREADS + i].since = 0;
			}
			/* It may have died before its setup was over. */
			common->go = true;
			if (common->hurry || !has_work(process))
				continue;
			if (respawns++ < RESPAWNS) {
				start_process(process, false);
				continue;
			}
			for (i = 0; i < THREADS; i++)
				common->seat[process * THREADS + i].done = true;
		}
	}
	return pid == 0;
}

/* Wake who waits too long; returns whether anybody still gets on. */
static bool nudge(uint64_t now)
{
	unsigned int i, process;
	bool busy = false;

	for (i = 0; i < WORKERS; i++) {
		struct seat *seat = &common->seat[i];
		uint64_t since = seat->since;
		pid_t tid = seat->tid, pid = common->pid[i / THREADS];

		if (seat->done)
			continue;
		if (!since || now < since + slow * STUCK)
			busy = true;
		if (!since || now < since + slow * NUDGE ||
		    now < nudged[i] + slow * NUDGE)
			continue;
		nudged[i] = now;
		if (pid && tid)
			syscall(SYS_tgkill, pid, tid, SIGUSR1);
	}
	/* Who stopped itself. */
	for (process = 0; process < PROCESSES; process++)
		if (common->pid[process])
			kill(common->pid[process], SIGCONT);
	return busy;
}

/* Destroy all devices, at once; in a process of its own, as it may hang. */
static pid_t start_cleaner(void)
{
	struct zosbd2_destroy_all destroy = { .force = 1 };
	struct zosbd2_device_list list;
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = open(ZOSBD2_CONTROL_NODE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		_exit(errno == ENOENT ? 0 : 1);
	do {
		ioctl(fd, ZOSBD2_IOCTL_DESTROY_ALL_DEVICES, &destroy);
		if (ioctl(fd, ZOSBD2_IOCTL_STATUS_DEVICE_LIST, &list))
			_exit(1);
	} while (list.num_devices);
	_exit(0);
}

/**
 * wait_with_patience - wait for a child
 * @pid: the child
 * @status: set to its status
 * @seconds: how long
 *
 * Return: false if it has not ended in time.
 */
bool wait_with_patience(pid_t pid, int *status, unsigned int seconds)
{
	uint64_t end = now_ns() + seconds * 1000 * MS;

	while (now_ns() < end) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		usleep(500);
	}
	return false;
}

static void append_hanging(char *text, size_t size)
{
	unsigned int i;

	for (i = 0; i < WORKERS; i++) {
		struct seat *seat = &common->seat[i];
		size_t used = strlen(text);

		if (!seat->since || seat->next == 0)
			continue;
		snprintf(text + used, size - used,
			 "worker %u is in %s since %llu ms\n", i,
			 ops[common->program.call[seat->next - 1].op].name,
			 (unsigned long long)(now_ns() - seat->since) / MS);
	}
	for (i = 0; i < PROCESSES; i++)
		if (common->pid[i])
			append_blocked(text, size, common->pid[i]);
}

/* Nobody is left: neither children nor anything that they held. */
static bool is_over(void)
{
	return !reap() && module_is_idle();
}

static enum verdict finish(const char *name)
{
	static char detail[16384];
	uint64_t end = now_ns() + PATIENCE * 1000 * MS;
	const char *kind = NULL;
	int status = 0;
	pid_t cleaner;

	common->hurry = true;
	detail[0] = '\0';
	/* By turns: servers die first, or the devices go first. */
	if (common->program.calls & 1)
		kill(-group, SIGKILL);
	cleaner = start_cleaner();
	if (!wait_with_patience(cleaner, &status, PATIENCE)) {
		kind = "hang: destroy";
		append_blocked(detail, sizeof(detail), cleaner);
	} else if (status) {
		kind = "the devices cannot be destroyed";
		snprintf(detail, sizeof(detail), "status %d\n", status);
	}
	if (!(common->program.calls & 1) && !kind) {
		/* Give those that wait for nothing any more time to tell. */
		uint64_t grace = now_ns() + 300 * MS;

		while (reap() && now_ns() < grace) {
			nudge(now_ns());
			usleep(500);
		}
	}
	kill(-group, SIGKILL);
	files_end();
	while (!kind && !is_over()) {
		if (now_ns() > end) {
			kind = reap() ? "hang: a process does not end"
				      : "leak: references to the module";
			break;
		}
		usleep(500);
	}
	if (!kind && common->breach) {
		kind = common->breach;
		snprintf(detail, sizeof(detail), "in %s of worker %u\n%s\n",
			 ops[common->breach_op].name, common->breach_worker,
			 common->breach_detail);
	}
	if (!kind && kernel_complained())
		kind = "the kernel reported something";
	if (!kind)
		return RAN;
	append_hanging(detail, sizeof(detail));
	if (!strncmp(kind, "hang", 4))
		show_running();
	report_failure(kind, name, detail);
	return FAILED;
}

/**
 * supervise - run common->program
 * @name: for messages
 * @slowness: of the kernel
 */
enum verdict supervise(const char *name, unsigned int slowness)
{
	uint64_t start = now_ns();
	unsigned int i;

	common->go = common->hurry = common->news = false;
	for (i = 0; i < DEVICES; i++)
		common->handle[i] = common->old_handle[i] =
			common->generation[i] = 0;
	for (i = 0; i <= WORKERS; i++) {
		common->seat[i].next = 0;
		common->seat[i].since = 0;
		common->seat[i].tid = 0;
		common->seat[i].done = false;
		common->seat[i].id = 0;
		common->seat[i].ring_id = 0;
	}
	memset(nudged, 0, sizeof(nudged));
	respawns = 0;
	slow = slowness;
	group = 0;
	files_prepare();
	for (i = 0; i < PROCESSES; i++)
		start_process(i, true);
	while (reap() && now_ns() < start + slow * LIMIT) {
		if (!nudge(now_ns()) && common->go)
			break;
		usleep(slow * LOOK / 1000);
	}
	return finish(name);
}
