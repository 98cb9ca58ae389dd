/* SPDX-License-Identifier: MIT */
/*
 * What the threads of a run did, so that it can be played again under other rules
 * (simulator.h): a list of steps per thread, with their lengths, and what threads wait for in
 * one another.
 *
 *     gt_workload_init → add threads, GILs, events, locks, queues, steps … → gt_simulate … →
 *     gt_workload_release
 *
 * Memory: 16 bytes per step and some 150 per thread.
 */
#ifndef GT_WHATIF_WORKLOAD_H
#define GT_WHATIF_WORKLOAD_H

#include "base/chunks.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define GT_WORKLOAD_NONE UINT32_MAX

enum gt_step_kind {
    GT_STEP_RUN,    /* `ns` on a CPU, with the GIL `what`, or with none. 0 ns without: the
                       thread only gives the GIL up */
    GT_STEP_SLEEP,  /* `ns` without a CPU, whatever else happens; with a GIL, or with none */
    GT_STEP_AWAIT,  /* waits for the event `what`, for `ns` at most; 0: without a limit */
    GT_STEP_SIGNAL, /* one of the signals that the event `what` needs */
    GT_STEP_LOCK,   /* takes the lock `what` */
    GT_STEP_UNLOCK, /* gives the lock `what` to the thread that asked first */
    GT_STEP_TAKE,   /* takes an item out of the queue `what` */
    GT_STEP_PUT,    /* puts an item into the queue `what`, as soon as there is room */
    GT_STEP_MARK,   /* starts the clock `what`, unless it runs */
    GT_STEP_UNTIL,  /* waits until the clock `what` has run for `ns`; not at all when it has */
};

enum gt_step_flags {
    GT_STEP_KEEPS = 1 << 0,   /* RUN: does not give the GIL up when it is asked */
    GT_STEP_PERHAPS = 1 << 1, /* UNTIL: only under gt_sim_rules.by_clock */
    GT_STEP_LOOSE = 1 << 2,   /* AWAIT: of an event loop, which does what comes first */
};

struct gt_step {
    int64_t ns;
    uint32_t what;
    uint16_t tag; /* 0: none. All steps of one tag run without the GIL where
                     gt_sim_rules.released_tag says so */
    uint8_t kind;
    uint8_t flags;
};

/*
 * A thread has steps of its own. A thread that works for a queue does these first, and then
 * jobs of the queue, one for each item that it takes. Jobs are taken in the order in which they
 * were recorded, by any thread that works for the queue. The last job of a recorded thread ends
 * the thread that does it, unless gt_workload_end_jobs says what that does after all jobs.
 */
struct gt_workload_thread {
    struct gt_chunks steps; /* of struct gt_step */
    size_t own;             /* how many of the steps come before its first job */
    uint32_t works_for;     /* queue, or GT_WORKLOAD_NONE */
    uint32_t newest_job;    /* of the queue: steps are added to it; GT_WORKLOAD_NONE */
    size_t after_jobs;      /* the first step after all jobs; SIZE_MAX: none */
    bool counts;            /* the run ends with the last thread that counts */
    uint32_t goes_on_until; /* an event: until then, the thread repeats its steps from
                               `repeats` on; GT_WORKLOAD_NONE: it ends after its last step */
    size_t repeats;
};

struct gt_workload_job {
    uint32_t thread;     /* in whose list its steps are; GT_WORKLOAD_NONE: it has no steps */
    bool last;           /* of that thread */
    size_t first, count; /* of the steps */
};

struct gt_workload_queue {
    struct gt_chunks jobs; /* of struct gt_workload_job */
    uint32_t items;        /* in it at the beginning */
    uint32_t capacity;     /* a thread that puts in more waits; 0: it holds any number */
    /* It is a guess that any thread might have done its jobs: only under
     * gt_sim_rules.jobs_are_shared any thread does, else each does those that it did. */
    bool guessed;
};

struct gt_workload_gil {
    int64_t interval_ns;
    int64_t handover_ns; /* from the release until a woken waiter is there */
};

struct gt_workload {
    struct gt_chunks threads; /* of struct gt_workload_thread */
    struct gt_chunks gils;    /* of struct gt_workload_gil */
    struct gt_chunks events;  /* of uint32_t: signals that each needs */
    struct gt_chunks queues;  /* of struct gt_workload_queue */
    uint32_t lock_count, clock_count;
    int64_t wake_ns;    /* from a signal, a lock or an item until the waiting thread runs */
    int64_t goes_on_ns; /* no thread repeats its steps later than that: a run that lasts longer
                           is stuck */
};

void gt_workload_init(struct gt_workload *workload);
void gt_workload_release(struct gt_workload *workload);

/* Each returns an index, or GT_WORKLOAD_NONE when memory is exhausted. */
uint32_t gt_workload_add_thread(struct gt_workload *workload, bool counts);
uint32_t gt_workload_add_gil(struct gt_workload *workload, int64_t interval_ns,
                             int64_t handover_ns);
uint32_t gt_workload_add_event(struct gt_workload *workload, uint32_t signals);
uint32_t gt_workload_add_queue(struct gt_workload *workload, uint32_t items);

/* 0 or -1. */
int gt_workload_add_step(struct gt_workload *workload, uint32_t thread, struct gt_step step);
/* Steps that are added to `thread` from here on are the job of the item `rank` of `queue`.
 * Items count from 0, in the order in which they are taken. A thread works for one queue only.
 */
int gt_workload_add_job(struct gt_workload *workload, uint32_t queue, uint32_t rank,
                        uint32_t thread);
/* Steps that are added from here on are done by `thread` itself, after all jobs. */
void gt_workload_end_jobs(struct gt_workload *workload, uint32_t thread);

static inline struct gt_workload_thread *
gt_workload_thread_at(const struct gt_workload *workload, uint32_t index)
{
    return gt_chunks_at(&workload->threads, index);
}

/* Under which rules a workload is played (simulator.h). */
struct gt_sim_rules {
    double cores;           /* may be a part of one: a quota */
    uint16_t released_tag;  /* steps of this tag need no GIL; 0: all do */
    bool released_all;      /* no step that has a tag needs a GIL */
    bool no_gil;            /* no step needs a GIL */
    bool by_clock;          /* what is perhaps done until a time is done until then */
    bool loops_do_not_wait; /* loose waits take no time: a lower bound for event loops */
    bool jobs_are_shared;   /* jobs of guessed queues are done by any thread that is free */
};

#endif
