#include "report/internal.h"

#include "base/nstime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The verdict: is the program GIL-bound, who blocked whom most and in which function, what
 * kept the GIL. Per GIL, those that were waited for most first. */

enum { GILS_MAX = 4 }; /* that are spoken of one by one */

/* A GIL is what its program is bound by when somebody waits for it at this share of the time
 * (percent), and partly at that. */
enum { BOUND_PERCENT = 50, PARTLY_PERCENT = 10 };

enum { LOST_PERCENT = 50 }; /* of the run: from here on, what was not seen says nothing */

static int add(struct gt_report *report, struct gt_buf *sentence, int failed)
{
    int rc = failed || gt_strvec_push(&report->findings, sentence->data) ? -1 : 0;

    gt_buf_reset(sentence);
    return rc;
}

static double percent(int64_t part_ns, int64_t whole_ns)
{
    return whole_ns > 0 ? 100.0 * (double)part_ns / (double)whole_ns : 0.0;
}

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
    if (gt_buf_add_visible(text, name, length) || gt_buf_addf(text, " (pid %d)", process->pid))
        return -1;
    return gil->number ? gt_buf_addf(text, ", GIL %u", gil->number) : 0;
}

static int name_member(const struct gt_report *report, uint32_t gil, uint32_t member,
                       struct gt_buf *text)
{
    return gt_report_label(
        report, gt_gil_thread_at(gt_gil_at(report->timeline, gil), member)->thread, text);
}

/* Who was waited for most by all; and who waited most, for whom above all. */
struct most {
    uint32_t holder;
    int64_t holder_ns;
    struct gt_blame pair; /* ns 0: for nobody in particular */
};

/* The first blame of a waiter is the largest of a thread. */
static struct gt_blame most_blocked(const struct gt_report *report, uint32_t index)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    struct gt_blame pair = {0};
    int64_t most_ns = 0;

    for (uint32_t i = 0; i < gil->members.count; i++) {
        size_t count,
            first = gt_contention_of(&report->analysis->contentions[index], i, &count);

        if (gt_gil_thread_at(gil, i)->wait_ns <= most_ns)
            continue;
        most_ns = gt_gil_thread_at(gil, i)->wait_ns;
        pair = count ? *gt_blame_at(&report->analysis->contentions[index], first)
                     : (struct gt_blame){0};
        if (pair.holder >= gil->members.count)
            pair.ns = 0;
        pair.waiter = i;
    }
    return pair;
}

static int find_most(const struct gt_report *report, uint32_t index, struct most *most)
{
    const struct gt_contention *contention = &report->analysis->contentions[index];
    size_t members = gt_gil_at(report->timeline, index)->members.count;
    int64_t *sums = calloc(members + 1, sizeof(*sums));

    *most = (struct most){.holder = GT_NO_INDEX};
    if (!sums)
        return -1;
    for (size_t i = 0; i < contention->blames.count; i++) {
        const struct gt_blame *blame = gt_blame_at(contention, i);

        if (blame->holder >= members) /* nobody, or many */
            continue;
        sums[blame->holder] = gt_add_ns(sums[blame->holder], blame->ns);
        if (sums[blame->holder] > most->holder_ns) {
            most->holder_ns = sums[blame->holder];
            most->holder = blame->holder;
        }
    }
    most->pair = most_blocked(report, index);
    free(sums);
    return 0;
}

/* What is lost may have been full of waiting, or free of it. */
static const char *bound_text(const struct gt_report *report, uint32_t index)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    int64_t contended_ns = report->analysis->blockers[index].load.total.contended_ns;

    if (percent(contended_ns, gt_gil_life_ns(gil)) >= BOUND_PERCENT)
        return "GIL-bound";
    if (gt_is_mostly_unknown(gil))
        return "Not known whether GIL-bound, since most of the run was lost";
    if (percent(contended_ns, gt_gil_known_ns(gil)) >= BOUND_PERCENT)
        return "GIL-bound";
    if (gt_lacks_returns(gil))
        return "Not known whether GIL-bound, since returns of take_gil are missing";
    return percent(contended_ns, gt_gil_known_ns(gil)) >= PARTLY_PERCENT ? "Partly GIL-bound"
                                                                         : "Not GIL-bound";
}

/* Of what a GIL's shares are: a process may live, or execute another program, in mid-run. */
static const char *span_of(const struct gt_report *report, const struct gt_gil *gil)
{
    enum { WHOLE_PERCENT = 95 };
    int64_t wall_ns = report->timeline->end_ns - gt_report_zero_ns(report);

    if (gil->unknown_ns)
        return "that";
    return percent(gt_gil_life_ns(gil), wall_ns) >= WHOLE_PERCENT ? "the run"
                                                                  : "that program's life";
}

