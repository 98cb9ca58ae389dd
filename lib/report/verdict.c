/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "analysis/gil_times.h"
#include "analysis/thread_kinds.h"
#include "base/nstime.h"
#include "report/blocker_text.h"
#include "report/labels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The verdict (analysis/verdict.h) in words: per GIL, those that were waited for most first. */

enum { GILS_MAX = 3 }; /* are spoken of one by one; of more only the first one is */

static int name_process(const struct gt_report *report, const struct gt_gil *gil,
                        struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_process *process = gt_process_at(timeline, gil->process);
    const char *name = gt_intern_text(&timeline->names, gil->name);
    size_t length = gt_intern_length(&timeline->names, gil->name);
    const char *slash = memrchr(name, '/', length);

    if (slash && slash + 1 < name + length) { /* of a path, its last part */
        length -= (size_t)(slash + 1 - name);
        name = slash + 1;
    }
    if (gt_buf_add_visible(text, name, length) ||
        gt_buf_addf(text, " (pid %d)", process->own_pid))
        return -1;
    return gil->number ? gt_buf_addf(text, ", GIL %u", gil->number) : 0;
}

static int name_member(const struct gt_report *report, uint32_t gil, uint32_t member,
                       struct gt_buf *text)
{
    return gt_report_label(
        report, gt_gil_thread_at(gt_gil_at(report->timeline, gil), member)->thread, text);
}

/* "search", "worker-* (4 threads)" */
static int name_holder(const struct gt_report *report, const struct gt_verdict *verdict,
                       struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, verdict->gil);
    char name[64];
    size_t length;

    if (verdict->holders == 1)
        return name_member(report, verdict->gil, verdict->holder, text);
    length = gt_thread_group_name(
        report->timeline, gt_gil_thread_at(gil, verdict->holder)->thread, name, sizeof(name));
    return gt_buf_add_visible(text, name, length) ||
                   gt_buf_addf(text, " (%u threads)", verdict->holders)
               ? -1
               : 0;
}

static const char *bound_text(enum gt_bound bound)
{
    switch (bound) {
    case GT_BOUND_NOT:
        return "Not GIL-bound";
    case GT_BOUND_PARTLY:
        return "Partly GIL-bound";
    case GT_BOUND_FULLY:
        return "GIL-bound";
    case GT_BOUND_LOST:
        return "Not known whether GIL-bound, since most of the run was lost";
    case GT_BOUND_UNSURE:
        return "Not known whether GIL-bound, since events were lost and it is not known what "
               "some "
               "threads did after that";
    case GT_BOUND_NO_RETURNS:
        return "Not known whether GIL-bound, since returns of take_gil are missing";
    }
    return "";
}

static const char *shares_text(enum gt_shares_of of)
{
    switch (of) {
    case GT_SHARES_OF_RUN:
        return "the run";
    case GT_SHARES_OF_PROGRAM:
        return "that program's life";
    case GT_SHARES_OF_KNOWN:
        return "that";
    case GT_SHARES_OF_READ:
        return "what was read";
    case GT_SHARES_OF_PART:
        return "what was recorded";
    }
    return "";
}

/* "98.7%": never 100.0% of what is not known as a whole. */
static double known_percent(int64_t known_ns, int64_t whole_ns)
{
    double percent = gt_percent(known_ns, whole_ns);

    return percent > 99.9 ? 99.9 : percent;
}

/* Where that is less than half of the time: which part of it they waited while one of them did.
 * 0 or -1. */
static int put_contended(const struct gt_report *report, const struct gt_verdict *verdict,
                         struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, verdict->gil);
    const struct gt_contended *contended = &report->analysis->contended[verdict->gil];
    int64_t lives_ns = 0;

    for (uint32_t i = 0; i < gil->members.count; i++)
        lives_ns = gt_add_ns(lives_ns, gt_contended_of(contended, i).ns);
    if (verdict->hardly_waited || contended->ns > gt_gil_known_ns(gil) / 2)
        return 0;
    return gt_buf_addf(text, ", and then they waited %.1f%% of their time",
                       gt_percent(verdict->wait_ns, lives_ns));
}

