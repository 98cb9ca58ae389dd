/* SPDX-License-Identifier: MIT */
/*
 * What a thread that held the GIL did after it was asked to give it up.
 *
 * In CPython, the holder looks for a request whenever it comes back to the interpreter, and
 * then gives the GIL up within some microseconds of CPU time. So whatever it did for longer, on
 * a CPU or asleep, it did without looking. Time in which it was ready and had no CPU is the
 * machine's doing. Time in which it was stopped, or waited for a page, is neither the holder's
 * doing nor the interpreter's.
 *
 * The scheduler's events tell it, where they were recorded. Else snapshots of the kernel's
 * accounts of the holder do: the agent takes one when a waiter asks, and one when the holder
 * releases the GIL. Else it is not known.
 *
 * To release the GIL, the holder needs its mutex. A waiter that was preempted may have that
 * mutex, and then the holder sleeps through no fault of its own. Nobody can ask meanwhile,
 * since asking takes the mutex, too. So a sleep of the holder counts only while waiters go on
 * asking.
 */
#ifndef GT_ANALYSIS_ASKED_H
#define GT_ANALYSIS_ASKED_H

#include "model/timeline.h"

struct gt_after {
    int64_t total_ns; /* from the request on */
    int64_t run_ns;   /* on a CPU */
    int64_t ready_ns; /* ready to run, without a CPU */
    int64_t sleep_ns;
    int64_t stopped_ns; /* by job control or a debugger */
    int64_t paging_ns;  /* waited for a page, or a disk */
    uint32_t call;      /* number of the system call that it slept in, plus 1; 0: not known */
    bool known;         /* the times add up to the total, or almost; else they are 0 */
};

/* Of one GIL. Must be asked about its holds in the order of time. */
struct gt_asked {
    const struct gt_timeline *timeline;
    const struct gt_gil *gil;
    size_t next; /* private: first ask after the last hold */
};

void gt_asked_init(struct gt_asked *asked, const struct gt_timeline *timeline,
                   const struct gt_gil *gil);

/* Does the recording tell when waiters asked? */
bool gt_asked_is_recorded(const struct gt_asked *asked);

/* When somebody asked for the GIL first during a hold; INT64_MAX: nobody did. */
int64_t gt_asked_first_ns(struct gt_asked *asked, const struct gt_span *hold);

/* What the holder did in [from, until), a part of the hold that gt_asked_first_ns was asked
 * about last. */
void gt_asked_after(const struct gt_asked *asked, const struct gt_span *hold, int64_t from_ns,
                    int64_t until_ns, struct gt_after *after);

#endif
