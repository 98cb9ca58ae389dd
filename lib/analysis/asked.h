/*
 * What a thread that held the GIL did after it was asked to give it up.
 *
 * CPython's holder looks for a request whenever it comes back to the interpreter: it gives the
 * GIL up some microseconds of CPU time later. So what it did for longer, on a CPU or asleep, it
 * did without looking. That it was ready and had no CPU is the machine's doing; that it was
 * stopped, or waited for a page, is neither its own nor the interpreter's.
 *
 * From the scheduler's events where they were recorded; else from snapshots of the holder's
 * books, which the agent takes as a waiter asks, and again as the holder releases. Else it is
 * not known.
 *
 * A holder that wants to release needs the GIL's mutex first. A waiter that was pushed off its
 * CPU may have that, and then the holder sleeps for the waiter's sake, as everybody does.
 * Nobody can ask meanwhile, since that takes the mutex, too: so a sleep counts only while
 * waiters go on asking.
 */
#ifndef GT_ANALYSIS_ASKED_H
#define GT_ANALYSIS_ASKED_H

#include "model/timeline.h"

struct gt_after {
    int64_t total_ns; /* after the request */
    int64_t run_ns;   /* on a CPU */
    int64_t ready_ns; /* ready to run, without a CPU */
    int64_t sleep_ns;
    int64_t stopped_ns; /* by job control or a debugger */
    int64_t paging_ns;  /* waited for a page, or a disk */
    uint32_t call;      /* system call that it slept in, plus 1; 0: not known */
    bool known;         /* the above add up to (almost) all of the total; else they are 0 */
};

/* One GIL's; asked about its holds in the order of time. */
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

/* What the holder did in [from, until) of the hold that gt_asked_first_ns was asked about last.
 */
void gt_asked_after(const struct gt_asked *asked, const struct gt_span *hold, int64_t from_ns,
                    int64_t until_ns, struct gt_after *after);

#endif
