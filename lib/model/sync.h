/*
 * What threads do beside holding the GIL, as far as an agent or the scheduler told: how much of
 * the CPUs they had, and where they met: semaphores (CPython's locks), queues, barriers, ends
 * of threads, wake-ups. Analysis reads it to tell what depends on what.
 */
#ifndef GT_MODEL_SYNC_H
#define GT_MODEL_SYNC_H

#include "base/chunks.h"

#include <stdint.h>

/* One reading of a thread's own clock. 24 bytes; both figures only grow. */
struct gt_usage {
    int64_t time_ns;
    int64_t cpu_ns;  /* that it was on a CPU so far */
    uint64_t sleeps; /* voluntary context switches */
};

/* What a thread has had of the CPUs, read as another one asked for the GIL that it held, or as
 * it gave that up then. 32 bytes. */
struct gt_snapshot {
    int64_t time_ns;
    int64_t cpu_ns;   /* on a CPU, so far */
    int64_t ready_ns; /* ready without one, so far; -1: not known */
    uint16_t faults;  /* page faults that waited for a disk, so far: low bits */
    uint16_t call;    /* system call that it is in, plus 1; 0: not known, or it runs */
};

enum gt_sync_op_kind {
    GT_SYNC_SEM_TAKEN,    /* has the semaphore `subject`; since_ns: waited for it */
    GT_SYNC_SEM_GAVE_UP,  /* has it not; likewise */
    GT_SYNC_SEM_POST,     /* gives it; since_ns: had it since then, 0: another thread had */
    GT_SYNC_QUEUE_GET,    /* has got an item; since_ns: asked for it */
    GT_SYNC_QUEUE_PUT,    /* has put one; since_ns: began to; left: how many it holds */
    GT_SYNC_BARRIER,      /* came through; since_ns: arrived */
    GT_SYNC_JOIN,         /* has joined the thread of index `subject`; since_ns: began to */
    GT_SYNC_EVENT_SET,    /* set an event or a future; since_ns: began to */
    GT_SYNC_EVENT_SEEN,   /* found it set; since_ns: asked for it */
    GT_SYNC_PERMIT_TAKEN, /* out of a semaphore of threading's; likewise */
    GT_SYNC_PERMIT_GIVEN,
    GT_SYNC_WAKE, /* woke the thread of index `subject`, says the scheduler */
};

/* 32 bytes. */
struct gt_sync_op {
    int64_t time_ns;
    int64_t since_ns; /* 0: not known */
    uint64_t subject; /* an address of the thread's process, or as the kind says */
    uint32_t thread;
    uint16_t kind; /* enum gt_sync_op_kind */
    uint16_t left; /* of PERMIT_TAKEN: permits that are left, of QUEUE_PUT: how many items the
                      queue holds; plus 1; 0: not known, or too many */
};

struct gt_timeline;

/* The thread's readings (struct gt_usage, in the order of time), or NULL when there are none.
 */
const struct gt_chunks *gt_usages_of(const struct gt_timeline *timeline, uint32_t thread);

/* The thread's snapshots (struct gt_snapshot, in the order of time), or NULL when there are
 * none.
 */
const struct gt_chunks *gt_snapshots_of(const struct gt_timeline *timeline, uint32_t thread);

#endif
