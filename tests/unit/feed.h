/* SPDX-License-Identifier: MIT */
/* For tests: events written down in one line each, fed to a timeline. */
#ifndef GT_TESTS_FEED_H
#define GT_TESTS_FEED_H

#include "model/feed.h"

#include <string.h>

enum { GIL_DISTANCE = 88 }; /* x86-64: from the released condition to the acquired one */

/* `address`: of the condition variable, where the kind has one. */
static inline int feed(struct gt_timeline *timeline, enum gt_event_kind kind, int64_t time_ns,
                       int32_t pid, int32_t tid, uint64_t address)
{
    struct gt_event event = {.kind = kind,
                             .time_ns = time_ns,
                             .pid = pid,
                             .tid = tid,
                             .cpu = -1,
                             .comm = "",
                             .cond.address = address};

    return gt_timeline_feed(timeline, &event);
}

/* The three facts about a GIL whose condition variable is at `gil`. */
static inline int acquire(struct gt_timeline *timeline, int64_t time_ns, int32_t pid,
                          int32_t tid, uint64_t gil)
{
    return feed(timeline, GT_EVENT_COND_SIGNAL, time_ns, pid, tid, gil + GIL_DISTANCE);
}

static inline int release(struct gt_timeline *timeline, int64_t time_ns, int32_t pid,
                          int32_t tid, uint64_t gil)
{
    return feed(timeline, GT_EVENT_COND_SIGNAL, time_ns, pid, tid, gil);
}

static inline int await(struct gt_timeline *timeline, int64_t time_ns, int32_t pid, int32_t tid,
                        uint64_t gil)
{
    return feed(timeline, GT_EVENT_COND_WAIT, time_ns, pid, tid, gil);
}

/* `parent` 0: not known. */
static inline int fork_task(struct gt_timeline *timeline, int64_t time_ns, int32_t pid,
                            int32_t tid, int32_t parent)
{
    struct gt_event event = {.kind = GT_EVENT_FORK,
                             .time_ns = time_ns,
                             .pid = pid,
                             .tid = tid,
                             .cpu = -1,
                             .comm = "",
                             .creator = {parent, parent}};

    return gt_timeline_feed(timeline, &event);
}

static inline int exit_task(struct gt_timeline *timeline, int64_t time_ns, int32_t pid,
                            int32_t tid)
{
    return feed(timeline, GT_EVENT_EXIT, time_ns, pid, tid, 0);
}

static inline int name_task(struct gt_timeline *timeline, enum gt_event_kind kind,
                            int64_t time_ns, int32_t pid, int32_t tid, const char *name)
{
    struct gt_event event = {.kind = kind,
                             .time_ns = time_ns,
                             .pid = pid,
                             .tid = tid,
                             .cpu = -1,
                             .comm = "",
                             .new_name = {.text = name, .length = (uint32_t)strlen(name)}};

    return gt_timeline_feed(timeline, &event);
}

static inline int lose(struct gt_timeline *timeline, int64_t time_ns, int32_t cpu,
                       uint64_t events)
{
    struct gt_event event = {.kind = GT_EVENT_LOST,
                             .time_ns = time_ns,
                             .pid = 1,
                             .tid = 1,
                             .cpu = cpu,
                             .comm = "",
                             .lost.events = events};

    return gt_timeline_feed(timeline, &event);
}

/* An event that says only that something was recorded on `cpu`. */
static inline int tick(struct gt_timeline *timeline, int64_t time_ns, int32_t pid, int32_t tid,
                       int32_t cpu)
{
    struct gt_event event = {.kind = GT_EVENT_OTHER,
                             .time_ns = time_ns,
                             .pid = pid,
                             .tid = tid,
                             .cpu = cpu,
                             .comm = ""};

    return gt_timeline_feed(timeline, &event);
}

