/* SPDX-License-Identifier: MIT */
/*
 * What the recording covers and what it does not, as far as a reader must be told of it to
 * read the rest.
 */
#ifndef GT_ANALYSIS_COVERAGE_H
#define GT_ANALYSIS_COVERAGE_H

#include "event/run_info.h"
#include "model/recorded.h"

/* --- no GIL was seen --- */

enum gt_no_gil {
    GT_NO_GIL_SILENT,              /* neither the GIL nor sleeps for it were asked for */
    GT_NO_GIL_ASLEEP,              /* threads slept for it: see struct gt_no_gil_found */
    GT_NO_GIL_AWAKE,               /* no thread was seen to sleep for it */
    GT_NO_GIL_FREE_THREADED,       /* why none was seen: a free-threaded build has none … */
    GT_NO_GIL_FREE_THREADED_FUTEX, /* … and the futex source sees no wait for one */
    GT_NO_GIL_FUTEX_PARTLY,        /* the futex source saw no wait, but not all is known */
    GT_NO_GIL_FUTEX_NO_WAIT,       /* it saw no wait: there was none */
    GT_NO_GIL_FUTEX_SEEN,          /* it saw no wait of those threads that it sees */
    GT_NO_GIL_UNSEEN,              /* programs were not seen (gt_unseen_why) */
    GT_NO_GIL_ONE_THREAD,          /* CPython 3.6 has none until it starts a second thread */
    GT_NO_GIL_TOO_SHORT, /* no CPython ran for long, or its events were not recorded */
};

struct gt_no_gil_found {
    enum gt_no_gil why;
    /* Of GT_NO_GIL_ASLEEP. */
    int64_t asleep_ns; /* of all threads */
    int64_t lives_ns;  /* their lives */
    uint32_t thread;   /* that slept longest for it, … */
    int64_t thread_ns; /* … and how long */
};

struct gt_no_gil_found gt_no_gil_find(const struct gt_recorded *recorded,
                                      const struct gt_run_info *info);

/* --- the beginning --- */

/* What ran before the first program that has a GIL: a shell that started it, say. */
struct gt_beginning {
    uint32_t gil; /* that program's first; GT_NO_INDEX: there is little before it */
    int64_t ns;   /* from the start of the recording until it came */
};

struct gt_beginning gt_beginning_find(const struct gt_timeline *timeline);

/* --- scheduling --- */

enum gt_states_seen {
    GT_STATES_SEEN,        /* all, or they were not asked for */
    GT_STATES_NONE,        /* no scheduling was recorded */
    GT_STATES_NO_REASONS,  /* switch records only: why threads left their CPUs is not known */
    GT_STATES_NO_SWITCHES, /* no switch records: when threads came back is not always known */
};

enum gt_states_seen gt_states_seen(const struct gt_recorded *recorded);

/* --- programs and events that were not seen --- */

/* Why the GIL of a program that runs Python was not seen. */
enum gt_unseen_why {
    GT_UNSEEN_INTERPRETER, /* its interpreter is not the one that has the probes */
    GT_UNSEEN_STATIC,      /* it maps no libc */
    GT_UNSEEN_NO_GLIBC,    /* its libc is not glibc, whose system calls are understood */
    GT_UNSEEN_LIBC,        /* its libc is not the file that has the probes */
};

enum gt_unseen_why gt_unseen_why(const struct gt_probed *probed,
                                 const struct gt_unseen *unseen);

/* How many returns of take_gil are missing, of all GILs, and of how many. */
uint64_t gt_returns_missing(const struct gt_timeline *timeline, uint64_t *takes);

/* How many events were lost of which it is not known whose they are. What single processes lost
 * is told of them. */
uint64_t gt_lost_by_all(const struct gt_timeline *timeline);

/* Does it matter that this is not known? It does not where it ended with the process. */
bool gt_hole_matters(const struct gt_hole *hole);

/* May there be threads that nobody saw; and calls of functions? */
bool gt_may_lack_threads(const struct gt_timeline *timeline);
bool gt_may_lack_calls(const struct gt_timeline *timeline);

#endif
