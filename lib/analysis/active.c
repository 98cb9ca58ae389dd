/* SPDX-License-Identifier: MIT */
#include "analysis/active.h"

#include <string.h>

static void close_until(struct gt_active *active, int64_t time_ns)
{
    while (active->open.count &&
           gt_active_span(active, active->open.count - 1)->end_ns <= time_ns)
        gt_chunks_truncate(&active->open, active->open.count - 1);
}

int gt_active_advance(struct gt_active *active, int64_t time_ns)
{
    for (; active->calls && active->next < active->calls->spans.count; active->next++) {
        const struct gt_call_span *span = gt_chunks_at(&active->calls->spans, active->next);
        uint32_t *open;

        if (span->start_ns > time_ns)
            break;
        close_until(active, span->start_ns);
        open = gt_chunks_push(&active->open);
        if (!open)
            return -1;
        *open = (uint32_t)active->next;
    }
    if (active->calls)
        close_until(active, time_ns);
    return 0;
}

bool gt_active_is_interpreter(const struct gt_stacks *stacks, uint32_t frame)
{
    const char *dso = gt_stacks_dso(stacks, frame);

    return gt_stacks_is_python(dso, strlen(dso));
}

uint32_t gt_active_place(const struct gt_stacks *stacks, const uint32_t *frames, uint32_t count)
{
    uint32_t first = count;

    for (uint32_t i = count; i-- > 0;) {
        if (!gt_active_is_interpreter(stacks, frames[i]))
            continue;
        if (i + 1 < count || (i > 0 && gt_active_is_interpreter(stacks, frames[i - 1])))
            return i + 1;
        first = i + 1;
    }
    return first;
}
