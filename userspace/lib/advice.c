// SPDX-License-Identifier: LGPL-2.1-or-later
/* What went wrong and what to do about it, in words. */
#include <errno.h>

#include "export.h"
#include "zosbd2.h"

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)

ZOSBD2_EXPORT const char *zosbd2_version(void)
{
	return STRINGIFY(ZOSBD2_VERSION_MAJOR) "."
	       STRINGIFY(ZOSBD2_VERSION_MINOR) "."
	       STRINGIFY(ZOSBD2_VERSION_PATCH);
}

static const char *explain_open(int error)
{
	switch (error) {
	case -ENOENT:
		return "the kernel module is not loaded: run \"modprobe zosbd2\" as root";
	case -ENODEV:
		return "/dev/zosbd2ctl is there but the kernel module does not answer: "
		       "load it with \"modprobe zosbd2\" as root";
	case -EPROTONOSUPPORT:
		return "the kernel module that is loaded is older than this program: unload it and "
		       "load the one that came with it";
	default:
		return "";
	}
}

static const char *explain_create(int error)
{
	switch (error) {
	case -EEXIST:
		return "the name is taken, by a device (\"zosbd2ctl list\" shows all) or by another "
		       "file below /dev: choose another, or destroy that device first";
	case -ENAMETOOLONG:
		return "a device's name has at most 31 bytes";
	case -ERANGE:
		return "the size must be 4 MiB to 12 TiB and the time-out 1 to 1200 seconds";
	case -EINVAL:
		return "the name must fit a node below /dev (no slash, no blank), the size must be "
		       "a multiple of 4096 bytes, and the module limits how many devices exist";
	case -EMFILE:
		return "there are as many devices as the module allows: destroy one first";
	case -EOPNOTSUPP:
		return "the kernel module does not know one of the device's features: is it older "
		       "than this program?";
	default:
		return "";
	}
}

static const char *explain_destroy(int error)
{
	switch (error) {
	case -EBUSY:
		return "it is mounted or open: unmount it and end what uses it (\"fuser -vm\" and "
		       "\"lsblk\" tell), or force, which loses what is not written back";
	case -ENOENT:
		return "there is no such device (\"zosbd2ctl list\" shows all)";
	default:
		return "";
	}
}

static const char *explain_serve(int error)
{
	switch (error) {
	case -ENOENT:
		return "the device was destroyed before it was served";
	case -ETIMEDOUT:
		return "the server that it has did not hand in what it was working on in time, and "
		       "goes on: see what holds it up, and try again";
	case -EOPNOTSUPP:
		return "it has a feature (\"zosbd2ctl status\" tells) that this server lacks";
	default:
		return "";
	}
}

static const char *explain_resize(int error)
{
	switch (error) {
	case -EBUSY:
		return "a device shrinks only while nobody has it open or mounted";
	case -ERANGE:
		return "the size must be 4 MiB to 12 TiB";
	case -EINVAL:
		return "the size must be a multiple of 4096 bytes";
	default:
		return explain_destroy(error);
	}
}

ZOSBD2_EXPORT const char *zosbd2_explain(enum zosbd2_attempt attempt, int error)
{
	if (error == -EACCES || error == -EPERM)
		return "this needs the capability CAP_SYS_ADMIN: run it as root";
	switch (attempt) {
	case ZOSBD2_ATTEMPT_OPEN:
		return explain_open(error);
	case ZOSBD2_ATTEMPT_CREATE:
		return explain_create(error);
	case ZOSBD2_ATTEMPT_FIND:
		return error == -EBUSY ? "" : explain_destroy(error);
	case ZOSBD2_ATTEMPT_DESTROY:
		return explain_destroy(error);
	case ZOSBD2_ATTEMPT_SERVE:
		return explain_serve(error);
	case ZOSBD2_ATTEMPT_RESIZE:
		return explain_resize(error);
	default:
		return "";
	}
}
