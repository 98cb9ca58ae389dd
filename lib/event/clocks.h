/* SPDX-License-Identifier: MIT */
/*
 * The wall clock beside the clock of a recording, as it began and as it ended: by these,
 * several recordings come onto one timeline, also of several machines.
 */
#ifndef GT_EVENT_CLOCKS_H
#define GT_EVENT_CLOCKS_H

#include <stdint.h>

/* One moment on both clocks. */
struct gt_clock_anchor {
    int64_t monotonic_ns; /* of the machine: less what a time namespace adds; 0: not taken */
    int64_t realtime_ns;
    int64_t within_ns; /* the two readings are so far apart at most */
    int64_t error_ns;  /* how wrong the wall clock may be, by what the kernel was told; -1: it
                          is not synchronised, or the kernel does not say */
};

enum { GT_BOOT_ID_SIZE = 40 };

struct gt_clocks {
    struct gt_clock_anchor first, last;
    /* /proc/sys/kernel/random/boot_id: what has the same one has the same monotonic clock. "":
     * not known */
    char boot_id[GT_BOOT_ID_SIZE];
};

#endif
