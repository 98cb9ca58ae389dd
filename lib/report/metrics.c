/* SPDX-License-Identifier: MIT */
#include "report/metrics.h"

#include "analysis/change.h"
#include "analysis/worst_range.h"
#include "base/nstime.h"
#include "report/blocker_text.h"
#include "report/labels.h"
#include "report/values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the threads' lives; the other shares are of the rest. Only where there is any. */
static const char UNKNOWN[] = "unknown";

enum { THREADS_MAX = 64, BLOCKERS_MAX = 32 };

void gt_metrics_init(struct gt_metrics *metrics)
{
    gt_intern_init(&metrics->names);
    gt_chunks_init(&metrics->list, sizeof(struct gt_metric));
    metrics->runs = 0;
}

static struct gt_metric *metric_at(const struct gt_metrics *metrics, size_t index)
{
    return gt_chunks_at(&metrics->list, index);
}

void gt_metrics_release(struct gt_metrics *metrics)
{
    for (size_t i = 0; i < metrics->list.count; i++)
        free(metric_at(metrics, i)->values);
    gt_intern_release(&metrics->names);
    gt_chunks_release(&metrics->list);
}

/* The metric of that name, made with room for so many values when new; NULL: no memory. */
static struct gt_metric *metric_of(struct gt_metrics *metrics, const char *name, size_t length,
                                   size_t room)
{
    uint32_t id = gt_intern_add(&metrics->names, name, length);
    struct gt_metric *metric;

    if (id == UINT32_MAX || id == 0)
        return NULL;
    while (metrics->list.count < id) {
        metric = gt_chunks_push(&metrics->list);
        if (!metric)
            return NULL;
        *metric = (struct gt_metric){.values = calloc(room, sizeof(double))};
        if (!metric->values)
            return NULL;
    }
    return metric_at(metrics, id - 1);
}

/* Values of one name in one run (a function of several GILs, say) are added up. 0 or -1. */
static int put(struct gt_metrics *metrics, const char *name, double value, bool share,
               bool thread)
{
    struct gt_metric *metric = metric_of(metrics, name, strlen(name), GT_METRIC_RUNS_MAX);

    if (!metric)
        return -1;
    metric->share = share;
    metric->thread = thread;
    if (metric->count < metrics->runs) {
        while (metric->count < metrics->runs)
            metric->values[metric->count++] = 0; /* in runs that did not have it, it was 0 */
    }
    metric->values[metrics->runs - 1] += value;
    return 0;
}

/* --- of a report --- */

/* "thread worker-1: wait", a share of its life; "blocker sorted: waiting", in ns. 0 or -1. */
static int put_of(struct gt_metrics *metrics, const char *kind, const char *name,
                  const char *what, double value)
{
    bool thread = strcmp(kind, "thread") == 0;
    struct gt_buf text;
    int rc;

    gt_buf_init(&text);
    rc = gt_buf_addf(&text, "%s %s: %s", kind, name, what);
    if (rc == 0)
        rc = put(metrics, text.data, value, thread, thread);
    gt_buf_release(&text);
    return rc;
}

/* What the threads of one name had, all together. */
struct namesakes {
    int64_t wait_ns, hold_ns, life_ns;
};

static int sum_threads(const struct gt_report *report, const struct gt_gil *gil,
                       struct gt_intern *names, struct gt_chunks *sums)
{
    struct gt_buf name;
    int rc = 0;

    gt_buf_init(&name);
    for (uint32_t i = 0; rc == 0 && i < gil->members.count && i < THREADS_MAX; i++) {
        const struct gt_gil_thread *member = gt_gil_thread_at(gil, i);
        struct namesakes *sum;
        uint32_t id;

        gt_buf_reset(&name);
        rc = gt_report_name(report, member->thread, &name);
        id = rc ? UINT32_MAX : gt_intern_add(names, name.data, name.length);
        if (id == UINT32_MAX)
            rc = -1;
        while (rc == 0 && sums->count <= id) {
            sum = gt_chunks_push(sums);
            if (sum)
                *sum = (struct namesakes){0};
            rc = sum ? 0 : -1;
        }
        if (rc)
            break;
        sum = gt_chunks_at(sums, id);
        sum->wait_ns = gt_add_ns(sum->wait_ns, member->wait_ns);
        sum->hold_ns = gt_add_ns(sum->hold_ns, member->hold_ns);
        sum->life_ns = gt_add_ns(sum->life_ns, member->lifetime_ns - member->unknown_ns);
    }
    gt_buf_release(&name);
    return rc;
}

