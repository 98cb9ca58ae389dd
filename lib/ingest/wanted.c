/* SPDX-License-Identifier: MIT */
#include "ingest/wanted.h"

#include "ingest/ingest.h"
#include "model/feed.h"

/* The agent's clock and perf's tell the same moment some microseconds apart. */
enum { CLOCKS_APART_NS = 1000000 };

bool gt_is_wanted_of_source(const struct gt_event *event, unsigned parts)
{
    switch (gt_event_group(event->kind)) {
    case GT_EVENTS_FUNCTION:
    case GT_EVENTS_MARK:
    case GT_EVENTS_SYNC:
        return true;
    case GT_EVENTS_GIL:
        return parts & GT_AGENTLOG_GIL;
    default:
        break;
    }
    if (event->kind == GT_EVENT_COMM &&
        (event->new_name.by_threading || event->new_name.is_command || event->new_name.is_role))
        return true;
    if (event->kind == GT_EVENT_LOST)
        return parts & GT_AGENTLOG_GIL;
    return parts & GT_AGENTLOG_LIVES;
}

/* An exit that both have left out would be none, and one that both tell does no harm. */
bool gt_is_life_after_text(const struct gt_event *event, int64_t out_ns,
                           const struct gt_timeline *timeline)
{
    if (gt_event_group(event->kind) != GT_EVENTS_LIFE || event->kind == GT_EVENT_LOST)
        return false;
    if (event->kind == GT_EVENT_EXIT)
        return event->time_ns >= out_ns - CLOCKS_APART_NS;
    return event->time_ns >= out_ns &&
           (event->kind != GT_EVENT_FORK || !gt_timeline_is_alive(timeline, event->tid));
}

bool gt_is_left_out_of_text(const struct gt_event *event, int64_t out_ns,
                            const struct gt_timeline *timeline)
{
    return event->time_ns >= out_ns || (timeline->states_until_ns == INT64_MAX &&
                                        gt_event_group(event->kind) == GT_EVENTS_SCHED);
}
