/* SPDX-License-Identifier: MIT */
/*
 * Calls that are too short to be seen, put together. A trace of millions of calls is larger
 * than any viewer takes. Of one that is, calls below some duration become one span for all that
 * follow each other within a call that is kept, with their number. No call is lost without
 * being counted, and spans nest as before.
 */
#ifndef GT_REPORT_SHORT_CALLS_H
#define GT_REPORT_SHORT_CALLS_H

#include "base/chunks.h"
#include "model/calls.h"
#include "report/report.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#define GT_TRACE_BYTES_MAX UINT64_C(200000000) /* of JSON that is not compressed */

/* What the trace says of it: a format for calls, runs and limit_ns. */
#define GT_SHORT_CALLS_KEY                                                                     \
    ",\n\"short_calls\":{\"calls\":%" PRIu64 ",\"spans\":%" PRIu64                             \
    ",\"shorter_than_ns\":%" PRId64 "}"

struct gt_short_calls {
    uint64_t bytes;   /* about how large the trace is with each call */
    int64_t limit_ns; /* calls shorter than this are put together; 0: none are */
    uint64_t calls;   /* so many are, … */
    uint64_t runs;    /* … into so many spans */
};

/* What is to be put together so that a trace of the report has GT_TRACE_BYTES_MAX or less.
 * Without report->options.keep_short_calls only; else only `bytes` is filled. 0 or -1. */
int gt_short_calls_plan(const struct gt_report *report, struct gt_short_calls *plan);

/* Short calls that follow each other. */
struct gt_call_run {
    int64_t start_ns, end_ns;
    int64_t inside_ns; /* how much of that was in one of them */
    uint64_t calls;    /* those that they called are counted, too */
};

/* A thread's calls, in the order of their starts. */
struct gt_call_runs {
    int64_t limit_ns;
    struct gt_chunks open; /* of int64_t: when the kept calls end that go on */
    struct gt_call_run run;
};

void gt_call_runs_init(struct gt_call_runs *runs, int64_t limit_ns);
void gt_call_runs_release(struct gt_call_runs *runs);

/* Take the next call. *kept: it has a span of its own. 1: `before` is complete, and comes
 * before the call; 0: none is; -1: no memory. */
int gt_call_runs_take(struct gt_call_runs *runs, const struct gt_call_span *call, bool *kept,
                      struct gt_call_run *before);
/* The thread has no more calls. True: `last` is complete. */
bool gt_call_runs_end(struct gt_call_runs *runs, struct gt_call_run *last);

#endif
