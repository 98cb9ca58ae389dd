/* SPDX-License-Identifier: MIT */
/*
 * Everything that the analyses find in one recording. It is made once, by one function, and
 * does not change afterwards.
 *
 * To add an analysis: write a pair of files in this folder that takes a finished timeline, and
 * give its result a field here and a call in analysis.c.
 */
#ifndef GT_ANALYSIS_ANALYSIS_H
#define GT_ANALYSIS_ANALYSIS_H

#include "analysis/blocked.h"
#include "analysis/blockers.h"
#include "analysis/contention.h"
#include "analysis/contended.h"
#include "analysis/convoy.h"
#include "analysis/cost.h"
#include "analysis/cost_weight.h"
#include "analysis/perf_cost.h"
#include "analysis/coverage.h"
#include "analysis/crowd.h"
#include "analysis/interference.h"
#include "analysis/lock_waits.h"
#include "analysis/loss_remedy.h"
#include "analysis/native.h"
#include "analysis/parallel.h"
#include "analysis/stop_causes.h"
#include "analysis/verdict.h"
#include "analysis/worst.h"
#include "base/error.h"
#include "model/recorded.h"

struct gt_analysis {
    int64_t start_ns; /* time zero of the run; 0 where nothing has a time */
    int64_t wall_ns;  /* its length */
    size_t gil_count;
    struct gt_contention *contentions; /* by GIL: who waited for whom */
    struct gt_blockers *blockers;      /* by GIL: which functions were waited for */
    struct gt_native *natives;         /* by GIL: where holders were in native code */
    struct gt_native *sleeps;          /* … and where they slept with the GIL */
    struct gt_convoy *convoys;         /* by GIL */
    struct gt_contended *contended;    /* by GIL: while anybody wanted it */
    struct gt_worst *worsts;           /* by GIL: when it was waited for most */
    struct gt_locks_found locks;       /* what was waited for beside GILs */
    struct gt_blocked blocked;         /* each of these waits, and of the stops */
    struct gt_verdicts verdicts;       /* on the GILs */
    struct gt_no_gil_found no_gil;     /* where there is no GIL to judge */
    struct gt_beginning beginning;     /* before any */
    struct gt_parallel parallel;       /* without a GIL */
    struct gt_stops_found stops;       /* what stopped all threads */
    enum gt_states_seen states_seen;
    struct gt_crowd crowd;               /* how much of the waiting passed without a CPU */
    struct gt_interference interference; /* what the machine did to the program */
    struct gt_cost cost;                 /* what recording cost the program */
    struct gt_perf_cost perf_cost;       /* … beside the GIL's events and calls */
    struct gt_cost_weight cost_weight;
    struct gt_loss_remedy loss_remedy; /* where events were lost */
};

/* Analyses what was recorded. `info->surroundings` is borrowed. Free the result with
 * gt_analysis_free. NULL: no memory. */
struct gt_analysis *gt_analysis_new(const struct gt_recorded *recorded,
                                    const struct gt_run_info *info, struct gt_error *err);
void gt_analysis_free(struct gt_analysis *analysis);

#endif
