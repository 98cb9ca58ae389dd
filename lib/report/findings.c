#include "report/internal.h"

#include "base/nstime.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the numbers say, in sentences: computed, most important first. */

static int add(struct gt_report *report, struct gt_buf *sentence, int failed)
{
    int rc = failed || gt_strvec_push(&report->findings, sentence->data) ? -1 : 0;

    gt_buf_reset(sentence);
    return rc;
}

static int say_end(struct gt_report *report, struct gt_buf *text)
{
    int number = report->info->term_signal;

    if (number > 0)
        return add(report, text,
                   gt_buf_addf(text, "The program was ended by signal %d (SIG%s).", number,
                               sigabbrev_np(number) ? sigabbrev_np(number) : "?"));
    if (report->info->exit_status > 0)
        return add(report, text,
                   gt_buf_addf(text, "The program ended with exit status %d.",
                               report->info->exit_status));
    return 0;
}

static int name_process(const struct gt_report *report, const struct gt_gil *gil,
                        struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_process *process = gt_process_at(timeline, gil->process);
    const char *name = gt_intern_text(&timeline->names, process->name);
    size_t length = gt_intern_length(&timeline->names, process->name);
    const char *slash = memrchr(name, '/', length);

    if (slash && slash + 1 < name + length) { /* of a path, its last part */
        length -= (size_t)(slash + 1 - name);
        name = slash + 1;
    }
    if (gt_buf_add_visible(text, name, length) || gt_buf_addf(text, " (pid %d)", process->pid))
        return -1;
    return gil->number ? gt_buf_addf(text, ", GIL %u", gil->number) : 0;
}

/* The holder whom all waiters together waited for most. */
static uint32_t top_holder(const struct gt_report *report, uint32_t gil_index, int64_t *ns)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, gil_index);
    const struct gt_contention *contention = &report->contentions[gil_index];
    uint32_t best = GT_NO_INDEX;
    int64_t *sums = calloc(gil->members.count + 1, sizeof(*sums));

    *ns = 0;
    for (size_t i = 0; sums && i < contention->blames.count; i++) {
        const struct gt_blame *blame = gt_blame_at(contention, i);

        if (blame->holder == GT_NO_INDEX)
            continue;
        sums[blame->holder] = gt_add_ns(sums[blame->holder], blame->ns);
        if (sums[blame->holder] > *ns) {
            *ns = sums[blame->holder];
            best = blame->holder;
        }
    }
    free(sums);
    return best;
}

static int say_gil(struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    int64_t wait_ns = 0, lifetime_ns = 0, blamed_ns;
    uint32_t holder = top_holder(report, index, &blamed_ns);
    char duration[32];
    int failed;

    for (uint32_t i = 0; i < gil->members.count; i++) {
        wait_ns = gt_add_ns(wait_ns, gt_member_at(gil, i)->wait_ns);
        lifetime_ns = gt_add_ns(lifetime_ns, gt_member_at(gil, i)->lifetime_ns);
    }
    if (wait_ns == 0 || lifetime_ns == 0)
        return 0;
    failed =
        gt_buf_addf(text, "Threads waited for the GIL %.1f%% of their time (%s in all) in ",
                    100.0 * (double)wait_ns / (double)lifetime_ns,
                    gt_duration_text(wait_ns, duration, sizeof(duration))) ||
        name_process(report, gil, text);
    if (!failed && holder != GT_NO_INDEX) {
        failed = gt_buf_adds(text, ", most of all for ") ||
                 gt_report_label(report, gt_member_at(gil, holder)->thread, text) ||
                 gt_buf_addf(text, " (%.0f%% of the waiting)",
                             100.0 * (double)blamed_ns / (double)wait_ns);
    }
    failed = failed || gt_buf_adds(text, ".");
    return add(report, text, failed);
}

/* What kept the GIL, what re-queues, and whether there is a convoy: a sentence each. */
static int say_blockers(struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    enum { SENTENCES_MAX = 3 };
    const struct gt_blockers *blockers = &report->blockers[index];
    int64_t least_ns = gt_gil_wait_ns(gt_gil_at(report->timeline, index)) / 50;
    int said = 0, found;

    for (size_t i = 0; i < blockers->rows.count && said < SENTENCES_MAX; i++) {
        const struct gt_blocker *row = gt_blocker_at(blockers, i);
        struct gt_blame_text blame;
        int rc;

        if (!(gt_blocker_keeps(row) && row->waiting_ns > least_ns) &&
            !(gt_blocker_is_requeuer(row) && row->retake_wait_ns > 5 * least_ns))
            continue;
        if (gt_blame_text_init(&blame, report, index, row))
            return -1;
        rc = add(report, text, gt_buf_adds(text, blame.sentence.data));
        gt_blame_text_release(&blame);
        if (rc)
            return -1;
        said++;
    }
    found = gt_convoy_say(report, index, text);
    return found <= 0 ? found : add(report, text, 0);
}

static int say_no_wait(struct gt_report *report, struct gt_buf *text)
{
    for (uint32_t i = 0; i < report->timeline->gils.count; i++)
        if (gt_gil_at(report->timeline, i)->waits.count)
            return 0;
    return add(report, text, gt_buf_adds(text, "No thread ever waited for the GIL."));
}

static int say_futex(struct gt_report *report, struct gt_buf *text)
{
    for (uint32_t i = 0; i < report->timeline->gils.count; i++)
        if (gt_gil_at(report->timeline, i)->source == GT_GIL_FROM_FUTEX)
            return add(report, text,
                       gt_buf_addf(text,
                                   "The futex source sees waits, hand-overs and who "
                                   "released; holds that nobody waited for are not "
                                   "measured%s.",
                                   report->timeline->counters.count
                                       ? ", and what was counted in them stands under "
                                         "neither"
                                       : ""));
    return 0;
}