static int put_threads(struct gt_metrics *metrics, const char *name,
                       const struct namesakes *sum)
{
    double life_ns = sum->life_ns > 0 ? (double)sum->life_ns : 1;

    if (put_of(metrics, "thread", name, "wait", (double)sum->wait_ns / life_ns))
        return -1;
    return put_of(metrics, "thread", name, "hold", (double)sum->hold_ns / life_ns);
}

/* Names tell threads apart from run to run, tids do not: those of one name are one. */
static int add_threads(struct gt_metrics *metrics, const struct gt_report *report)
{
    struct gt_intern names;
    struct gt_chunks sums; /* by name */
    int rc = 0;

    gt_intern_init(&names);
    gt_chunks_init(&sums, sizeof(struct namesakes));
    for (uint32_t i = 0; rc == 0 && i < report->timeline->gils.count; i++)
        rc = sum_threads(report, gt_gil_at(report->timeline, i), &names, &sums);
    for (uint32_t id = 1; rc == 0 && id < sums.count; id++)
        rc = put_threads(metrics, gt_intern_text(&names, id), gt_chunks_at(&sums, id));
    gt_intern_release(&names);
    gt_chunks_release(&sums);
    return rc;
}

static int add_blockers(struct gt_metrics *metrics, const struct gt_report *report,
                        uint32_t gil)
{
    const struct gt_blockers *blockers = &report->analysis->blockers[gil];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < blockers->rows.count && i < BLOCKERS_MAX; i++) {
        const struct gt_blocker *row = gt_blocker_at(blockers, i);
        struct gt_blocker_text text;

        if (row->waiting_ns == 0)
            break;
        if (gt_blocker_text_init(&text, report, row))
            return -1;
        rc = put_of(metrics, "blocker", text.name.data, "waiting", (double)row->waiting_ns);
        gt_blocker_text_release(&text);
    }
    return rc;
}

/* Only where there is any, so that metrics of runs without it are what they were. */
static int add_locks(struct gt_metrics *metrics, const struct gt_report *report)
{
    const struct gt_locks_found *found = &report->analysis->locks;
    int rc = 0;

    if (found->wait_ns == 0)
        return 0;
    rc = put(metrics, "lock_wait", (double)found->wait_ns, false, false);
    for (size_t i = 0; rc == 0 && i < found->rows.count && i < BLOCKERS_MAX; i++) {
        const struct gt_lock_row *row = gt_lock_row_at(found, i);
        struct gt_buf name;

        gt_buf_init(&name);
        rc = row->function == GT_NO_INDEX ? gt_buf_adds(&name, "(not known where)")
                                          : gt_report_function(report, row->function, &name);
        if (rc == 0)
            rc = put_of(metrics, "lock", name.data, "waiting", (double)row->wait_ns);
        gt_buf_release(&name);
    }
    return rc;
}

/* Likewise. */
static int add_stops(struct gt_metrics *metrics, const struct gt_report *report)
{
    const struct gt_stops_found *found = &report->analysis->stops;

    if (found->lost_ns == 0 || found->lives_ns == 0)
        return 0;
    return put(metrics, "stopped", (double)found->lost_ns / (double)found->lives_ns, true,
               false);
}

static bool is_there(const struct gt_metrics *metrics, const char *name)
{
    for (uint32_t id = 1; id <= metrics->list.count; id++)
        if (strcmp(gt_intern_text(&metrics->names, id), name) == 0)
            return true;
    return false;
}

/* Which part of their lives threads waited in the worst windows, of the lengths that are
 * shorter than the first run; of all runs, so that none counts as one without waiting. */
static int add_worst(struct gt_metrics *metrics, const struct gt_report *report)
{
    double percents[GT_WORST_LENGTHS];

    if (gt_worst_waits(percents, report->timeline, gt_worst_lengths_ns, GT_WORST_LENGTHS))
        return -1;
    for (int i = 0; i < GT_WORST_LENGTHS; i++) {
        int64_t length_ns = gt_worst_lengths_ns[i];
        char name[32];

        snprintf(name, sizeof(name), "worst(%gs).wait", (double)length_ns / GT_NS_PER_S);
        if (metrics->runs > 1 ? !is_there(metrics, name)
                              : length_ns >= report->analysis->wall_ns)
            continue;
        if (put(metrics, name, percents[i] / 100, true, false))
            return -1;
    }
    return 0;
}

