/* SPDX-License-Identifier: MIT */
#include "analysis/attribution.h"

#include <string.h>

struct level {
    int64_t end_ns;
    struct gt_doing doing;
    uint32_t python; /* innermost Python function that is not the import system's */
};

void gt_attribution_init(struct gt_attribution *attribution, const struct gt_timeline *timeline,
                         uint32_t thread)
{
    *attribution =
        (struct gt_attribution){.timeline = timeline, .calls = gt_calls_of(timeline, thread)};
    gt_chunks_init(&attribution->stack, sizeof(struct level));
}

void gt_attribution_release(struct gt_attribution *attribution)
{
    gt_chunks_release(&attribution->stack);
}

static void enter_c(struct gt_attribution *attribution, struct level *level,
                    const struct level *outer)
{
    if (outer && (outer->doing.kind == GT_DOING_C || outer->doing.kind == GT_DOING_IMPORT)) {
        level->doing = outer->doing;
        attribution->inner_calls++;
    } else {
        level->doing.kind = GT_DOING_C;
    }
}

static void enter_python(const struct gt_attribution *attribution, struct level *level,
                         const struct level *outer)
{
    const struct gt_function_info *called =
        gt_chunks_at(&attribution->timeline->functions, level->doing.function);

    level->doing.kind = GT_DOING_PYTHON;
    if (!gt_is_import_system(attribution->timeline, called)) {
        level->python = level->doing.function;
    } else if (outer && outer->doing.kind == GT_DOING_IMPORT) {
        level->doing = outer->doing;
    } else if (outer && outer->python != GT_NO_INDEX) {
        level->doing.kind = GT_DOING_IMPORT;
        level->doing.function = outer->python;
    }
}

static int enter(struct gt_attribution *attribution, uint32_t index)
{
    const struct gt_call_span *span = gt_chunks_at(&attribution->calls->spans, index);
    const struct gt_function_info *called =
        gt_chunks_at(&attribution->timeline->functions, span->function);
    struct level *level = gt_chunks_push(&attribution->stack);
    const struct level *outer = NULL;
    uint32_t python = GT_NO_INDEX;

    if (!level)
        return -1;
    if (attribution->stack.count > 1) {
        outer = gt_chunks_at(&attribution->stack, attribution->stack.count - 2);
        python = outer->python;
    }
    *level = (struct level){
        .end_ns = span->end_ns,
        .doing = {.function = span->function, .caller = python, .call = index},
        .python = python,
    };
    if (called->flags & GT_FUNCTION_GC)
        level->doing.kind = GT_DOING_GC;
    else if (called->flags & GT_FUNCTION_C)
        enter_c(attribution, level, outer);
    else
        enter_python(attribution, level, outer);
    return 0;
}

static void leave_until(struct gt_attribution *attribution, int64_t time_ns)
{
    const struct level *level;

    while ((level = gt_chunks_last(&attribution->stack)) && level->end_ns <= time_ns)
        gt_chunks_truncate(&attribution->stack, attribution->stack.count - 1);
}

const struct gt_doing gt_doing_unknown = {GT_DOING_UNKNOWN, GT_NO_INDEX, GT_NO_INDEX,
                                          GT_NO_INDEX};

const struct gt_doing *gt_attribution_by_calls(struct gt_attribution *attribution,
                                               int64_t time_ns, int64_t *until_ns)
{
    const struct gt_call_span *next = NULL;
    const struct level *level;

    for (; attribution->next < attribution->calls->spans.count; attribution->next++) {
        next = gt_chunks_at(&attribution->calls->spans, attribution->next);
        if (next->start_ns > time_ns)
            break;
        leave_until(attribution, next->start_ns);
        if (next->end_ns > next->start_ns && enter(attribution, (uint32_t)attribution->next))
            return NULL;
        next = NULL;
    }
    leave_until(attribution, time_ns);
    level = gt_chunks_last(&attribution->stack);
    if (level)
        *until_ns = level->end_ns;
    if (next && next->start_ns < *until_ns)
        *until_ns = next->start_ns;
    return level ? &level->doing : &gt_doing_unknown;
}
