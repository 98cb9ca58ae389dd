/* SPDX-License-Identifier: MIT */
/*
 * What threads do beside holding the GIL, as the agent and the scheduler tell: how much CPU
 * time they had, and how they synchronised: by semaphores (CPython's locks), queues, barriers,
 * joins and wake-ups. Analyses find out from it which thread depends on which.
 */
#ifndef GT_MODEL_SYNC_H
#define GT_MODEL_SYNC_H

#include "base/chunks.h"

#include <stdint.h>

/* What a thread has had so far, read by itself. Both figures only grow. 24 bytes. */
struct gt_usage {
    int64_t time_ns;
    int64_t cpu_ns;  /* on a CPU */
    uint64_t sleeps; /* voluntary context switches */
};

/* What a thread that holds the GIL has had so far, read when another one asked for the GIL, or
 * when the holder gave it up after that. 32 bytes. */
struct gt_snapshot {
    int64_t time_ns;
    int64_t cpu_ns;   /* on a CPU */
    int64_t ready_ns; /* ready to run, without a CPU; -1: not known */
    uint16_t faults;  /* page faults that waited for a disk: the low 12 bits */
    uint16_t call;    /* the system call that it is in, plus 1; 0: it runs, or not known */
};

enum gt_sync_op_kind {
    GT_SYNC_SEM_TAKEN,    /* got a semaphore that it had waited for since since_ns */
    GT_SYNC_SEM_GAVE_UP,  /* did not get it */
    GT_SYNC_SEM_POST,     /* gave one that it had since since_ns; 0: another thread had it */
    GT_SYNC_QUEUE_GET,    /* got an item that it had asked for at since_ns */
    GT_SYNC_QUEUE_PUT,    /* put an item, and began to at since_ns; left: items in the queue */
    GT_SYNC_BARRIER,      /* passed a barrier at which it had arrived at since_ns */
    GT_SYNC_JOIN,         /* joined the thread of index `subject`, and began to at since_ns */
    GT_SYNC_EVENT_SET,    /* set an event or a future, and began to at since_ns */
    GT_SYNC_EVENT_SEEN,   /* found it set, and had asked at since_ns */
    GT_SYNC_PERMIT_TAKEN, /* took a permit of threading's semaphore, and had asked at since_ns
                           */
    GT_SYNC_PERMIT_GIVEN, /* gave one */
    GT_SYNC_WAKE,         /* woke the thread of index `subject`, as the scheduler tells */
};

/* 32 bytes. */
struct gt_sync_op {
    int64_t time_ns;
    int64_t since_ns; /* 0: not known */
    uint64_t subject; /* an address in the thread's process, or what the kind says */
    uint32_t thread;
    uint16_t kind; /* enum gt_sync_op_kind */
    uint16_t left; /* PERMIT_TAKEN: permits that are left, QUEUE_PUT: items in the queue; plus
                      1; 0: not known, or too many for it */
};

struct gt_timeline;

/* A list of struct gt_usage of a thread, in the order of time; NULL: there are none. */
const struct gt_chunks *gt_usages_of(const struct gt_timeline *timeline, uint32_t thread);

/* A list of struct gt_snapshot, likewise. */
const struct gt_chunks *gt_snapshots_of(const struct gt_timeline *timeline, uint32_t thread);

#endif
