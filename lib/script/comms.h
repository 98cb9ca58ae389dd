/* SPDX-License-Identifier: MIT */
/* Private to script/: the names of threads in the course of a recording, as perf knows them. */
#ifndef GT_SCRIPT_COMMS_H
#define GT_SCRIPT_COMMS_H

#include "base/chunks.h"
#include "base/hashmap.h"

#include <stdint.h>

enum { GT_COMM_BYTES = 16 }; /* the kernel's TASK_COMM_LEN, with the NUL */

struct gt_comms {
    struct gt_chunks names; /* of struct gt_comm */
    struct gt_hashmap of;   /* tid → its name */
    char unknown[GT_COMM_BYTES];
};

void gt_comms_init(struct gt_comms *comms);
void gt_comms_release(struct gt_comms *comms);

/* At most GT_COMM_BYTES - 1 bytes. 0 or -1. */
int gt_comms_set(struct gt_comms *comms, int32_t tid, const char *text, uint32_t length);
/* A new thread has the name of who created it. 0 or -1. */
int gt_comms_inherit(struct gt_comms *comms, int32_t tid, int32_t creator);

/* ":TID" where it is not known. Valid until the next call. */
const char *gt_comms_get(struct gt_comms *comms, int32_t tid, uint32_t *length);

#endif
