/* SPDX-License-Identifier: MIT */
#include "whatif/call_end.h"

size_t gt_hold_after(const struct gt_chunks *holds, int64_t time_ns)
{
    return gt_chunks_first_after(holds, 0, offsetof(struct gt_span, end_ns), time_ns);
}

/* Since when it waited for the GIL that it took then, else that time. */
static int64_t waited_since(const struct gt_gil *gil, uint32_t thread, int64_t taken_ns)
{
    size_t at =
        gt_chunks_first_from(&gil->waits, 0, offsetof(struct gt_span, end_ns), taken_ns);

    for (; at < gil->waits.count && gt_span_at(&gil->waits, at)->end_ns == taken_ns; at++)
        if (gt_span_at(&gil->waits, at)->thread == thread)
            return gt_span_at(&gil->waits, at)->start_ns;
    return taken_ns;
}

int64_t gt_call_over_ns(const struct gt_timeline *timeline, uint32_t thread,
                        const struct gt_call_span *span)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        size_t at = gt_hold_after(&gil->holds, span->end_ns);
        const struct gt_span *hold;

        /* The hold may end with the call. */
        for (int back = 0; back < 2 && at < gil->holds.count; back++, at--) {
            hold = gt_span_at(&gil->holds, at);
            if (hold->thread == thread && hold->start_ns > span->start_ns &&
                hold->start_ns <= span->end_ns)
                return waited_since(gil, thread, hold->start_ns);
            if (at == 0)
                break;
        }
    }
    return 0;
}
