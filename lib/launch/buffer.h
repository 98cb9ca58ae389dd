/* SPDX-License-Identifier: MIT */
/*
 * How large perf's ring buffers are: one per CPU for each perf record. perf empties them as it
 * gets to run, and what comes while one is full is lost. They cannot grow while perf records,
 * so their size is chosen before, by what is recorded and by what may be locked.
 */
#ifndef GT_LAUNCH_BUFFER_H
#define GT_LAUNCH_BUFFER_H

#include "base/error.h"
#include "launch/caps.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_buffer_request {
    uint64_t bytes;     /* --buffer: of each; 0: choose */
    bool heavy;         /* each use of the GIL, or the stack of each sleep, is recorded */
    unsigned recorders; /* perf records at the same time */
};

/* The most that each of them may be for the kernel and the memory that is free: a power of 2;
 * 0: only what perf chooses itself. */
uint64_t gt_buffer_most(const struct gt_caps *caps, unsigned recorders);

/* Decide, in bytes; 0: perf's own choice. What was asked for is rounded up to a power of 2.
 * GT_ERR_PERMISSION when it is more than may be. 0 or negative. */
int gt_buffer_choose(const struct gt_buffer_request *request, const struct gt_caps *caps,
                     uint64_t *bytes, struct gt_error *err);

/* A size as --buffer takes it: "512K", "64M". At most `size` - 1 bytes. Returns `text`. */
char *gt_buffer_text(uint64_t bytes, char *text, size_t size);

/* What it is when perf chooses. */
uint64_t gt_buffer_of_perf(const struct gt_caps *caps);

#endif