/* Ready to run, with the GIL, and no CPU: everybody waits for the scheduler. */
static int say_ready_holding(struct gt_report *report, struct gt_buf *text)
{
    uint64_t count = 0;
    int64_t sum_ns = 0;
    char duration[32];

    for (uint32_t i = 0; i < report->timeline->scheds.count; i++) {
        count += gt_sched_of(report->timeline, i)->ready_holding_count;
        sum_ns += gt_sched_of(report->timeline, i)->ready_holding_ns;
    }
    if (count == 0)
        return 0;
    return add(
        report, text,
        gt_buf_addf(text,
                    "%llu times, %s in all, a thread had the GIL and was ready to run but "
                    "had no CPU.",
                    (unsigned long long)count,
                    gt_duration_text(sum_ns, duration, sizeof(duration))));
}

static int say_detail(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;

    if (!(report->detect & GT_DETECT_SCHED))
        return 0;
    if (!timeline->saw_sched)
        return add(report, text,
                   gt_buf_adds(text, "No scheduling was recorded: the states of "
                                     "the threads are not known."));
    if (!timeline->saw_reasons)
        return add(
            report, text,
            gt_buf_addf(text,
                        "Only switch records could be recorded (no privilege for "
                        "tracepoints): threads are running, preempted or off the CPU; why "
                        "they left it and when they were woken%s is missing.",
                        timeline->gils.count ? "" : ", and whether they slept for the GIL,"));
    if (!timeline->saw_switch_records)
        return add(report, text,
                   gt_buf_adds(text,
                               "The recording has no switch records (perf record "
                               "--switch-events, perf script --show-switch-events): states "
                               "are not known where no other event tells when a thread came "
                               "back on a CPU."));
    return 0;
}

/* Without contention the futex source sees nothing, and there is nothing to see. */
static bool by_futex(const struct gt_report *report)
{
    const char *source = report->info->gil_source;

    return source ? strcmp(source, "futex") == 0
                  : report->timeline->saw_futex && report->timeline->quality.gil_events == 0;
}

static int say_no_gil(struct gt_report *report, struct gt_buf *text)
{
    if (!report->info->gil_enabled)
        return add(report, text,
                   gt_buf_adds(text,
                               "This interpreter runs without a GIL (free-threaded build): "
                               "there is nothing to wait for."));
    if (by_futex(report))
        return add(report, text,
                   gt_buf_adds(text, "No thread ever waited for the GIL: the futex source "
                                     "saw no contention."));
    return add(report, text,
               gt_buf_adds(text,
                           "No GIL was seen: no CPython program ran long enough to take and "
                           "release one, or the events of its condition variables were not "
                           "recorded."));
}

static int say_quality(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_quality *quality = &report->timeline->quality;
    int64_t wall_ns = report->timeline->end_ns - gt_report_zero_ns(report);
    char duration[32];

    if (quality->lost_events &&
        add(report, text,
            gt_buf_addf(
                text,
                "%llu events were lost: %s (%.1f%% of the recording) are unknown and count "
                "neither as waiting nor as holding.",
                (unsigned long long)quality->lost_events,
                gt_duration_text(quality->lost_ns, duration, sizeof(duration)),
                wall_ns > 0 ? 100.0 * (double)quality->lost_ns / (double)wall_ns : 0.0)))
        return -1;
    if (quality->overlaps + quality->accounting_errors &&
        add(report, text,
            gt_buf_addf(
                text,
                "The recording contradicts itself: %llu times two threads seemed to hold "
                "one GIL, and the times of %llu threads exceed their lives. Do not trust "
                "these figures.",
                (unsigned long long)quality->overlaps,
                (unsigned long long)quality->accounting_errors)))
        return -1;
    if (quality->takes_without_return &&
        add(report, text,
            gt_buf_addf(
                text,
                "%llu times a thread asked for the GIL and ended without getting it (daemon "
                "threads at shutdown do).",
                (unsigned long long)quality->takes_without_return)))
        return -1;
    if (quality->unmatched_releases + quality->unmatched_takes &&
        add(report, text,
            gt_buf_addf(text,
                        "%llu releases and %llu acquisitions have no counterpart: events are "
                        "missing though none was reported lost.",
                        (unsigned long long)quality->unmatched_releases,
                        (unsigned long long)quality->unmatched_takes)))
        return -1;
    return 0;
}

int gt_findings_make(struct gt_report *report)
{
    struct gt_buf text;
    int rc;

    gt_buf_init(&text);
    rc = say_end(report, &text);
    if (rc == 0 && report->detect & GT_DETECT_GIL) {
        if (report->timeline->gils.count == 0)
            rc = say_no_gil(report, &text);
        else
            rc = say_no_wait(report, &text);
        for (uint32_t i = 0; rc == 0 && i < report->timeline->gils.count; i++)
            rc = say_gil(report, i, &text) || say_blockers(report, i, &text) ? -1 : 0;
    }
    if (rc == 0)
        rc = say_futex(report, &text);
    if (rc == 0)
        rc = say_ready_holding(report, &text);
    if (rc == 0)
        rc = say_detail(report, &text);
    if (rc == 0)
        rc = gt_functions_say(report);
    if (rc == 0)
        rc = say_quality(report, &text);
    gt_buf_release(&text);
    return rc;
}
