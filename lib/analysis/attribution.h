/* SPDX-License-Identifier: MIT */
/*
 * Which function answers for what a thread did at a moment: a cursor over its calls that only
 * moves forward.
 *
 * The innermost Python function answers, or the C function that it called, if it did. What that
 * C function calls in turn (the key function of a sort, say) counts as part of it. A run of the
 * garbage collector answers for itself, wherever it happened. For the import system's own
 * functions, the import statement answers, in the function that they were called from.
 */
#ifndef GT_ANALYSIS_ATTRIBUTION_H
#define GT_ANALYSIS_ATTRIBUTION_H

#include "base/chunks.h"
#include "model/timeline.h"

enum gt_doing_kind {
    GT_DOING_UNKNOWN, /* nothing is known: functions were not traced, or not yet */
    GT_DOING_PYTHON,
    GT_DOING_C,
    GT_DOING_GC,
    GT_DOING_IMPORT,
};

struct gt_doing {
    enum gt_doing_kind kind;
    uint32_t function; /* index in gt_timeline.functions; of an import, the function that
                          imports */
    uint32_t caller;   /* Python function that called it; GT_NO_INDEX: not known */
    uint32_t call;     /* the call: index in the thread's spans; GT_NO_INDEX: none */
};

struct gt_attribution {
    const struct gt_timeline *timeline;
    const struct gt_calls *calls; /* NULL: none were recorded */
    struct gt_chunks stack;       /* private: open calls */
    size_t next;                  /* private: the first call that has not begun yet */
    uint64_t inner_calls;         /* calls so far that a C function outside them answers for */
};

void gt_attribution_init(struct gt_attribution *attribution, const struct gt_timeline *timeline,
                         uint32_t thread);
void gt_attribution_release(struct gt_attribution *attribution);

/* What is done by a thread of which no call is known. */
extern const struct gt_doing gt_doing_unknown;

/* Private: by the thread's calls. */
const struct gt_doing *gt_attribution_by_calls(struct gt_attribution *attribution,
                                               int64_t time_ns, int64_t *until_ns);

/* What the thread does at `time_ns`, which must not be before that of the last call. The result
 * is valid until the next call. *until_ns: no call of the thread begins or ends until then.
 * NULL: memory is exhausted. */
static inline const struct gt_doing *gt_attribution_at(struct gt_attribution *attribution,
                                                       int64_t time_ns, int64_t *until_ns)
{
    *until_ns = INT64_MAX;
    return attribution->calls ? gt_attribution_by_calls(attribution, time_ns, until_ns)
                              : &gt_doing_unknown;
}

#endif