static int say_bound(struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    int64_t wait_ns = gt_gil_wait_ns(gil), known_ns = 0;
    double contended = percent(report->analysis->blockers[index].load.total.contended_ns,
                               gt_gil_known_ns(gil));
    char duration[32];

    for (uint32_t i = 0; i < gil->members.count; i++) {
        const struct gt_gil_thread *member = gt_gil_thread_at(gil, i);

        known_ns = gt_add_ns(known_ns, member->lifetime_ns - member->unknown_ns);
    }
    return add(report, text,
               gt_buf_addf(text, "%s: threads of ", bound_text(report, index)) ||
                   name_process(report, gil, text) ||
                   gt_buf_addf(text,
                               " waited for the GIL %s%.1f%% of their time%s, %s in all. At "
                               "least one of them waited during %.1f%% of %s.",
                               gil->defects.returns_missing ? "at least " : "",
                               percent(wait_ns, known_ns),
                               gil->unknown_ns ? ", as far as it is known" : "",
                               gt_duration_text(wait_ns, duration, sizeof(duration)), contended,
                               span_of(report, gil)));
}

/* How long each request waits, where that is not CPython's default. */
static int say_interval(struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    int64_t interval_ns = gt_interval_last(&gil->intervals);
    bool changed = gil->intervals.list.count > 1;
    bool longer = interval_ns > GT_SWITCH_INTERVAL_NS;
    char duration[32];

    if (interval_ns == GT_SWITCH_INTERVAL_NS && !changed)
        return 0;
    gt_duration_text(interval_ns, duration, sizeof(duration));
    if (gt_buf_addf(text,
                    longer
                        ? "Each request for the GIL waits up to %s before the holder is told, "
                          "because the switch interval %s %s"
                        : "The holder of the GIL is told to give it up after %s, because the "
                          "switch interval %s %s",
                    duration, changed ? "became" : "is", duration))
        return -1;
    if (gil->intervals.source == GT_INTERVAL_FROM_GAPS)
        return add(report, text, gt_buf_adds(text, ", as the waits tell."));
    return add(report, text,
               gt_buf_addf(text, ": this program set sys.setswitchinterval(%g)%s.",
                           round((double)interval_ns / 1e4) / 1e5,
                           changed ? ", the last of several" : ""));
}

/* The function that all waited for most, where functions were recorded. */
static int say_function(const struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_blockers *blockers = &report->analysis->blockers[index];
    const struct gt_blocker *row = blockers->rows.count ? gt_blocker_at(blockers, 0) : NULL;
    int64_t wait_ns = gt_gil_wait_ns(gt_gil_at(report->timeline, index));
    struct gt_blocker_text blame;
    char duration[32];
    int failed;

    if (!row || row->doing.kind == GT_DOING_UNKNOWN)
        return 0;
    if (gt_blocker_text_init(&blame, report, row))
        return -1;
    failed = gt_buf_adds(text, " Most blocking function: ") ||
             gt_buf_add(text, blame.function.data, blame.function.length);
    if (!failed && blame.file.length)
        failed = gt_buf_addf(text, blame.line ? " (%s:%u)" : " (%s)",
                             gt_blocker_text_short_file(blame.file.data), blame.line);
    failed =
        failed || gt_buf_addf(text, ", %s of waiting (%.0f%%).",
                              gt_duration_text(row->waiting_ns, duration, sizeof(duration)),
                              percent(row->waiting_ns, wait_ns));
    gt_blocker_text_release(&blame);
    return failed ? -1 : 0;
}

static int say_most(struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    int64_t wait_ns = gt_gil_wait_ns(gt_gil_at(report->timeline, index));
    struct most most;
    char duration[32];

    if (find_most(report, index, &most))
        return -1;
    if (most.holder == GT_NO_INDEX)
        return 0;
    return add(report, text,
               name_member(report, index, most.holder, text) ||
                   gt_buf_addf(text,
                               " held it during %.*f%% of the waiting, more than any "
                               "other. Most blocked: ",
                               most.holder_ns < wait_ns / 10, /* decimals of what is small */
                               percent(most.holder_ns, wait_ns)) ||
                   name_member(report, index, most.pair.waiter, text) ||
                   (most.pair.ns &&
                    (gt_buf_addf(text, ", %s by ",
                                 gt_duration_text(most.pair.ns, duration, sizeof(duration))) ||
                     name_member(report, index, most.pair.holder, text))) ||
                   gt_buf_adds(text, ".") || say_function(report, index, text));
}

