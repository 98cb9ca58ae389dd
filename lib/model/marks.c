/* SPDX-License-Identifier: MIT */
#include "model/marks.h"

#include "model/builder.h"

int gt_marks_feed(struct gt_timeline *timeline, uint32_t thread, const struct gt_event *event)
{
    uint32_t name = gt_intern_add(&timeline->names, event->mark.name, event->mark.name_length);
    uint32_t detail =
        gt_intern_add(&timeline->names, event->mark.detail, event->mark.detail_length);
    struct gt_mark *mark = gt_chunks_push(&timeline->marks);

    if (!mark)
        return -1;
    *mark = (struct gt_mark){
        .time_ns = event->time_ns,
        .thread = thread,
        .name = name,
        .detail = detail,
        .kind = event->kind == GT_EVENT_SERIES ? GT_MARK_SERIES : GT_MARK_INSTANT,
    };
    if (name != UINT32_MAX && detail != UINT32_MAX)
        return 0;
    gt_chunks_truncate(&timeline->marks, timeline->marks.count - 1);
    return -1;
}
