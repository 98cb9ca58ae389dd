/* SPDX-License-Identifier: MIT */
/*
 * Private to model/: what futex.c notes about a condition variable that may belong to a GIL.
 * futex_holds.c turns it into waits and holds once it is known to belong to one.
 */
#ifndef GT_MODEL_FUTEX_H
#define GT_MODEL_FUTEX_H

#include "model/builder.h"

enum gt_futex_entry_kind {
    GT_FUTEX_WAIT,     /* the thread begins to wait */
    GT_FUTEX_EXIT,     /* it returns from the wait, or from that for the mutex */
    GT_FUTEX_TIMEOUT,  /* it returns from the wait, as the switch interval has passed */
    GT_FUTEX_ACQUIRED, /* it returns, and has the GIL, as futex_holds.c found out */
    GT_FUTEX_WAKE,     /* it wakes a waiter: it releases the GIL */
    GT_FUTEX_SWITCH,   /* it signals switch_cond: it has acquired the GIL */
    GT_FUTEX_YIELD,  /* it waits for switch_cond: it has released the GIL on request, and waits
                        until another thread has acquired it */
    GT_FUTEX_MUTEX,  /* it waits for the mutex */
    GT_FUTEX_UNLOCK, /* it wakes a thread that waits for the mutex */
    GT_FUTEX_LEFT,   /* it does something else: it has left the loop of waiting, with the GIL */
    GT_FUTEX_LOST,   /* events were lost from here on */
};

struct gt_futex_entry {
    int64_t time_ns;
    uint32_t thread;
    uint32_t kind; /* enum gt_futex_entry_kind */
};

/* A condition variable for which a thread waited with a timeout. */
struct gt_candidate {
    uint32_t process;
    uint64_t address;
    struct gt_chunks entries; /* of struct gt_futex_entry */
    struct gt_intervals_state intervals;
    unsigned used_words; /* which of its two words was used: bit 0, bit 1 */
    bool words_fit;      /* they lie, from `address`, where they lay before glibc 2.41 */
    bool used_neighbour; /* its mutex, or switch_cond, was used */
    bool switched;       /* a thread that woke a waiter waited for switch_cond next */
    uint32_t last_waker;
    bool passed_on;           /* a thread that waited for it also woke others */
    struct gt_hashmap waited; /* the threads that waited for it */
    struct gt_hashmap woke;   /* the threads that woke others */
    bool runtime;             /* it is known where _PyRuntime is in its process */
    bool known;               /* and it lies within _PyRuntime */
    uint32_t name;            /* interned: of its program */
    int64_t start_ns;         /* of its program */
    uint32_t lost_seen;       /* how many lost ranges are taken into account */
};

/* futex_holds.c. Make the GIL of a candidate, with its waits and holds. 0, or -1: memory is
 * exhausted. */
int gt_futex_replay(struct gt_timeline *timeline, struct gt_candidate *candidate);

#endif