static int add_whole(struct gt_metrics *metrics, const struct gt_report *report)
{
    const struct gt_timeline *timeline = report->timeline;
    int64_t wait_ns = 0, hold_ns = 0, life_ns = 0, longest_ns = 0, unknown_ns = 0;
    int64_t wall_ns = timeline->end_ns > 0 ? timeline->end_ns - gt_report_zero_ns(report) : 0;

    for (uint32_t i = 0; i < timeline->gils.count; i++)
        for (uint32_t m = 0; m < gt_gil_at(timeline, i)->members.count; m++) {
            const struct gt_gil_thread *member = gt_gil_thread_at(gt_gil_at(timeline, i), m);

            wait_ns = gt_add_ns(wait_ns, member->wait_ns);
            hold_ns = gt_add_ns(hold_ns, member->hold_ns);
            life_ns = gt_add_ns(life_ns, member->lifetime_ns - member->unknown_ns);
            unknown_ns = gt_add_ns(unknown_ns, member->unknown_ns);
            if (member->longest_wait_ns > longest_ns)
                longest_ns = member->longest_wait_ns;
        }
    if (life_ns == 0)
        life_ns = 1;
    if (put(metrics, "wall", (double)wall_ns, false, false) ||
        put(metrics, "wait", (double)wait_ns / (double)life_ns, true, false) ||
        put(metrics, "hold", (double)hold_ns / (double)life_ns, true, false) ||
        put(metrics, "longest_wait", (double)longest_ns, false, false))
        return -1;
    if (unknown_ns == 0)
        return 0;
    return put(metrics, UNKNOWN, (double)unknown_ns / ((double)life_ns + (double)unknown_ns),
               true, false);
}

int gt_metrics_add(struct gt_metrics *metrics, const struct gt_report *report,
                   struct gt_error *err)
{
    int rc;

    if (metrics->runs == GT_METRIC_RUNS_MAX)
        return 0;
    metrics->runs++;
    rc = add_whole(metrics, report);
    if (rc == 0)
        rc = add_worst(metrics, report);
    if (rc == 0)
        rc = add_threads(metrics, report);
    if (rc == 0)
        rc = add_locks(metrics, report);
    if (rc == 0)
        rc = add_stops(metrics, report);
    for (uint32_t i = 0; rc == 0 && i < report->timeline->gils.count; i++)
        rc = add_blockers(metrics, report, i);
    for (size_t i = 0; rc == 0 && i < metrics->list.count; i++)
        metric_at(metrics, i)->count = metrics->runs; /* 0 where it did not occur */
    return rc ? gt_error_memory(err) : 0;
}

static struct gt_spread spread_of(const struct gt_metric *metric)
{
    double sorted[GT_METRIC_RUNS_MAX];

    memcpy(sorted, metric->values, metric->count * sizeof(*sorted));
    return gt_spread_of(sorted, metric->count);
}

/* --- as JSON --- */

json_t *gt_metrics_value(const struct gt_metrics *metrics)
{
    json_t *list = json_array();

    for (size_t i = 0; i < metrics->list.count; i++) {
        const struct gt_metric *metric = metric_at(metrics, i);
        uint32_t id = (uint32_t)i + 1;
        struct gt_spread spread = spread_of(metric);

        gt_json_add(&list, json_pack("{s:o, s:s, s:b, s:f, s:f, s:f}", "name",
                                     gt_json_text(gt_intern_text(&metrics->names, id),
                                                  gt_intern_length(&metrics->names, id)),
                                     "unit", metric->share ? "share" : "ns", "of_thread",
                                     metric->thread, "median", spread.median, "least",
                                     spread.least, "greatest", spread.greatest));
    }
    return json_pack("{s:i, s:o}", "runs", (int)metrics->runs, "list", list);
}

/* --- of an earlier run --- */

int gt_metrics_put_range(struct gt_metrics *metrics, const char *name, size_t length,
                         const double range[3], bool share, bool thread)
{
    struct gt_metric *metric = metric_of(metrics, name, length, 3);

    if (!metric)
        return -1;
    metric->count = 3;
    metric->share = share;
    metric->thread = thread;
    memcpy(metric->values, range, 3 * sizeof(*range));
    return 0;
}

/* --- for people --- */

static char *value_text(const struct gt_metric *metric, double value, char *text, size_t size)
{
    if (metric->share)
        snprintf(text, size, "%.1f%%", 100 * value);
    else
        gt_duration_text(gt_ns_of(value), text, size);
    return text;
}

static int put_name(const struct gt_metrics *metrics, size_t index, struct gt_buf *text)
{
    uint32_t id = (uint32_t)index + 1;

    if (gt_buf_add_visible(text, gt_intern_text(&metrics->names, id),
                           gt_intern_length(&metrics->names, id)))
        return -1;
    return gt_buf_adds(text, "\n");
}

