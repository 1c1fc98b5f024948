/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices on stdout, for people and for programs. */
#ifndef ZOSBD2_CTL_PRINT_H
#define ZOSBD2_CTL_PRINT_H

#include "device.h"

/* One line a device. */
void print_table(const struct device *devices, size_t count);

/* One line a property, with the counters. */
void print_details(const struct device *device);

/* One JSON object; the caller ends the line. */
void print_json(const struct device *device);

/* A JSON array of such objects, on one line. */
void print_json_array(const struct device *devices, size_t count);

#endif
