/* SPDX-License-Identifier: MIT */
/*
 * Samples of native stacks: where threads were when a clock looked at those that ran. A clock
 * that counts a thread's time on a CPU sees no thread that sleeps: of one that has the GIL, who
 * waits for it notes where it sleeps.
 */
#ifndef GT_MODEL_NATIVE_H
#define GT_MODEL_NATIVE_H

#include <stdint.h>

struct gt_event;
struct gt_timeline;

/* 24 bytes. */
struct gt_native_sample {
    int64_t time_ns;
    int64_t weight_ns; /* the time on a CPU, in user mode, that it stands for */
    uint32_t thread;
    uint32_t stack; /* interned in gt_timeline.native_stacks; 0: it could not be read */
};

/* One sleep of a thread that had the GIL, when somebody asked for it. 24 bytes. */
struct gt_native_sleep {
    int64_t time_ns; /* when it was seen: it had slept already */
    uint32_t thread;
    uint32_t stack; /* as above */
    uint32_t call;  /* number of the system call, plus 1; 0: not known */
};

/* Take a GT_EVENT_SAMPLE, when all threads are known. One that is not of the last thread with
 * its tid is counted, and left out. 0 or -1. */
int gt_native_feed(struct gt_timeline *timeline, const struct gt_event *event);

/* Take a GT_EVENT_ASLEEP; of a thread that is not known it means nothing. 0 or -1. */
int gt_native_sleep_feed(struct gt_timeline *timeline, const struct gt_event *event);

#endif
