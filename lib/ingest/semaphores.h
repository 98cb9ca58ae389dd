/* SPDX-License-Identifier: MIT */
/*
 * Which of the calls that probes on libc's semaphores see are CPython's. A probe sees them of
 * every library: so a wait is believed only where it was called from the interpreter's code,
 * which its process maps. What one gives is of interest only where another one waits, and that
 * a semaphore is made only where one was waited for that had its address.
 */
#ifndef GT_INGEST_SEMAPHORES_H
#define GT_INGEST_SEMAPHORES_H

#include "base/chunks.h"
#include "base/hashmap.h"
#include "event/event.h"

#include <stdbool.h>

struct gt_semaphores {
    const char *python;       /* the interpreter's file; borrowed; NULL: names of files tell */
    struct gt_chunks images;  /* what processes map */
    struct gt_hashmap of_pid; /* → index in images */
    struct gt_hashmap waited; /* process and semaphore → 1: waited for since it was made, 0 */
    uint64_t hits;            /* of the probes, also those that are not fed */
};

void gt_semaphores_init(struct gt_semaphores *semaphores, const char *python);
void gt_semaphores_release(struct gt_semaphores *semaphores);

/* An event, before it is fed to the model. 1: feed it, as it is changed in `copy`, or as it is;
 * 0: it is of no lock of CPython's; or GT_ERR_MEMORY. */
int gt_semaphores_filter(struct gt_semaphores *semaphores, const struct gt_event **event,
                         struct gt_event *copy);

#endif
