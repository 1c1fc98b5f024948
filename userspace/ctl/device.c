// SPDX-License-Identifier: LGPL-2.1-or-later
#include "device.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_name(const void *left, const void *right)
{
	return strcmp(((const struct counter *)left)->name,
		      ((const struct counter *)right)->name);
}

/* False for what is no readable, regular file with a text in it. */
static bool counter_read(struct counter *counter, int directory,
			 const char *name)
{
	const size_t length = strlen(name);
	ssize_t got;
	int fd;

	if (*name == '.' || length >= sizeof(counter->name))
		return false;
	fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, counter->value, sizeof(counter->value) - 1);
	close(fd);
	if (got < 0)
		return false;
	counter->value[got] = '\0';
	counter->value[strcspn(counter->value, "\n")] = '\0';
	memcpy(counter->name, name, length + 1);
	return true;
}

/* Whatever files are there: a newer module may count more. */
static void counters_read(struct device *device)
{
	char path[sizeof("/sys/block//zosbd2") + ZOSBD2_NAME_SIZE];
	struct dirent *entry;
	DIR *directory;
	int fd;

	snprintf(path, sizeof(path), "/sys/block/%s/zosbd2",
		 device->info.name);
	directory = opendir(path);
	if (!directory)
		return;
	fd = dirfd(directory);
	while (fd >= 0 && device->counter_count < MAX_COUNTERS &&
	       (entry = readdir(directory)))
		if (counter_read(&device->counters[device->counter_count], fd,
				 entry->d_name))
			device->counter_count++;
	closedir(directory);
	qsort(device->counters, device->counter_count,
	      sizeof(*device->counters), by_name);
}

int device_read(struct device *device, struct zosbd2_control *control,
		uint32_t handle, bool with_counters)
{
	int error;

	device->counter_count = 0;
	zosbd2_info_init(&device->info);
	error = zosbd2_status(control, handle, &device->info);
	if (!error && with_counters)
		counters_read(device);
	return error;
}

bool counter_is_number(const struct counter *counter)
{
	const char *at = counter->value;

	if (*at == '-')
		at++;
	/* JSON has no leading zeros. */
	if (!isdigit((unsigned char)*at) || (*at == '0' && at[1]))
		return false;
	return at[strspn(at, "0123456789")] == '\0';
}
