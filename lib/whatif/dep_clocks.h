/*
 * Who looks at a clock, and sleeps just after: private to dep_clocks.c, which finds them in the
 * calls, and dep_sleeps.c, which tells whether sleeps end in step with a clock.
 */
#ifndef GT_WHATIF_DEP_CLOCKS_H
#define GT_WHATIF_DEP_CLOCKS_H

#include "base/hashmap.h"
#include "whatif/call_walk.h"
#include "whatif/dependencies.h"

/* Looks in one call, or of a coroutine: in all pieces of it. Or those in calls that it made, if
 * none of these looked twice. */
struct gt_clock_loop {
    int64_t first_ns, last_ns;
    uint32_t looks, works;  /* works: stretches of work between looks */
    int64_t between_ns[2];  /* from one look to the next, to WORK_NS: sums of every other one */
    uint32_t thread, call;  /* as of a sleep; GT_NO_INDEX: it did not look itself */
    uint32_t callee, child; /* function that did, and its last call; GT_NO_INDEX */
    bool twice;
    bool explained; /* by its sleeps, which are known to be until a time */
};

struct gt_clock_sleep {
    int64_t start_ns, end_ns;
    uint32_t thread, process, function; /* that sleeps: a Python function */
    uint32_t call;                      /* of it; or as of a loop */
    bool timed_out;                     /* nothing else ended it */
};

/* Waited for a semaphore until its time was up. */
struct gt_gave_up {
    int64_t time_ns;
    uint32_t thread;
};

struct gt_clocks {
    struct gt_deps *deps;
    const struct gt_timeline *timeline;
    uint8_t *roles;       /* by function: enum role */
    bool *is_library;     /* by function: its looks and sleeps are not the program's */
    uint32_t loop_time;   /* asyncio's clock; GT_NO_INDEX */
    uint32_t loop_handle; /* what runs a callback of asyncio's, or a piece of a coroutine */
    struct gt_gave_up *gave_ups; /* by thread and time */
    size_t gave_up_count;
    struct gt_chunks looked; /* of struct loop: calls of the thread at hand that looked */
    struct gt_chunks loops;  /* of struct loop, of all */
    struct gt_chunks sleeps; /* of struct sleep, of all */
    struct gt_hashmap loop_of;
    /* The thread at hand. */
    uint32_t thread;
    struct gt_call_walk walk;
    int64_t looked_ns; /* last; INT64_MIN: not since it slept */
};

/* A dependency. 0 or -1. */
int gt_clocks_add(struct gt_clocks *clocks, uint32_t kind, uint32_t thread, int64_t at_ns,
                  int64_t until_ns, uint32_t clock);
/* What is done at `at_ns` is not done before `clock` has run for `after_ns`: perhaps. What
 * `thread` did until `until_ns` is a part of that. 0 or -1. */
int gt_clocks_add_until(struct gt_clocks *clocks, uint32_t thread, int64_t at_ns,
                        int64_t until_ns, uint32_t clock, int64_t after_ns, bool perhaps);
/* All sleeps that were found. Loops that these explain are marked. 0 or -1. */
int gt_clocks_add_sleeps(struct gt_clocks *clocks);

#endif
