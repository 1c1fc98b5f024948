// SPDX-License-Identifier: LGPL-2.1-or-later
#include "print.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"

struct size_text {
	char text[24];
};

/* 4294967296 as "4.0 GiB". */
static struct size_text size_text(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	struct size_text size;
	size_t unit = 0;
	double scaled = (double)bytes;

	while (scaled >= 1024 && unit + 1 < sizeof(units) / sizeof(*units)) {
		scaled /= 1024;
		unit++;
	}
	snprintf(size.text, sizeof(size.text), unit ? "%.1f %s" : "%.0f %s",
		 scaled, units[unit]);
	return size;
}

void print_table(const struct device *devices, size_t count)
{
	printf("%6s  %-31s  %11s  %5s  %8s\n", "HANDLE", "NAME", "SIZE",
	       "BLOCK", "TIMEOUT");
	for (size_t at = 0; at < count; at++) {
		const struct zosbd2_info *info = &devices[at].info;

		printf("%6u  %-31s  %11s  %5u  %6u s\n", info->handle,
		       info->name, size_text(info->size).text,
		       info->block_size, info->timeout_ms / 1000);
	}
}

static const struct {
	uint64_t feature;
	const char *name;
} features[] = {
	{ ZOSBD2_DEVICE_FLUSH, "flush" },
	{ ZOSBD2_DEVICE_FUA, "fua" },
	{ ZOSBD2_DEVICE_WRITE_ZEROES, "write_zeroes" },
	{ ZOSBD2_DEVICE_READ_ONLY, "read_only" },
	{ ZOSBD2_DEVICE_PARTITIONS, "partitions" },
	{ ZOSBD2_DEVICE_ROTATIONAL, "rotational" },
};

#define FEATURES (sizeof(features) / sizeof(*features))

static void print_features(uint64_t of_device)
{
	printf("  %-28s", "features");
	for (size_t at = 0; at < FEATURES; at++)
		if (of_device & features[at].feature)
			printf(" %s", features[at].name);
	printf(of_device ? "\n" : " none\n");
}

static void print_json_features(uint64_t of_device)
{
	bool first = true;

	printf("[");
	for (size_t at = 0; at < FEATURES; at++) {
		if (!(of_device & features[at].feature))
			continue;
		printf("%s\"%s\"", first ? "" : ", ", features[at].name);
		first = false;
	}
	printf("]");
}

/* The module has these among its counters too. */
static bool is_told_already(const struct counter *counter)
{
	return !strcmp(counter->name, "handle") ||
	       !strcmp(counter->name, "recovery") ||
	       !strcmp(counter->name, "servers");
}

void print_details(const struct device *device)
{
	const struct zosbd2_info *info = &device->info;

	printf("%s\n", info->name);
	printf("  %-28s %u\n", "handle", info->handle);
	printf("  %-28s %" PRIu64 " bytes (%s)\n", "size", info->size,
	       size_text(info->size).text);
	printf("  %-28s %u bytes\n", "block size", info->block_size);
	printf("  %-28s %u ms\n", "time-out", info->timeout_ms);
	printf("  %-28s %u\n", "segments per request", info->max_segments);
	print_features(info->features);
	printf("  %-28s %s\n", "recovery", recovery_name(info->recovery));
	printf("  %-28s %u\n", "servers", info->servers);
	for (size_t at = 0; at < device->counter_count; at++)
		if (!is_told_already(&device->counters[at]))
			printf("  %-28s %s\n", device->counters[at].name,
			       device->counters[at].value);
}

static void print_json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		const unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			printf("\\%c", byte);
		else if (byte < 0x20 || byte >= 0x7f)
			/* Names are bytes; this reads them as Latin-1. */
			printf("\\u%04x", byte);
		else
			putchar(byte);
	}
	putchar('"');
}

static void print_json_counters(const struct device *device)
{
	printf("{");
	for (size_t at = 0; at < device->counter_count; at++) {
		const struct counter *counter = &device->counters[at];

		if (at)
			printf(", ");
		print_json_string(counter->name);
		printf(": ");
		if (counter_is_number(counter))
			printf("%s", counter->value);
		else
			print_json_string(counter->value);
	}
	printf("}");
}

void print_json(const struct device *device)
{
	const struct zosbd2_info *info = &device->info;

	printf("{\"handle\": %u, \"name\": ", info->handle);
	print_json_string(info->name);
	printf(", \"size_bytes\": %" PRIu64
	       ", \"block_size_bytes\": %u, \"timeout_ms\": %u"
	       ", \"max_segments_per_request\": %u, \"features\": ",
	       info->size, info->block_size, info->timeout_ms,
	       info->max_segments);
	print_json_features(info->features);
	printf(", \"recovery\": \"%s\", \"servers\": %u, \"counters\": ",
	       recovery_name(info->recovery), info->servers);
	print_json_counters(device);
	printf("}");
}

void print_json_array(const struct device *devices, size_t count)
{
	printf("[");
	for (size_t at = 0; at < count; at++) {
		if (at)
			printf(", ");
		print_json(&devices[at]);
	}
	printf("]\n");
}
