/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "base/nstime.h"
#include "report/values.h"

#include <stdio.h>

/* What is not known of single processes, in words. */

enum { NAMED_MAX = 3 }; /* stretches that are told of one by one */

static int name(const struct gt_report *report, const struct gt_hole *hole, struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_process *process = gt_process_at(timeline, hole->process);

    return gt_buf_addf(text, "rocess %d", process->own_pid) ||
           (process->name &&
            (gt_buf_adds(text, " (") ||
             gt_buf_add_visible(text, gt_intern_text(&timeline->names, process->name),
                                gt_intern_length(&timeline->names, process->name)) ||
             gt_buf_adds(text, ")")));
}

static int put_why(const struct gt_report *report, const struct gt_hole *hole,
                   struct gt_buf *text)
{
    const struct gt_intern *names = &report->timeline->names;

    return gt_buf_add_visible(text, gt_intern_text(names, hole->why),
                              gt_intern_length(names, hole->why));
}

/* It is not known from there on, or in between. */
static int say_hole(struct gt_report *report, const struct gt_hole *hole, struct gt_buf *text)
{
    const struct gt_process *process = gt_process_at(report->timeline, hole->process);
    int64_t life_ns = process->end_ns - process->start_ns;
    int64_t length_ns = hole->end_ns - hole->start_ns;
    char since[32], length[32];

    gt_duration_text(hole->start_ns - gt_report_zero_ns(report), since, sizeof(since));
    gt_duration_text(length_ns, length, sizeof(length));
    if (gt_buf_adds(text, hole->gil ? "P" : "Functions of p") || name(report, hole, text))
        return -1;
    if (!hole->why)
        return gt_findings_add(report, text,
                               gt_buf_addf(text,
                                           " is not known for %s after %s: its log is damaged.",
                                           length, since));
    if (!process->thread_count)
        return gt_findings_add(
            report, text,
            gt_buf_addf(text, " was not recorded, from its start at %s on: ", since) ||
                put_why(report, hole, text) || gt_buf_adds(text, "."));
    if (gt_buf_addf(text, "%s not known from %s on: ", hole->gil ? " is" : " are", since) ||
        put_why(report, hole, text))
        return -1;
    return gt_findings_add(
        report, text,
        !hole->gil || life_ns <= 0 || length_ns <= 0
            ? gt_buf_adds(text, ".")
            : gt_buf_addf(text,
                          ". That is %s, %.0f%% of its life; its figures are of the "
                          "rest.",
                          length, 100.0 * (double)length_ns / (double)life_ns));
}

/* Those whose ends are not known are many, as a rule, where there is one: together. */
static int say_ended(struct gt_report *report, const struct gt_hole *first, size_t count,
                     struct gt_buf *text)
{
    char since[32], more[32] = "";

    gt_duration_text(first->start_ns - gt_report_zero_ns(report), since, sizeof(since));
    if (count > 1)
        snprintf(more, sizeof(more), " and %zu more", count - 1);
    return gt_findings_add(
        report, text,
        gt_buf_adds(text, "The end of p") || name(report, first, text) ||
            gt_buf_addf(text,
                        "%s was not recorded (killed, or still running): it is not known "
                        "later than its last use of the GIL, at %s.",
                        more, since));
}

int gt_holes_say(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_chunks *holes = &report->timeline->holes;
    const struct gt_hole *ended = NULL;
    size_t told = 0, endings = 0;
    int rc = 0;

    for (size_t i = 0; i < holes->count && rc == 0; i++) {
        const struct gt_hole *hole = gt_hole_at(holes, i);

        if (hole->gil && hole->ended_it && endings++ == 0)
            ended = hole;
        if (gt_hole_matters(hole) && told++ < NAMED_MAX)
            rc = say_hole(report, hole, text);
    }
    if (rc == 0 && told > NAMED_MAX)
        rc = gt_findings_add(
            report, text,
            gt_buf_addf(text,
                        "Likewise for %zu more stretches and processes (`lost` in "
                        "the summary).",
                        told - NAMED_MAX));
    if (rc == 0 && ended)
        rc = say_ended(report, ended, endings, text);
    return rc;
}

static json_t *range_value(const struct gt_report *report, const struct gt_lost_range *range)
{
    int64_t zero_ns = gt_report_zero_ns(report);

    return json_pack("{s:I, s:I, s:I}", "start_ns", (json_int_t)(range->start_ns - zero_ns),
                     "end_ns", (json_int_t)(range->end_ns - zero_ns), "events",
                     (json_int_t)range->events);
}

static json_t *hole_value(const struct gt_report *report, const struct gt_hole *hole)
{
    const struct gt_timeline *timeline = report->timeline;
    int64_t zero_ns = gt_report_zero_ns(report);

    return json_pack("{s:I, s:I, s:I, s:i, s:o}", "start_ns",
                     (json_int_t)(hole->start_ns - zero_ns), "end_ns",
                     (json_int_t)(hole->end_ns - zero_ns), "events", (json_int_t)hole->events,
                     "pid", gt_process_at(timeline, hole->process)->pid, "why",
                     hole->why ? gt_json_text(gt_intern_text(&timeline->names, hole->why),
                                              gt_intern_length(&timeline->names, hole->why))
                               : json_null());
}

bool gt_lost_next(const struct gt_report *report, size_t *at, json_t **value)
{
    const struct gt_chunks *lost = &report->timeline->lost, *holes = &report->timeline->holes;

    if (*at < lost->count) {
        *value = range_value(report, gt_chunks_at(lost, (*at)++));
        return true;
    }
    while (*at - lost->count < holes->count) {
        const struct gt_hole *hole = gt_hole_at(holes, (*at)++ - lost->count);

        if (!hole->gil)
            continue;
        *value = hole_value(report, hole);
        return true;
    }
    return false;
}