static int say_bound(struct gt_report *report, const struct gt_verdict *verdict,
                     struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, verdict->gil);
    int64_t known_ns = gt_gil_known_ns(gil), whole_ns = gt_gil_lives_ns(gil);
    char duration[32], known[32] = "", at_most[32] = "";

    if (verdict->lives_ns < whole_ns)
        snprintf(known, sizeof(known), "the known %.1f%% of ",
                 known_percent(verdict->lives_ns, whole_ns));
    if (gil->unsure_ns)
        snprintf(at_most, sizeof(at_most), "%.1f%% to ",
                 gt_percent(verdict->contended_ns, known_ns));
    return gt_findings_add(
        report, text,
        gt_buf_addf(text, "%s: threads of ", bound_text(verdict->bound)) ||
            name_process(report, gil, text) ||
            gt_buf_addf(text,
                        " waited for the GIL %s%.1f%% of %stheir time, %s in all. At "
                        "least one of them waited during %s%.1f%% of %s",
                        gil->defects.returns_missing ? "at least " : "",
                        gt_percent(verdict->wait_ns, verdict->lives_ns), known,
                        gt_duration_text(verdict->wait_ns, duration, sizeof(duration)), at_most,
                        gt_percent(verdict->contended_ns + gil->unsure_ns, known_ns),
                        shares_text(verdict->of)) ||
            put_contended(report, verdict, text) || gt_buf_adds(text, "."));
}

/* Waiters tell a little less than what was set: the roundest number within a hundredth. */
static double set_interval_s(int64_t interval_ns)
{
    enum { DIGITS_MAX = 6 };
    double seconds = (double)interval_ns / GT_NS_PER_S, rounded = seconds;
    char text[32];

    for (int digits = 1; digits < DIGITS_MAX; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1, seconds);
        rounded = strtod(text, NULL);
        if (fabs(rounded - seconds) <= seconds / 100)
            break;
    }
    return rounded;
}

/* How long each request waits, where that is not CPython's default. */
static int say_interval(struct gt_report *report, const struct gt_verdict *verdict,
                        struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, verdict->gil);
    int64_t interval_ns = gt_interval_last(&gil->intervals);
    bool changed = gil->intervals.list.count > 1;
    bool is_told = gil->intervals.source != GT_INTERVAL_FROM_GAPS;
    double set_s = set_interval_s(interval_ns);
    char duration[32];

    if (verdict->interval == GT_INTERVAL_USUAL)
        return 0;
    gt_duration_text(is_told ? gt_ns_of(set_s * GT_NS_PER_S) : interval_ns, duration,
                     sizeof(duration));
    if (gt_buf_addf(text,
                    verdict->interval == GT_INTERVAL_LONGER
                        ? "Each request for the GIL waits up to %s before the holder is told, "
                          "because the switch interval %s %s"
                        : "The holder of the GIL is told to give it up after %s, because the "
                          "switch interval %s %s",
                    duration, changed ? "became" : "is", duration))
        return -1;
    if (!is_told)
        return gt_findings_add(report, text, gt_buf_adds(text, ", as the waits tell."));
    return gt_findings_add(report, text,
                           gt_buf_addf(text, ": this program set sys.setswitchinterval(%g)%s.",
                                       set_s, changed ? ", the last of several" : ""));
}

/* The function that all waited for most, where functions were recorded. */
static int add_function(const struct gt_report *report, const struct gt_verdict *verdict,
                        const struct gt_blocker *row, const struct gt_blocker_text *blame,
                        struct gt_buf *text)
{
    char duration[32];

    if (gt_buf_adds(text, " Most blocking function: ") ||
        gt_buf_add(text, blame->function.data, blame->function.length))
        return -1;
    if (blame->file.length &&
        gt_buf_addf(text, blame->line ? " (%s:%u)" : " (%s)",
                    gt_blocker_text_short_file(report, blame->file.data), blame->line))
        return -1;
    return gt_buf_addf(text, ", %s of waiting (%.0f%%).",
                       gt_duration_text(row->waiting_ns, duration, sizeof(duration)),
                       gt_percent(row->waiting_ns, verdict->wait_ns));
}

static int say_function(const struct gt_report *report, const struct gt_verdict *verdict,
                        struct gt_buf *text)
{
    const struct gt_blocker *row;
    struct gt_blocker_text blame;
    int rc;

    if (verdict->top_row == GT_NO_INDEX)
        return 0;
    row = gt_blocker_at(&report->analysis->blockers[verdict->gil], verdict->top_row);
    if (gt_blocker_text_init(&blame, report, row))
        return -1;
    rc = add_function(report, verdict, row, &blame, text);
    gt_blocker_text_release(&blame);
    return rc;
}

static int say_most(struct gt_report *report, const struct gt_verdict *verdict,
                    struct gt_buf *text)
{
    uint32_t gil = verdict->gil;
    const struct gt_blame *pair = &verdict->pair;
    bool small = verdict->holder_ns < verdict->wait_ns / 10; /* it gets a decimal */
    bool pair_matters = verdict->holders == 1 || pair->ns >= verdict->wait_ns / 10;
    char duration[32];

