/* SPDX-License-Identifier: MIT */
/*
 * Private to locks.c, lock_parked.c and lock_making.c: a lock that is being made of what
 * threads did with it. Functions return 0, or -1 when memory is exhausted.
 */
#ifndef GT_MODEL_LOCK_MAKING_H
#define GT_MODEL_LOCK_MAKING_H

#include "model/builder.h"

/* Who has the lock, as far as the ops so far tell. */
struct gt_having {
    uint32_t thread; /* GT_NO_INDEX: nobody, or not known */
    int64_t since_ns;
    int64_t still_ns; /* it had it as another one gave up waiting; 0: nobody did */
    bool began;       /* since_ns is when it began */
};

/* A member of a lock of one byte. */
struct gt_parking {
    bool parks;        /* and nobody let it go on yet */
    int64_t let_go_ns; /* somebody did so last; 0: nobody ever did */
    int64_t woken_ns;  /* it went on last; 0: it never did */
};

struct gt_making {
    struct gt_timeline *timeline;
    struct gt_lock *lock;
    struct gt_having having;
    int64_t held_until_ns; /* end of the last hold */
    const struct gt_chunks *lost;
    size_t lost_at; /* first that does not end before the last op */
    bool unseen;    /* it is a semaphore that others may take unseen … */
    size_t waiting; /* … how many wait for it, … */
    bool unwatched; /* … nobody did for a moment since it was taken: it may have been given */
    /* Of a lock of one byte: */
    struct gt_chunks parkings; /* of struct gt_parking, by member */
    size_t parked;             /* how many park */
    int64_t locked_ns;         /* one thread has had it since then; INT64_MAX: not known. Of a
                                  semaphore, too */
    int64_t given_ns;          /* it was given, or may have been */
    bool unclear, lossy; /* somebody may have had it since the last hold while another waited */
};

/* lock_making.c. The thread's index among the lock's members, made when new; GT_NO_INDEX: no
 * memory.
 */
uint32_t gt_making_member(struct gt_making *making, uint32_t thread);
/* It begins no earlier than the last one ended. */
int gt_making_hold(struct gt_making *making, uint32_t thread, int64_t start_ns, int64_t end_ns,
                   uint32_t flags);

/* lock_parked.c, of locks of one byte. */
void gt_parked_init(struct gt_making *making);
void gt_parked_release(struct gt_making *making);
/* GT_LOCK_OP_PARKS, GT_LOCK_OP_POST, and the ends of waits. */
int gt_parked_follow(struct gt_making *making, const struct gt_lock_op *op);
/* Who parked may have gone on. */
void gt_parked_lose(struct gt_making *making, const struct gt_lost_range *range);
/* After the last op. */
void gt_parked_finish(struct gt_making *making);
/* When the thread was let go on within this wait; its end where that is not known. */
int64_t gt_parked_let_go(const struct gt_making *making, uint32_t thread, int64_t start_ns,
                         int64_t end_ns);

#endif
