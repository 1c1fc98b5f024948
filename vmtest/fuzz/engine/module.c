// SPDX-License-Identifier: MIT
/*
 * The module: loaded, taken away, loaded again.  It goes only when nothing of
 * it is in use any more, so that a leak shows.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "supervise.h"

const char *module_path;

/**
 * module_load - load it, unless it is there
 */
bool module_load(void)
{
	int fd, ret;

	if (!module_path || !access("/sys/module/zosbd2", F_OK))
		return true;
	fd = open(module_path, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 ? -1 : syscall(SYS_finit_module, fd, "", 0);
	if (fd >= 0)
		close(fd);
	return !ret;
}

/**
 * module_is_idle - nobody has anything of it open
 */
bool module_is_idle(void)
{
	FILE *file = fopen("/sys/module/zosbd2/refcnt", "r");
	int references = -1;

	if (!file)
		return false;
	if (fscanf(file, "%d", &references) != 1)
		references = -1;
	fclose(file);
	return references == 0;
}

static const char *remove_module(char *detail, size_t size)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		if (!syscall(SYS_delete_module, "zosbd2", O_NONBLOCK))
			_exit(0);
		_exit(errno);
	}
	if (!wait_with_patience(pid, &status, RMMOD_PATIENCE)) {
		append_blocked(detail, size, pid);
		return "hang: rmmod";
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		snprintf(detail, size, "rmmod: %s",
			 strerror(WIFEXITED(status) ? WEXITSTATUS(status)
						    : EINTR));
		return "leak: the module cannot be removed";
	}
	return NULL;
}

/**
 * module_reload - take it away and load it again
 */
enum verdict module_reload(void)
{
	static char detail[16384];
	const char *kind;

	if (!module_path)
		return RAN;
	detail[0] = '\0';
	kind = remove_module(detail, sizeof(detail));
	if (!kind && !module_load()) {
		kind = "the module cannot be loaded again";
		snprintf(detail, sizeof(detail), "%s", strerror(errno));
	}
	if (!kind)
		return RAN;
	report_failure(kind, "reload", detail);
	return FAILED;
}
