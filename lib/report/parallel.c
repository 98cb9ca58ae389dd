/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "base/nstime.h"
#include "model/locks.h"
#include "report/blocker_text.h"
#include "report/labels.h"
#include "report/values.h"

#include <string.h>

/* Of runs without a GIL: how many threads ran at a time, and when a GIL came on. */

/* --- in words --- */

static const char *verdict_text(enum gt_parallel_verdict verdict)
{
    switch (verdict) {
    case GT_PARALLEL_NONE:
    case GT_PARALLEL_UNKNOWN:
    case GT_PARALLEL_ALONE:
    case GT_PARALLEL_MIXED:
        break;
    case GT_PARALLEL_SCALES:
        return "It scales: ";
    case GT_PARALLEL_STOPPED:
        return "Stopped again and again: ";
    case GT_PARALLEL_LOCKS:
        return "Lock-bound: ";
    case GT_PARALLEL_NO_CPU:
        return "Short of CPUs: ";
    case GT_PARALLEL_ASLEEP:
        return "Mostly asleep: ";
    }
    return "";
}

static int add_cpus(double cpus, struct gt_buf *text)
{
    if (cpus <= 0)
        return 0;
    return gt_buf_addf(text, cpus == (double)(int)cpus ? " of %.0f CPU%s" : " of %.1f CPU%s",
                       cpus, cpus == 1 ? "" : "s");
}

/* "they ran 48%, were ready without a CPU 2.0%, …" of their time. */
static int add_shares(const struct gt_parallel *parallel, struct gt_buf *text)
{
    int64_t lives_ns = parallel->lives_ns, asleep_ns = parallel->asleep_ns;
    int failed = gt_buf_addf(text, "Threads ran %.1f%% of their time",
                             gt_percent(parallel->running_ns, lives_ns));

    if (parallel->locked_ns >= 0) {
        asleep_ns -= parallel->locked_ns;
        failed |= gt_buf_addf(text, ", waited for locks %.1f%%",
                              gt_percent(parallel->locked_ns, lives_ns));
    }
    if (parallel->stopped_ns >= 0) {
        asleep_ns -= parallel->stopped_ns;
        failed |= gt_buf_addf(text, ", were stopped %.1f%%",
                              gt_percent(parallel->stopped_ns, lives_ns));
    }
    if (!parallel->states)
        return failed | gt_buf_adds(text, "; of the rest it is not known what they did: that "
                                          "takes the scheduler's events.");
    return failed | gt_buf_addf(text, ", were ready without a CPU %.1f%%, and slept %.1f%%.",
                                gt_percent(parallel->ready_ns, lives_ns),
                                gt_percent(asleep_ns > 0 ? asleep_ns : 0, lives_ns));
}

static int say_running(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_parallel *parallel = &report->analysis->parallel;

    switch (parallel->verdict) {
    case GT_PARALLEL_NONE:
        return 0;
    case GT_PARALLEL_ALONE:
        return gt_findings_add(report, text,
                               gt_buf_adds(text,
                                           "There is no GIL, and there was never more than "
                                           "one thread: nothing could run in parallel."));
    default:
        break;
    }
    if (parallel->running_ns <= 0)
        return gt_findings_add(report, text,
                               gt_buf_adds(text,
                                           "There is no GIL. How many threads ran at a time "
                                           "was not recorded."));
    return gt_findings_add(
        report, text,
        gt_buf_addf(text, "%s%.1f", verdict_text(parallel->verdict), parallel->running) ||
            add_cpus(parallel->cpus, text) ||
            gt_buf_adds(text, " were in use by threads that need no GIL, while there were "
                              "several. ") ||
            add_shares(parallel, text));
}

/* "in main (app.py)", where functions were traced. */
static int add_place(const struct gt_report *report, const struct gt_doing *doing,
                     struct gt_buf *text)
{
    const struct gt_function_info *function;
    const char *file;