int gt_metrics_print(const struct gt_metrics *metrics, struct gt_buf *text)
{
    if (gt_buf_addf(text,
                    "Of %u runs:\n\n    median      spread  what\n----------  ----------  "
                    "----------\n",
                    metrics->runs))
        return -1;
    for (size_t i = 0; i < metrics->list.count; i++) {
        const struct gt_metric *metric = metric_at(metrics, i);
        struct gt_spread spread = spread_of(metric);
        char median[32], noise[32];

        if (!gt_spread_matters(&spread, metric->share))
            continue;
        value_text(metric, spread.median, median, sizeof(median));
        value_text(metric, gt_spread_noise(&spread), noise, sizeof(noise));
        if (gt_buf_addf(text, "%10s  +-%8s  ", median, noise) || put_name(metrics, i, text))
            return -1;
    }
    return gt_buf_adds(text, "\n");
}

/* The metric of the same name in the other; NULL: none. */
static const struct gt_metric *same_in(struct gt_metrics *other,
                                       const struct gt_metrics *metrics, size_t index)
{
    size_t known = other->list.count;
    uint32_t id =
        gt_intern_add(&other->names, gt_intern_text(&metrics->names, (uint32_t)index + 1),
                      gt_intern_length(&metrics->names, (uint32_t)index + 1));

    return id == UINT32_MAX || id > known ? NULL : metric_at(other, id - 1);
}

/* Of what reads alike nobody is told that it is more. */
static const char *change_text(enum gt_change_kind kind, const char *before, const char *now)
{
    static const char *const texts[] = {
        [GT_CHANGE_UNKNOWN] = "?", [GT_CHANGE_SAME] = "same", [GT_CHANGE_NOISE] = "noise",
        [GT_CHANGE_MORE] = "more", [GT_CHANGE_LESS] = "less",
    };

    return texts[strcmp(before, now) ? kind : GT_CHANGE_SAME];
}

/* Nothing of what is too small on both sides. 0 or -1. */
static int put_difference(const struct gt_metrics *before, const struct gt_metric *was,
                          const struct gt_metrics *after, size_t index, struct gt_buf *text)
{
    const struct gt_metric *is = metric_at(after, index);
    struct gt_spread old = spread_of(was), new = spread_of(is);
    struct gt_change change =
        gt_change_between(&old, before->runs, &new, after->runs, is->share);
    bool noise_known = gt_change_noise_is_known(before->runs, after->runs);
    char old_text[32], new_text[32], by[32], noise[32];

    if (!gt_spread_matters(&old, was->share) && !gt_spread_matters(&new, is->share))
        return 0;
    value_text(is, old.median, old_text, sizeof(old_text));
    value_text(is, new.median, new_text, sizeof(new_text));
    value_text(is, fabs(change.by), by, sizeof(by));
    value_text(is, change.noise, noise, sizeof(noise));
    if (gt_buf_addf(text, "%10s  %10s  %s%9s  %10s  %-5s  ", old_text, new_text,
                    change.by < 0 ? "-" : "+", by, noise_known ? noise : "?",
                    change_text(change.kind, old_text, new_text)))
        return -1;
    return put_name(after, index, text);
}

static double unknown_share(const struct gt_metrics *metrics)
{
    for (size_t i = 0; i < metrics->list.count; i++)
        if (strcmp(gt_intern_text(&metrics->names, (uint32_t)i + 1), UNKNOWN) == 0)
            return spread_of(metric_at(metrics, i)).median;
    return 0;
}

int gt_metrics_compare(struct gt_metrics *before, const struct gt_metrics *after,
                       struct gt_buf *text, struct gt_error *err)
{
    bool common = false;
    int rc;

    for (size_t i = 0; i < after->list.count; i++)
        common = common || (metric_at(after, i)->thread && same_in(before, after, i));
    if (!common)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "the baseline has no thread in common with this run: nothing can "
                            "be compared (is it of the same program?)");
    rc = gt_buf_adds(text,
                     "Against the baseline:\n\n    before         now      change       noise  "
                     "       what\n----------  ----------  ----------  ----------  -----  "
                     "----------\n");
    for (size_t i = 0; rc == 0 && i < after->list.count; i++) {
        const struct gt_metric *same = same_in(before, after, i);

        if (same)
            rc = put_difference(before, same, after, i, text);
    }
    if (rc == 0 && (unknown_share(before) > 0 || unknown_share(after) > 0))
        rc = gt_buf_addf(text,
                         "(not known are %.1f%% of the baseline and %.1f%% of this run: the "
                         "figures are of the rest)\n",
                         100 * unknown_share(before), 100 * unknown_share(after));
    if (rc == 0 && !gt_change_noise_is_known(before->runs, after->runs))
        rc = gt_buf_adds(text, "(noise is not known: --repeat both runs)\n");
    return rc || gt_buf_adds(text, "\n") ? gt_error_memory(err) : 0;
}