/* The member of the thread with this tid (the newest thread of that tid), or NULL. */
static inline const struct gt_gil_thread *member_of_tid(const struct gt_timeline *timeline,
                                                        const struct gt_gil *gil, int32_t tid)
{
    for (uint32_t i = (uint32_t)gil->members.count; i-- > 0;)
        if (gt_thread_at(timeline, gt_gil_thread_at(gil, i)->thread)->tid == tid)
            return gt_gil_thread_at(gil, i);
    return NULL;
}

/*
 * Both invariants of timeline.h, computed anew from the spans: holders never overlap, each
 * member's spans lie in its life outside lost ranges and add up to what the member says, and
 * hold + wait + unknown never exceed the lifetime. Returns NULL or what is broken.
 */
static inline const char *broken_invariant(const struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        int64_t end_ns = INT64_MIN, last_end_ns = INT64_MIN;
        uint64_t hold_ns = 0, wait_ns = 0; /* whatever they add up to */

        for (size_t h = 0; h < gil->holds.count; h++) {
            const struct gt_span *span = gt_span_at(&gil->holds, h);
            const struct gt_thread *thread = gt_thread_at(timeline, span->thread);

            if (span->start_ns < end_ns)
                return "two holders at once";
            if (span->end_ns < span->start_ns)
                return "a hold that ends before it begins";
            if (span->end_ns > span->start_ns &&
                (span->start_ns < thread->start_ns || span->end_ns > thread->end_ns))
                return "a hold outside its thread's life";
            if (span->end_ns > end_ns)
                end_ns = span->end_ns;
            hold_ns += (uint64_t)(span->end_ns - span->start_ns);
        }
        for (size_t w = 0; w < gil->waits.count; w++) {
            const struct gt_span *span = gt_span_at(&gil->waits, w);

            if (span->end_ns < last_end_ns)
                return "waits out of order";
            last_end_ns = span->end_ns;
            wait_ns += (uint64_t)(span->end_ns - span->start_ns);
        }
        for (uint32_t m = 0; m < gil->members.count; m++) {
            const struct gt_gil_thread *member = gt_gil_thread_at(gil, m);

            hold_ns -= (uint64_t)member->hold_ns;
            wait_ns -= (uint64_t)member->wait_ns;
            if (member->hold_ns + member->wait_ns + member->unknown_ns > member->lifetime_ns)
                return "the parts exceed the whole";
        }
        if (hold_ns || wait_ns)
            return "members and spans disagree";
    }
    return NULL;
}

/* A synchronisation operation. */
static inline int feed_sync(struct gt_timeline *timeline, enum gt_event_kind kind,
                            int64_t time_ns, int32_t pid, int32_t tid, uint64_t object,
                            int64_t since_ns, uint32_t left, int32_t owner, uint64_t lock)
{
    struct gt_event event = {.kind = kind,
                             .time_ns = time_ns,
                             .pid = pid,
                             .tid = tid,
                             .cpu = -1,
                             .comm = "",
                             .sync = {.object = object,
                                      .since_ns = since_ns,
                                      .left = left,
                                      .joined_tid = owner,
                                      .lock = lock}};

    return gt_timeline_feed(timeline, &event);
}

/* A timeline of one process, whose threads are numbered from its pid to before `tids`. */
static inline struct gt_timeline *begin_process(int32_t pid, int32_t tids)
{
    struct gt_timeline *timeline = gt_timeline_new(false, NULL);

    fork_task(timeline, 1, pid, pid, 0);
    for (int32_t tid = pid + 1; tid < tids; tid++)
        fork_task(timeline, 2, pid, tid, pid);
    return timeline;
}

/* All its threads end then. 0: it is finished. */
static inline int end_process(struct gt_timeline *timeline, int32_t pid, int32_t tids,
                              int64_t end_ns)
{
    for (int32_t tid = tids; tid-- > pid;)
        exit_task(timeline, end_ns, pid, tid);
    return gt_timeline_finish(timeline, NULL);
}

#endif