    if (doing->kind == GT_DOING_UNKNOWN || doing->function == GT_NO_INDEX)
        return 0;
    function = gt_chunks_at(&report->timeline->functions, doing->function);
    file = gt_intern_text(&report->timeline->names, function->file);
    if (gt_buf_adds(text, " in ") || gt_report_function(report, doing->function, text))
        return -1;
    if (!*file || function->flags & GT_FUNCTION_C)
        return 0;
    file = gt_blocker_text_short_file(report, file);
    return gt_buf_adds(text, " (") || gt_buf_add_visible(text, file, strlen(file)) ||
           gt_buf_addf(text, ":%u)", function->line);
}

static int say_came(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_gil_came *came = &report->analysis->parallel.came;
    const struct gt_timeline *timeline = report->timeline;
    char duration[32];
    int failed;

    if (!came->at)
        return 0;
    if (came->at->time_ns <= gt_process_at(timeline, came->process)->start_ns)
        return 0;
    failed = gt_buf_addf(text, "A GIL came on after %s of a run without one",
                         gt_duration_text(came->at->time_ns - gt_report_zero_ns(report),
                                          duration, sizeof(duration)));
    if (came->at->module)
        failed |= gt_buf_adds(text, ", by the import of ") ||
                  gt_buf_add_visible(text, gt_intern_text(&timeline->names, came->at->module),
                                     gt_intern_length(&timeline->names, came->at->module)) ||
                  add_place(report, &came->doing, text) ||
                  gt_buf_adds(text, ", an extension that does not say that it can do without "
                                    "(Py_mod_gil)");
    failed |= gt_buf_adds(text, ": all that is said of the GIL is of the time from then on.");
    if (came->others)
        failed |= gt_buf_addf(text, " So it did in %u more process%s.", came->others,
                              came->others == 1 ? "" : "es");
    return gt_findings_add(report, text, failed);
}

/* A thread that has a lock and takes it again deeper within gives it as it is about to park for
 * it (nested critical sections): after 40 calls, as of any lock. */
static uint64_t own_yields(const struct gt_lock_spins *spins)
{
    enum { BEFORE_PARKING = 40 };

    return spins->own_posts < spins->yields / BEFORE_PARKING ? spins->own_posts * BEFORE_PARKING
                                                             : spins->yields;
}

/* Not all of it ran: the CPU may have gone to another thread meanwhile. */
static int say_spins(struct gt_report *report, struct gt_buf *text)
{
    enum { NOTABLE_PART = 100 };
    const struct gt_lock_spins spins = gt_lock_spins_of(report->timeline);
    uint64_t own = own_yields(&spins);
    char duration[32];

    if (report->analysis->parallel.verdict == GT_PARALLEL_NONE ||
        spins.ns < report->analysis->wall_ns / NOTABLE_PART || spins.ns <= 0)
        return 0;
    if (gt_buf_addf(text,
                    "Before they wait for a lock, threads call sched_yield, 40 times at most: "
                    "that was %llu times, about %s in all, and is no part of the waits.",
                    (unsigned long long)spins.yields,
                    gt_duration_text(spins.ns, duration, sizeof(duration))))
        return gt_findings_add(report, text, -1);
    return gt_findings_add(
        report, text,
        own < spins.yields / 2
            ? 0
            : gt_buf_addf(text,
                          own < spins.yields
                              ? " %llu of these calls were for locks that the thread itself "
                                "had (CPython's critical sections within each other)."
                              : " All these calls were for locks that the thread itself had "
                                "(CPython's critical sections within each other).",
                          (unsigned long long)own));
}

int gt_parallel_say(struct gt_report *report, struct gt_buf *text)
{
    return say_came(report, text) || say_running(report, text) || say_spins(report, text) ? -1
                                                                                          : 0;
}

/* --- in JSON --- */

