/* SPDX-License-Identifier: MIT */
/*
 * Pauses in which one thread stops all others (stop-the-world: builds without a GIL, pystate.c
 * of CPython 3.13 to 3.15). The thread that asks for it waits until all have stopped, for a
 * millisecond at a time; those that want to go on park, each for a word of its own thread
 * state; who asked posts them all in the end. Threads that sleep or are in C meanwhile lose
 * nothing.
 *
 * From GT_EVENT_SEM_WAITS and what belongs to it.
 */
#ifndef GT_MODEL_STOPS_H
#define GT_MODEL_STOPS_H

#include <stddef.h>
#include <stdint.h>

/* 40 bytes. */
struct gt_world_stop {
    int64_t start_ns; /* it was asked for; if the one that asked had to wait for nobody, the
                         first one had to stop */
    int64_t all_ns;   /* all had stopped */
    int64_t end_ns;   /* all could go on */
    uint32_t thread;  /* that asked */
    uint32_t first;   /* its spans in gt_timeline.stopped; */
    uint32_t count;   /* how many threads had to stop */
};

struct gt_timeline;

/* How long the thread was stopped by others. */
int64_t gt_stopped_of(const struct gt_timeline *timeline, uint32_t thread);

#endif
