/*
 * A recorded run played again under other rules: what each thread did, as a list of steps whose
 * lengths are known, and what they wait for in one another. How long they wait for a GIL, for
 * a CPU, and for one another is not recorded here: it is what comes out.
 *
 *     gt_workload_init → add threads, GILs, events, locks, queues, steps … → gt_simulate … →
 *     gt_workload_release
 *
 * The rules of the GIL are CPython's: it is given up after the switch interval when somebody
 * asked for it, in the order of asking, except in a step that keeps it; who gives it up of
 * himself and comes back before a woken waiter is there gets it again. CPUs are shared evenly
 * among all threads that can run.
 *
 * Time grows with the steps, times the logarithm of the threads; memory is 16 bytes per step
 * and some 150 per thread.
 */
#ifndef GT_WHATIF_WORKLOAD_H
#define GT_WHATIF_WORKLOAD_H

#include "base/chunks.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define GT_WORKLOAD_NONE UINT32_MAX

enum gt_step_kind {
    GT_STEP_RUN,    /* ns on a CPU, with the GIL `what` or with none; 0: only gives it up */
    GT_STEP_SLEEP,  /* ns without a CPU, whatever else happens; likewise */
    GT_STEP_AWAIT,  /* the event `what`, for `ns` at most; 0: for ever … */
    GT_STEP_SIGNAL, /* … of which this is one of the signals that it needs */
    GT_STEP_LOCK,   /* takes the lock `what` … */
    GT_STEP_UNLOCK, /* … and gives it, in the order of asking */
    GT_STEP_TAKE,   /* takes an item out of the queue `what` … */
    GT_STEP_PUT,    /* … and puts one in, as soon as there is room */
    GT_STEP_MARK,   /* the clock `what` starts, unless it runs … */
    GT_STEP_UNTIL,  /* … and this waits until it has run for `ns`: not at all when it is late
                     */
};

enum gt_step_flags {
    GT_STEP_KEEPS = 1 << 0,   /* RUN: does not give the GIL up when asked */
    GT_STEP_PERHAPS = 1 << 1, /* UNTIL: only when the rules say so (by_clock) */
    GT_STEP_LOOSE = 1 << 2,   /* AWAIT: of an event loop, which does what comes first */
};

struct gt_step {
    int64_t ns;
    uint32_t what;
    uint16_t tag; /* 0: none. Steps of one tag can be let run without the GIL together */
    uint8_t kind;
    uint8_t flags;
};

/*
 * A thread has steps of its own. One that works for a queue goes on after these with the
 * queue's jobs, in the order in which they were recorded, whoever did them then: a job follows
 * each item that it takes. A job that is the last of its thread ends the thread that does it,
 * unless gt_workload_end_jobs says what the thread does after the last job of all.
 */
struct gt_workload_thread {
    struct gt_chunks steps; /* of struct gt_step */
    size_t own;             /* how many of them come before its first job */
    uint32_t works_for;     /* queue, or GT_WORKLOAD_NONE */
    uint32_t newest_job;    /* of the queue: what is added goes there; GT_WORKLOAD_NONE */
    size_t after_jobs;      /* the first step after all jobs; SIZE_MAX: none */
    bool counts;            /* the run lasts as long as it; others are left behind */
    uint32_t goes_on_until; /* the event that ends it: after its last step, it does those from
                               `repeats` on again; GT_WORKLOAD_NONE: it does not */
    size_t repeats;
};

struct gt_workload_job {
    uint32_t thread; /* whose steps they are; GT_WORKLOAD_NONE: there is nothing to do */
    bool last;
    size_t first, count;
};

struct gt_workload_queue {
    struct gt_chunks jobs; /* of struct gt_workload_job */
    uint32_t items;        /* in it from the beginning */
    uint32_t capacity;     /* who puts in more waits; 0: it holds any number */
    /* That its jobs go to whoever is free is a guess: only when the rules say so
     * (jobs_are_shared); else each thread does those that it did. */
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
    int64_t wake_ns;    /* from a signal, a lock or an item until the thread runs on */
    int64_t goes_on_ns; /* no thread begins again later: the others are stuck */
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
/* What is added to `thread` from here on is the job of the item `rank` of `queue`, for which
 * the thread works, and only for it. Items count from 0, in the order of being taken. */
int gt_workload_add_job(struct gt_workload *workload, uint32_t queue, uint32_t rank,
                        uint32_t thread);
/* What is added from here on is done by `thread` itself, once there are no more jobs. */
void gt_workload_end_jobs(struct gt_workload *workload, uint32_t thread);

static inline struct gt_workload_thread *
gt_workload_thread_at(const struct gt_workload *workload, uint32_t index)
{
    return gt_chunks_at(&workload->threads, index);
}

struct gt_sim_rules {
    double cores;           /* may be a part of one: a quota */
    uint16_t released_tag;  /* steps of this tag need no GIL; 0: none */
    bool released_all;      /* nor does any with a tag */
    bool no_gil;            /* nor does any */
    bool by_clock;          /* what is perhaps done until a time, is */
    bool loops_do_not_wait; /* loose waits take no time: a bound for event loops */
    bool jobs_are_shared; /* what any thread would perhaps have done goes to whoever is free */
};

struct gt_sim_result {
    int64_t end_ns; /* of the last thread that counts */
    uint32_t crowd; /* most threads that could run at once: more cores change nothing */
    bool stuck;     /* threads wait for one another for ever: end_ns means nothing */
};

/* 0 or negative. */
int gt_simulate(const struct gt_workload *workload, const struct gt_sim_rules *rules,
                struct gt_sim_result *result, struct gt_error *err);

#endif
