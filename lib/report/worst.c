/* SPDX-License-Identifier: MIT */
#include "analysis/gil_times.h"
#include "analysis/thread_kinds.h"
#include "base/nstime.h"
#include "report/labels.h"
#include "report/sentences.h"
#include "report/values.h"

#include <string.h>

/* When a GIL was waited for most (analysis/worst.h): in words, and as a value. */

static const struct gt_worst *worst_of(const struct gt_report *report, uint32_t gil)
{
    return &report->analysis->worsts[gil];
}

/* "worker-* (4 threads)", the name of the only one, or "threads". 0 or -1. */
static int name_waiters(const struct gt_report *report, uint32_t gil, struct gt_buf *text)
{
    const struct gt_worst_stretch *stretch = &worst_of(report, gil)->stretch;
    char name[64];
    size_t length;

    if (stretch->threads == 1)
        return gt_report_label(report, stretch->thread, text);
    if (stretch->kind == GT_NO_INDEX)
        return gt_buf_addf(text, "%u threads", stretch->threads);
    length = gt_timeline_thread_label(report->timeline, stretch->thread, name, sizeof(name));
    if (gt_buf_add_visible(text, name, gt_thread_kind_of_name(name, length)))
        return -1;
    return gt_buf_addf(text, " (%u threads)", stretch->threads);
}

static int put_share(const struct gt_worst_stretch *stretch, struct gt_buf *text)
{
    int64_t lives_ns = stretch->kind_lives_ns, unknown_ns = stretch->kind_unknown_ns;

    if (gt_buf_addf(text, " waited for the GIL %.1f%% of ",
                    gt_percent(stretch->kind_wait_ns, lives_ns - unknown_ns)))
        return -1;
    if (unknown_ns &&
        gt_buf_addf(text, "the known %.1f%% of ", gt_percent(lives_ns - unknown_ns, lives_ns)))
        return -1;
    return gt_buf_adds(text, stretch->threads == 1 ? "its time." : "their time.");
}

static bool is_all_known(const struct gt_gil *gil)
{
    for (uint32_t i = 0; i < gil->members.count; i++)
        if (gt_gil_thread_at(gil, i)->unknown_ns)
            return false;
    return true;
}

int gt_worst_text(const struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    const struct gt_worst_stretch *stretch = &worst_of(report, index)->stretch;
    int64_t length_ns = stretch->end_ns - stretch->start_ns;
    char length[32], start[32];

    if (gt_buf_adds(text, "Worst stretch") ||
        (report->timeline->gils.count > 1 &&
         (gt_buf_adds(text, " of ") || gt_report_gil(report, index, text))))
        return -1;
    if (gt_buf_addf(text, ": in the %s from %s, ",
                    gt_duration_text(length_ns, length, sizeof(length)),
                    gt_moment_text(stretch->start_ns - gt_report_zero_ns(report), start,
                                   sizeof(start))) ||
        name_waiters(report, index, text) || put_share(stretch, text))
        return -1;
    return gt_buf_addf(
        text, " The stretch has %.1f%% of all %swaiting for it, in %.1f%% of the time.",
        gt_percent(stretch->wait_ns, gt_gil_wait_ns(gil)), is_all_known(gil) ? "" : "known ",
        gt_percent(length_ns, gt_gil_life_ns(gil)));
}

int gt_worst_say(struct gt_report *report, uint32_t gil, struct gt_buf *text)
{
    if (!worst_of(report, gil)->told)
        return 0;
    return gt_findings_add(report, text, gt_worst_text(report, gil, text));
}

/* --- as JSON --- */

static json_t *window_value(const struct gt_report *report,
                            const struct gt_worst_window *window)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I}", "length_ns", (json_int_t)window->length_ns,
        "start_ns", (json_int_t)(window->start_ns - gt_report_zero_ns(report)), "wait_ns",
        (json_int_t)window->wait_ns, "lives_ns", (json_int_t)window->lives_ns, "unknown_ns",
        (json_int_t)window->unknown_ns, "at_most_ns", (json_int_t)window->at_most_ns);
}

/* What one of the functions above makes, as a string; NULL: no memory. */
static json_t *text_value(const struct gt_report *report, uint32_t gil,
                          int (*put)(const struct gt_report *, uint32_t, struct gt_buf *))
{
    struct gt_buf text;
    json_t *value;

    gt_buf_init(&text);
    value = put(report, gil, &text) ? NULL : json_stringn(text.data, text.length);
    gt_buf_release(&text);
    return value;
}

static json_t *stretch_value(const struct gt_report *report, uint32_t gil)
{
    const struct gt_worst_stretch *stretch = &worst_of(report, gil)->stretch;
    int64_t zero_ns = gt_report_zero_ns(report);

    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:i, s:I, s:I, s:I}", "start_ns",
                     (json_int_t)(stretch->start_ns - zero_ns), "end_ns",
                     (json_int_t)(stretch->end_ns - zero_ns), "wait_ns",
                     (json_int_t)stretch->wait_ns, "lives_ns", (json_int_t)stretch->lives_ns,
                     "unknown_ns", (json_int_t)stretch->unknown_ns, "waiters",
                     text_value(report, gil, name_waiters), "threads", (int)stretch->threads,
                     "waiters_wait_ns", (json_int_t)stretch->kind_wait_ns, "waiters_lives_ns",
                     (json_int_t)stretch->kind_lives_ns, "waiters_unknown_ns",
                     (json_int_t)stretch->kind_unknown_ns);
}

json_t *gt_summary_worst(const struct gt_report *report, uint32_t gil)
{
    const struct gt_worst *worst = worst_of(report, gil);
    json_t *list = json_array(), *windows = json_array();

    if (!worst->window_count) {
        json_decref(windows);
        return list;
    }
    for (uint32_t i = 0; i < worst->window_count; i++)
        gt_json_add(&windows, window_value(report, &worst->windows[i]));
    gt_json_add(&list,
                json_pack("{s:i, s:o, s:o, s:o}", "gil", (int)gil, "windows", windows,
                          "stretch", stretch_value(report, gil), "sentence",
                          worst->told ? text_value(report, gil, gt_worst_text) : json_null()));
    return list;
}
