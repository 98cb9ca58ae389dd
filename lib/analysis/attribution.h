/*
 * Which function answers for what a thread did at a moment: a cursor over its calls that only
 * moves forward.
 *
 * Answerable is the innermost Python function, or the C function that it called: C functions
 * called by that one (the keys of a sort, say) are its doing. A run of the garbage collector
 * answers for itself wherever it struck. The import system's own functions stand for the
 * import statement of the function that they were called from.
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
    uint32_t function; /* index in gt_timeline.functions; import: of who imports */
    uint32_t caller;   /* Python function it was called from; GT_NO_INDEX: not known */
    uint32_t call;     /* the call: index in the thread's spans; GT_NO_INDEX */
};

struct gt_attribution {
    const struct gt_timeline *timeline;
    const struct gt_calls *calls; /* NULL: none were recorded */
    struct gt_chunks stack;       /* private: open calls */
    size_t next;                  /* private: first call that did not begin yet */
    uint64_t inner_calls;         /* ever begun below a C function that answers for them */
};

void gt_attribution_init(struct gt_attribution *frames, const struct gt_timeline *timeline,
                         uint32_t thread);
void gt_attribution_release(struct gt_attribution *frames);

/* What the thread does at `time_ns`, which is not before the last call's: valid until the next
 * one. *until_ns: how long no call begins or ends. NULL: memory is exhausted. */
const struct gt_doing *gt_attribution_at(struct gt_attribution *frames, int64_t time_ns,
                                         int64_t *until_ns);

#endif