/* What kept the GIL, what re-queues, and whether there is a convoy: a sentence each. */
static int say_blockers(struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    enum { SENTENCES_MAX = 3 };
    const struct gt_blockers *blockers = &report->analysis->blockers[index];
    int64_t least_ns = gt_gil_wait_ns(gt_gil_at(report->timeline, index)) / 50;
    int said = 0, found;

    for (size_t i = 0; i < blockers->rows.count && said < SENTENCES_MAX; i++) {
        const struct gt_blocker *row = gt_blocker_at(blockers, i);
        struct gt_blocker_text blame;
        int rc;

        if (!(gt_blocker_keeps(row) && row->waiting_ns > least_ns) &&
            !(gt_blocker_is_requeuer(row) && row->retake_wait_ns > gt_times_ns(least_ns, 5)))
            continue;
        if (gt_blocker_text_init(&blame, report, row))
            return -1;
        rc = add(report, text, gt_buf_adds(text, blame.sentence.data));
        gt_blocker_text_release(&blame);
        if (rc)
            return -1;
        said++;
    }
    found = gt_convoy_say(report, index, text);
    return found <= 0 ? found : add(report, text, 0);
}

/* GILs that were waited for, by how long. */
struct waited {
    uint32_t index;
    int64_t wait_ns;
};

static int by_waiting(const void *left, const void *right)
{
    const struct waited *a = left, *b = right;

    if (a->wait_ns != b->wait_ns)
        return a->wait_ns > b->wait_ns ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

static int say_rest(struct gt_report *report, const struct waited *rest, size_t count,
                    struct gt_buf *text)
{
    int64_t wait_ns = 0;
    char duration[32];

    for (size_t i = 0; i < count; i++)
        wait_ns = gt_add_ns(wait_ns, rest[i].wait_ns);
    return count == 0 ? 0
                      : add(report, text,
                            gt_buf_addf(text, "%zu more GIL%s waited for, %s in all.", count,
                                        count == 1 ? " was" : "s were",
                                        gt_duration_text(wait_ns, duration, sizeof(duration))));
}

/* Nobody waited, as far as is known. */
static int say_without_waits(struct gt_report *report, struct gt_buf *text)
{
    int64_t life_ns = 0, unknown_ns = 0;
    uint64_t takes;

    for (uint32_t i = 0; i < report->timeline->gils.count; i++) {
        life_ns = gt_add_ns(life_ns, gt_gil_life_ns(gt_gil_at(report->timeline, i)));
        unknown_ns = gt_add_ns(unknown_ns, gt_gil_at(report->timeline, i)->unknown_ns);
    }
    if (unknown_ns && percent(unknown_ns, life_ns) >= LOST_PERCENT)
        return add(report, text,
                   gt_buf_adds(text, "Not known whether GIL-bound, since most of the run was "
                                     "lost: no wait for the GIL was seen."));
    if (gt_returns_missing(report, &takes))
        return add(report, text,
                   gt_buf_adds(text, "Not known whether threads waited for the GIL: returns of "
                                     "take_gil are missing."));
    if (!gt_is_whole(report->timeline) && !unknown_ns)
        return add(report, text,
                   gt_buf_adds(text, "No wait for the GIL was seen, but not all is known."));
    if (!gt_is_whole(report->timeline))
        return add(
            report, text,
            gt_buf_addf(text,
                        "No wait for the GIL was seen, but not all is known: %.1f%% of the "
                        "run is not.",
                        percent(unknown_ns, life_ns)));
    if (report->timeline->unseen.count)
        return add(report, text,
                   gt_buf_adds(text, "No thread that was seen waited for the GIL."));
    return add(report, text,
               gt_buf_adds(text, "No thread ever waited for the GIL: the program is not "
                                 "GIL-bound."));
}

int gt_verdict_say(struct gt_report *report)
{
    size_t gils = report->timeline->gils.count, count = 0;
    struct waited *waited = calloc(gils + 1, sizeof(*waited));
    struct gt_buf text;
    int rc = waited ? 0 : -1;

    gt_buf_init(&text);
    for (uint32_t i = 0; waited && i < gils; i++) {
        int64_t wait_ns = gt_gil_wait_ns(gt_gil_at(report->timeline, i));

        if (wait_ns > 0)
            waited[count++] = (struct waited){i, wait_ns};
    }
    if (rc == 0 && count == 0)
        rc = say_without_waits(report, &text);
    else if (rc == 0)
        qsort(waited, count, sizeof(*waited), by_waiting);
    for (size_t i = 0; rc == 0 && i < count && i < GILS_MAX; i++) {
        rc = say_bound(report, waited[i].index, &text);
        if (rc == 0)
            rc = say_interval(report, waited[i].index, &text);
        if (rc == 0 && gt_gil_hardly_waited(gt_gil_at(report->timeline, waited[i].index)))
            continue;
        if (rc == 0 && !gt_is_mostly_unknown(gt_gil_at(report->timeline, waited[i].index)))
            rc = say_most(report, waited[i].index, &text);
        if (rc == 0)
            rc = say_blockers(report, waited[i].index, &text);
    }
    if (rc == 0 && count > GILS_MAX)
        rc = say_rest(report, waited + GILS_MAX, count - GILS_MAX, &text);
    gt_buf_release(&text);
    free(waited);
    return rc;
}
