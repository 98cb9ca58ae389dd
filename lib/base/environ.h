/* SPDX-License-Identifier: MIT */
/* The environment that another process was started with, as the kernel shows it. The process
 * may have written anything there since. */
#ifndef GT_BASE_ENVIRON_H
#define GT_BASE_ENVIRON_H

#include "base/buf.h"

/* Append the process's entries, "NAME=VALUE", each with its NUL. 0 or negative: it is gone, it
 * may not be looked at, it has too much, or there is no memory. */
int gt_environ_read(int pid, struct gt_buf *entries);

/* The value of a variable; of several of one name the first one, which getenv would take. NULL:
 * there is none. It stands in `entries`. */
const char *gt_environ_find(const struct gt_buf *entries, const char *name);

#endif
