/* SPDX-License-Identifier: MIT */
/*
 * How long the supervisor waits.
 */
#ifndef FUZZ_SUPERVISE_H
#define FUZZ_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

#define PATIENCE	60 /* seconds until something hangs */
#define RMMOD_PATIENCE	20 /* when nothing of the module is in use */

bool wait_with_patience(pid_t pid, int *status, unsigned int seconds);

#endif