static const char *verdict_name(enum gt_parallel_verdict verdict)
{
    static const char *const names[] = {
        [GT_PARALLEL_UNKNOWN] = "unknown", [GT_PARALLEL_ALONE] = "alone",
        [GT_PARALLEL_SCALES] = "scales",   [GT_PARALLEL_STOPPED] = "stopped",
        [GT_PARALLEL_LOCKS] = "locks",     [GT_PARALLEL_NO_CPU] = "no-cpu",
        [GT_PARALLEL_ASLEEP] = "asleep",   [GT_PARALLEL_MIXED] = "mixed",
    };

    return names[verdict];
}

static json_t *known_ns(int64_t ns)
{
    return ns >= 0 ? json_integer(ns) : json_null();
}

static json_t *came_value(const struct gt_report *report, const struct gt_gil_came *came)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_gil_switch *at = came->at;
    struct gt_buf place;
    json_t *function = json_null();

    if (!at)
        return json_null();
    gt_buf_init(&place);
    if (came->doing.kind != GT_DOING_UNKNOWN && came->doing.function != GT_NO_INDEX &&
        gt_report_function(report, came->doing.function, &place) == 0)
        function = gt_json_text(place.data, place.length);
    gt_buf_release(&place);
    return json_pack("{s:i, s:I, s:o, s:o, s:i}", "pid",
                     gt_process_at(timeline, came->process)->pid, "time_ns",
                     (json_int_t)(at->time_ns - gt_report_zero_ns(report)), "module",
                     at->module ? gt_json_text(gt_intern_text(&timeline->names, at->module),
                                               gt_intern_length(&timeline->names, at->module))
                                : json_null(),
                     "function", function, "others", (int)came->others);
}

/* Beside the waits. */
static json_t *spins_value(const struct gt_report *report)
{
    const struct gt_lock_spins spins = gt_lock_spins_of(report->timeline);

    if (!spins.yields && !spins.own_posts)
        return json_null();
    return json_pack("{s:I, s:I, s:I}", "count", (json_int_t)spins.yields, "ns",
                     (json_int_t)spins.ns, "own_posts", (json_int_t)spins.own_posts);
}

bool gt_parallel_is_told(const struct gt_report *report)
{
    return report->analysis->parallel.verdict != GT_PARALLEL_NONE ||
           report->analysis->parallel.came.at;
}

json_t *gt_parallel_value(const struct gt_report *report)
{
    const struct gt_parallel *parallel = &report->analysis->parallel;
    json_t *slices = json_array();

    for (int i = 0; parallel->verdict != GT_PARALLEL_NONE && i < GT_PARALLEL_SLICES; i++)
        gt_json_add(&slices, json_real(parallel->slices[i]));
    return json_pack(
        "{s:o, s:o, s:I, s:I, s:I, s:f, s:f, s:b, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}",
        "verdict",
        parallel->verdict == GT_PARALLEL_NONE ? json_null()
                                              : json_string(verdict_name(parallel->verdict)),
        "gil_came", came_value(report, &parallel->came), "start_ns",
        (json_int_t)(parallel->verdict == GT_PARALLEL_NONE
                         ? 0
                         : parallel->start_ns - gt_report_zero_ns(report)),
        "length_ns",
        (json_int_t)(parallel->verdict == GT_PARALLEL_NONE
                         ? 0
                         : parallel->end_ns - parallel->start_ns),
        "together_ns", (json_int_t)parallel->together_ns, "cpus", parallel->cpus, "running",
        parallel->running, "states", parallel->states, "lives_ns",
        (json_int_t)parallel->lives_ns, "running_ns", (json_int_t)parallel->running_ns,
        "ready_ns", (json_int_t)parallel->ready_ns, "asleep_ns",
        (json_int_t)parallel->asleep_ns, "locked_ns", known_ns(parallel->locked_ns),
        "stopped_ns", known_ns(parallel->stopped_ns), "spins", spins_value(report), "slices",
        slices);
}
