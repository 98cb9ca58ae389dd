/* SPDX-License-Identifier: MIT */
/*
 * The numbers by which we know the processes and threads of a pid namespace of their own, as a
 * container's: agents in there write those that they know themselves.
 */
#ifndef GILTRACER_OUTER_PIDS_H
#define GILTRACER_OUTER_PIDS_H

#include "attach/running.h"
#include "base/chunks.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_outer_pids {
    struct gt_chunks pairs; /* private */
    bool differ;            /* they are others than ours */
};

void gt_outer_pids_init(struct gt_outer_pids *pids);
void gt_outer_pids_release(struct gt_outer_pids *pids);

/* Note those that are there now, in the namespace of this process. What ends between two looks
 * is not known. */
void gt_outer_pids_look(struct gt_outer_pids *pids, const struct gt_running *running);

/* Ours; the same number where it is not known. `pids` is a struct gt_outer_pids. */
int32_t gt_outer_pid(void *pids, int32_t inner);

#endif
