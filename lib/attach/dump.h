/* SPDX-License-Identifier: MIT */
/*
 * How a running process stands at this moment: who has the GIL, who waits for it, what each
 * thread waits for, and whether that is a deadlock. Takes some 20 ms, longer
 * where threads that wait have no CPU to look again, and nothing in the process is touched.
 */
#ifndef GT_ATTACH_DUMP_H
#define GT_ATTACH_DUMP_H

#include "attach/gil.h"
#include "attach/layout.h"
#include "attach/python.h"
#include "attach/running.h"

#include <stdbool.h>

enum gt_dump_wait {
    GT_DUMP_NO_WAIT,  /* it runs, or is in a system call that tells nothing more */
    GT_DUMP_GIL,      /* for the GIL */
    GT_DUMP_SWITCHED, /* until who asked for the GIL has it */
    GT_DUMP_MUTEX,    /* for a mutex of C's, which `on_tid` has (0: not known) */
    GT_DUMP_JOIN,     /* for the end of thread `on_tid` */
    GT_DUMP_FUTEX, /* for something else: a lock, a condition variable, the end of a thread */
};

struct gt_dump_thread {
    struct gt_running_thread seen;
    uint64_t state; /* its struct _ts; 0: it has none that is known */
    enum gt_dump_wait wait;
    size_t gil; /* GT_DUMP_GIL: its place in the list */
    int on_tid;
    /* Private: looks, counted from 1. */
    int first, last; /* that saw it wait for the GIL; 0: none did */
    bool slept;      /* one saw it without a CPU, and not ready for one */
    uint64_t mutex;  /* for which all saw it wait; 0: there is none */
};

struct gt_dump {
    struct gt_layout layout;  /* `head` 0: not known, then there are no frames */
    struct gt_chunks gils;    /* of struct gt_gil_now; may be empty */
    struct gt_chunks threads; /* of struct gt_dump_thread */
    bool others; /* other interpreters may have GILs of their own, which are not known */
    bool moves;  /* the GIL changed hands meanwhile: waits are those of one moment */
};

int gt_dump_take(struct gt_dump *dump, const struct gt_running *running,
                 const struct gt_python *python, struct gt_error *err);
/* Does nothing to a struct of zeros. */
void gt_dump_release(struct gt_dump *dump);

/* The thread with this tid; NULL: there is none. */
const struct gt_dump_thread *gt_dump_thread_of(const struct gt_dump *dump, int tid);

/* Does the holder of a GIL wait, perhaps by way of other threads, for one that waits for this
 * GIL? That one; NULL: it does not, or that is not known. */
const struct gt_dump_thread *gt_dump_deadlock(const struct gt_dump *dump, size_t gil);

#endif
