/*
 * Private to model/: what futex.c notes of a condition variable that may be a GIL's, and
 * futex_holds.c turns into waits and holds once it is known to be one.
 */
#ifndef GT_MODEL_FUTEX_H
#define GT_MODEL_FUTEX_H

#include "model/builder.h"

enum gt_futex_entry_kind {
    GT_FUTEX_WAIT,     /* entered */
    GT_FUTEX_EXIT,     /* and returned from it, or from the wait for the mutex */
    GT_FUTEX_TIMEOUT,  /* the same, because the switch interval passed */
    GT_FUTEX_ACQUIRED, /* returned, and has the GIL: futex_holds.c found out */
    GT_FUTEX_WAKE,     /* woke a waiter: released */
    GT_FUTEX_SWITCH,   /* signalled switch_cond: acquired */
    GT_FUTEX_YIELD,    /* sleeps on switch_cond: released as it was asked to, and waits until
                          another    one has acquired */
    GT_FUTEX_MUTEX,    /* waits for the mutex */
    GT_FUTEX_UNLOCK,   /* let another one have the mutex */
    GT_FUTEX_LEFT,     /* does something else, and so has it: one waits for it in a loop */
    GT_FUTEX_LOST,     /* events were lost from here on */
};

struct gt_futex_entry {
    int64_t time_ns;
    uint32_t thread;
    uint32_t kind; /* enum gt_futex_entry_kind */
};

/* One condition variable that somebody waited on with a timeout. */
struct gt_candidate {
    uint32_t process;
    uint64_t address;
    struct gt_chunks entries; /* of struct gt_futex_entry */
    struct gt_intervals_state intervals;
    unsigned used_words; /* bit 0, bit 1: of its two */
    bool used_neighbour; /* its mutex or switch_cond was waited for or woken */
    bool switched;       /* who woke one of its waiters slept on switch_cond next */
    uint32_t last_waker;
    bool passed_on;           /* somebody who waited here woke others here, too */
    struct gt_hashmap waited; /* who waited here: threads */
    struct gt_hashmap woke;   /* who woke others here */
    bool runtime;             /* the process's _PyRuntime is known, … */
    bool known;               /* … and it lies in it */
    uint32_t name;            /* of the program image it belongs to */
    int64_t start_ns;         /* of that */
    uint32_t lost_seen;       /* lost ranges that it knows of */
};

/* futex_holds.c: make the GIL of a candidate, with its waits and holds. 0 or -1. */
int gt_futex_replay(struct gt_timeline *timeline, struct gt_candidate *candidate);

#endif
