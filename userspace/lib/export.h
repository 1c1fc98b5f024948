/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ZOSBD2_LIB_EXPORT_H
#define ZOSBD2_LIB_EXPORT_H

/* Everything is hidden but what carries this and stands in libzosbd2.map. */
#define ZOSBD2_EXPORT __attribute__((visibility("default")))

#endif
