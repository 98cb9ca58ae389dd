/* SPDX-License-Identifier: MIT */
#include "report/blocked.h"

#include "report/internal.h"
#include "report/labels.h"

#include <inttypes.h>

const char *gt_lock_kind_name(enum gt_lock_kind kind)
{
    static const char *const names[] = {[GT_LOCK_SEMAPHORE] = "semaphore",
                                        [GT_LOCK_MUTEX] = "mutex",
                                        [GT_LOCK_NATIVE] = "native"};

    return names[kind];
}

/* "KEY":"worker-1 (12)" */
static int add_thread(const struct gt_report *report, const char *key, uint32_t thread,
                      struct gt_buf *text)
{
    struct gt_buf name;
    int rc;

    gt_buf_init(&name);
    rc = gt_report_name(report, thread, &name) || gt_buf_addf(text, "\"%s\":\"", key) ||
         gt_buf_add_json(text, name.data, name.length) ||
         gt_buf_addf(text, " (%" PRId32 ")\"", gt_thread_at(report->timeline, thread)->tid);
    gt_buf_release(&name);
    return rc ? -1 : 0;
}

static int add_lock(const struct gt_report *report, const struct gt_blocked_span *span,
                    struct gt_buf *text)
{
    const struct gt_lock *lock = gt_lock_at(report->timeline, span->what);

    if (gt_buf_addf(text,
                    "{\"ph\":\"X\",\"cat\":\"lock\",\"name\":\"lock wait\",\"args\":{"
                    "\"lock\":%" PRIu32 ",\"kind\":\"%s\"",
                    span->what, gt_lock_kind_name(lock->kind)))
        return -1;
    if (lock->type != GT_NO_INDEX &&
        (gt_buf_adds(text, ",\"type\":\"") ||
         gt_buf_add_json(text, gt_intern_text(&report->timeline->names, lock->type),
                         gt_intern_length(&report->timeline->names, lock->type)) ||
         gt_buf_adds(text, "\"")))
        return -1;
    if (span->by == GT_NO_INDEX)
        return gt_buf_adds(text, "}");
    return gt_buf_adds(text, ",") || add_thread(report, "had_by", span->by, text) ||
                   gt_buf_adds(text, "}")
               ? -1
               : 0;
}

int gt_blocked_record(const struct gt_report *report, const struct gt_blocked_span *span,
                      struct gt_buf *text)
{
    const struct gt_world_stop *stop;

    if (span->kind == GT_BLOCKED_LOCK)
        return add_lock(report, span, text);
    if (span->kind == GT_BLOCKED_STOPPED)
        return gt_buf_adds(text,
                           "{\"ph\":\"X\",\"cat\":\"stop\",\"name\":\"stopped\",\"args\":{") ||
                       add_thread(report, "by", span->by, text) || gt_buf_adds(text, "}")
                   ? -1
                   : 0;
    stop = gt_chunks_at(&report->timeline->stops, span->what);
    return gt_buf_addf(text,
                       "{\"ph\":\"X\",\"cat\":\"stop\",\"name\":\"stops all threads\","
                       "\"args\":{\"threads\":%" PRIu32 ",\"until_ns\":%" PRId64 "}",
                       stop->count, stop->all_ns - stop->start_ns);
}
