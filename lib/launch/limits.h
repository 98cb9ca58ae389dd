/* SPDX-License-Identifier: MIT */
/*
 * Limits of this process (setrlimit(2)). The soft ones are raised for its own work, as far as
 * the hard ones allow; the target gets back what they were (launch/gate.h).
 */
#ifndef GT_LAUNCH_LIMITS_H
#define GT_LAUNCH_LIMITS_H

#include "base/error.h"

#include <stdint.h>

/* Raise the soft limit of open files, of a file's length; return what it was, in units of
 * getrlimit. At most 65536 files: some programs prepare for every descriptor that they may
 * have.
 */
uint64_t gt_limits_raise_open_files(void);
uint64_t gt_limits_raise_file_bytes(void);

/* How many descriptors this process has open; 0: /proc does not tell. */
unsigned gt_limits_count_open(void);

/* May this process have so many open at once? 0, or GT_ERR_UNSUPPORTED, which says that `what`
 * needs them. */
int gt_limits_check_open(unsigned needed, const char *what, struct gt_error *err);

#endif