    if (verdict->holder == GT_NO_INDEX)
        return 0;
    return gt_findings_add(
        report, text,
        name_holder(report, verdict, text) ||
            gt_buf_addf(text, " held the GIL for %.*f%% of this waiting, the most.", small,
                        gt_percent(verdict->holder_ns, verdict->wait_ns)) ||
            (pair->ns && pair_matters &&
             (gt_buf_adds(text, " Largest pair: ") ||
              name_member(report, gil, pair->waiter, text) ||
              gt_buf_addf(text, " waited %s for ",
                          gt_duration_text(pair->ns, duration, sizeof(duration))) ||
              name_member(report, gil, pair->holder, text) || gt_buf_adds(text, "."))) ||
            say_function(report, verdict, text));
}

static int say_row(struct gt_report *report, const struct gt_blocker *row, struct gt_buf *text)
{
    struct gt_blocker_text blame;
    int rc;

    if (gt_blocker_text_init(&blame, report, row))
        return -1;
    rc = gt_findings_add(report, text, gt_buf_adds(text, blame.sentence.data));
    gt_blocker_text_release(&blame);
    return rc;
}

/* What kept the GIL, what re-queues, and whether there is a convoy: a sentence each. */
static int say_blockers(struct gt_report *report, const struct gt_verdict *verdict,
                        struct gt_buf *text)
{
    const struct gt_blockers *blockers = &report->analysis->blockers[verdict->gil];

    for (uint32_t i = 0; i < verdict->row_count; i++)
        if (say_row(report, gt_blocker_at(blockers, verdict->rows[i]), text))
            return -1;
    if (!report->analysis->convoys[verdict->gil].count)
        return 0;
    return gt_findings_add(report, text, gt_convoy_say(report, verdict->gil, text));
}

static int say_gil(struct gt_report *report, const struct gt_verdict *verdict,
                   struct gt_buf *text)
{
    if (say_bound(report, verdict, text) || gt_worst_say(report, verdict->gil, text) ||
        say_interval(report, verdict, text))
        return -1;
    if (verdict->hardly_waited)
        return 0;
    if (say_most(report, verdict, text))
        return -1;
    return say_blockers(report, verdict, text);
}

/* Those from `first` on, which are not spoken of one by one. */
static int say_rest(struct gt_report *report, const struct gt_verdicts *verdicts, size_t first,
                    struct gt_buf *text)
{
    size_t count = verdicts->count - first;
    int64_t wait_ns = 0;
    char duration[32];

    if (count == 0)
        return 0;
    for (size_t i = first; i < verdicts->count; i++)
        wait_ns = gt_add_ns(wait_ns, verdicts->list[i].wait_ns);
    return gt_findings_add(report, text,
                           gt_buf_addf(text, "%zu more GIL%s waited for, %s in all.", count,
                                       count == 1 ? " was" : "s were",
                                       gt_duration_text(wait_ns, duration, sizeof(duration))));
}

static const char *no_waits_text(enum gt_no_waits no_waits)
{
    switch (no_waits) {
    case GT_NO_WAITS_AT_ALL:
        return "No thread ever waited for the GIL: the program is not GIL-bound.";
    case GT_NO_WAITS_LOST:
        return "Not known whether GIL-bound, since most of the run was lost: no wait for the "
               "GIL was seen.";
    case GT_NO_WAITS_NO_RETURNS:
        return "Not known whether threads waited for the GIL: returns of take_gil are "
               "missing.";
    case GT_NO_WAITS_NOT_WHOLE:
    case GT_NO_WAITS_PARTLY:
        return "No wait for the GIL was seen, but not all is known";
    case GT_NO_WAITS_UNSEEN:
        return "No thread that was seen waited for the GIL.";
    case GT_NO_WAITS_IN_PART:
        return "No thread waited for the GIL while the program was recorded.";
    }
    return "";
}

/* Nobody waited, as far as is known. */
static int say_without_waits(struct gt_report *report, const struct gt_verdicts *verdicts,
                             struct gt_buf *text)
{
    int failed = gt_buf_adds(text, no_waits_text(verdicts->no_waits));

    if (!failed && verdicts->no_waits == GT_NO_WAITS_NOT_WHOLE)
        failed = gt_buf_adds(text, ".");
    if (!failed && verdicts->no_waits == GT_NO_WAITS_PARTLY)
        failed = gt_buf_addf(text, ": %.1f%% of %s is not.",
                             gt_percent(verdicts->unknown_ns, verdicts->life_ns),
                             gt_report_whole(report));
    return gt_findings_add(report, text, failed);
}

int gt_verdict_say(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_verdicts *verdicts = &report->analysis->verdicts;
    size_t told = verdicts->count <= GILS_MAX ? verdicts->count : 1;

    if (verdicts->count == 0)
        return say_without_waits(report, verdicts, text);
    for (size_t i = 0; i < told; i++)
        if (say_gil(report, &verdicts->list[i], text))
            return -1;
    return say_rest(report, verdicts, told, text);
}
