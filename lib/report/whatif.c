/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "base/nstime.h"
#include "base/width.h"
#include "report/blocker_text.h"
#include "report/blocks.h"
#include "report/grid.h"
#include "report/values.h"

#include <stdio.h>
#include <string.h>

/* What it would be worth, in words, in the summary, and as a table: SCHEMA.md says what each
 * key means. */

static const char *reason_of(const struct gt_whatif *whatif)
{
    switch (whatif->gap) {
    case GT_WHATIF_OK:
        return NULL;
    case GT_WHATIF_NO_GIL:
        return "no GIL was seen";
    case GT_WHATIF_ALONE:
        return "only one thread ever had the GIL: nothing can overlap";
    case GT_WHATIF_FUTEX:
        return "the futex source does not measure holds that nobody waited for";
    case GT_WHATIF_STOPPED:
        return "recording stopped before the program ended";
    case GT_WHATIF_LOST:
        return "too many events were lost";
    case GT_WHATIF_PART:
        return "the recording ends before the program does";
    case GT_WHATIF_UNKNOWN:
        return "what threads did without the GIL was not recorded: trace functions (the "
               "default), or add --state-detect";
    case GT_WHATIF_STUCK:
        return "the model ends in threads that wait for one another: what they wait for is "
               "not all recorded";
    case GT_WHATIF_UNFAITHFUL:
        return "the model does not reproduce the length of the recorded run: what that depends "
               "on is not all recorded";
    case GT_WHATIF_LEFT_OUT:
        return "this build does without estimates";
    case GT_WHATIF_SEVERAL:
        return "it is of several recordings, or was read from a report (make a report of each "
               "recording for estimates)";
    case GT_WHATIF_CPUS:
        return "how many CPUs the program might use changed while it ran";
    }
    return "";
}

/* --- in words --- */

/* "sorted (service.py:5)". */
static int add_subject(const struct gt_blocker_text *blame, struct gt_buf *text)
{
    const char *slash;

    if (gt_buf_adds(text, blame->function.data ? blame->function.data : "?"))
        return -1;
    if (!blame->file.length)
        return 0;
    slash = strrchr(blame->file.data, '/');
    return gt_buf_addf(text, " (%s:%u)", slash ? slash + 1 : blame->file.data, blame->line);
}

static int add_condition(const struct gt_estimate *estimate,
                         const struct gt_blocker_text *blame, struct gt_buf *text)
{
    switch (estimate->kind) {
    case GT_ESTIMATE_RECORDED:
        return gt_buf_adds(text, "as it is");
    case GT_ESTIMATE_FUNCTION:
        if (add_subject(blame, text) ||
            gt_buf_adds(text, estimate->asked ? ", with all that it calls, released the GIL"
                                              : " released the GIL"))
            return -1;
        return estimate->gils > 1
                   ? gt_buf_addf(text, " in each of %u processes", estimate->gils)
                   : 0;
    case GT_ESTIMATE_FUNCTIONS:
        return gt_buf_adds(text, "all of these released the GIL");
    case GT_ESTIMATE_NO_GIL:
        return gt_buf_adds(text, "there were no GIL (free-threaded build)");
    }
    return 0;
}

static const char *why_not(enum gt_withheld withheld)
{
    switch (withheld) {
    case GT_WITHHELD_CLOCK:
        return "threads look at the clock as they work, and may go on until a time that "
               "stays the same";
    case GT_WITHHELD_UNSEEN:
        return "whether threads look at a clock, and work until a time, was not recorded";
    case GT_WITHHELD_JOBS:
        return "whether any thread takes the next job, or each has jobs of its own, was not "
               "recorded";
    case GT_WITHHELD_UNSEEN_FUNCTION:
        return "no call of a function of that name, and no native sample of one, was recorded";
    case GT_WITHHELD_SLOWED:
        return "Python code of this version is slower while it is traced, by a large part of "
               "that length";
    case GT_WITHHELD_BUSY:
        return "threads that had the GIL had no CPU for much of the run, and how other "
               "programs "
               "would share the CPUs then is not known";
    default:
        return "its threads would wait for one another in another order than they were "
               "recorded in";
    }
}

/* "run", "traced run", and of a recording that is a part of one "recorded part of the run". */
static const char *run_text(const struct gt_report *report, bool traced)
{
    if (report->timeline->is_part)
        return traced ? "traced part of the run" : "recorded part of the run";
    return traced ? "traced run" : "run";
}

static int say(const struct gt_report *report, const struct gt_estimate *estimate,
               const struct gt_blocker_text *blame, struct gt_buf *text)
{
    const struct gt_whatif *whatif = report->whatif;
    const char *run = run_text(report, whatif->of_traced_run);
    bool as_it_is = estimate->kind == GT_ESTIMATE_RECORDED;
    char wall[32], recorded[32];
    uint32_t best = estimate->best_cores;

    if (estimate->wall_ns < 0)
        return gt_buf_addf(text, "How long the %s would take %s", run_text(report, false),
                           as_it_is ? "" : "if ") ||
               add_condition(estimate, blame, text) ||
               gt_buf_addf(text, " is not known: %s.", why_not(estimate->withheld));
    if (gt_buf_adds(text, as_it_is ? "As it is" : "If ") ||
        (!as_it_is && add_condition(estimate, blame, text)) ||
        gt_buf_addf(text, ", the %s would take about %s instead of %s", run,
                    gt_duration_text(estimate->wall_ns, wall, sizeof(wall)),
                    gt_duration_text(whatif->recorded_ns, recorded, sizeof(recorded))))
        return -1;
    if (best < GT_WHATIF_CORES &&
        gt_buf_addf(text, ", and %s on %g cores",
                    gt_duration_text(estimate->by_cores_ns[best], wall, sizeof(wall)),
                    whatif->core_count[best]))
        return -1;
    return gt_buf_adds(text, ".");
}

/* The function's own words; all empty when the estimate is of none. 0 or -1. */
static int blame_of(const struct gt_report *report, const struct gt_estimate *estimate,
                    struct gt_blocker_text *blame)
{
    *blame = (struct gt_blocker_text){0};
    if (estimate->kind != GT_ESTIMATE_FUNCTION)
        return 0;
    if (estimate->asked)
        return gt_buf_add_visible(&blame->function, estimate->asked, strlen(estimate->asked));
    return gt_blocker_text_init(
        blame, report,
        gt_blocker_at(&report->analysis->blockers[estimate->gil], estimate->row));
}

int gt_whatif_say(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_estimate *told = report->whatif->told;
    struct gt_blocker_text blame;
    int rc;

    if (!told)
        return 0;
    if (blame_of(report, told, &blame))
        return -1;
    rc = gt_findings_add(report, text, say(report, told, &blame, text));
    gt_blocker_text_release(&blame);
    return rc;
}

/* --- the table --- */

static int add_row(const struct gt_report *report, const struct gt_estimate *estimate,
                   struct gt_grid *grid)
{
    const struct gt_whatif *whatif = report->whatif;
    struct gt_blocker_text blame;
    struct gt_buf condition;
    char wall[32];
    int rc;

    if (blame_of(report, estimate, &blame))
        return -1;
    gt_buf_init(&condition);
    rc = add_condition(estimate, &blame, &condition);
    if (rc == 0)
        rc = gt_grid_add_buf(grid, &condition);
    for (uint32_t i = 0; rc == 0 && i < whatif->core_counts; i++)
        rc = gt_grid_add(grid, "%s",
                         estimate->by_cores_ns[i] < 0
                             ? "?"
                             : gt_duration_text(estimate->by_cores_ns[i], wall, sizeof(wall)));
    gt_blocker_text_release(&blame);
    gt_buf_release(&condition);
    return rc;
}

/* Why there are question marks, once each, and what the rest rests on. */
static int put_notes(const struct gt_report *report, struct gt_buf *out)
{
    const struct gt_whatif *whatif = report->whatif;
    bool said[GT_WITHHELD_COUNT] = {false};

    for (size_t i = 0; i < whatif->estimates.count; i++) {
        enum gt_withheld withheld = gt_estimate_at(whatif, i)->withheld;

        if (withheld == GT_WITHHELD_NOT || said[withheld])
            continue;
        said[withheld] = true;
        if (gt_buf_addf(out, "?: not known: %s.\n", why_not(withheld)))
            return -1;
    }
    return gt_buf_adds(out,
                       "Assumed: the same work in the same pieces; sleeps, files and replies "
                       "take as long as they did.\n\n");
}

static int put_title(const struct gt_report *report, struct gt_buf *out)
{
    const struct gt_whatif *whatif = report->whatif;
    char recorded[32];

    return gt_buf_addf(out,
                       "Estimated length of the %s (%s on %g core%s; the model reproduces "
                       "the recorded run to %.1f%%):\n\n",
                       run_text(report, whatif->of_traced_run),
                       gt_duration_text(whatif->recorded_ns, recorded, sizeof(recorded)),
                       whatif->cores, whatif->cores == 1 ? "" : "s",
                       100 * gt_whatif_error(whatif));
}

static int put_table(const struct gt_report *report, const struct gt_print_options *how,
                     struct gt_buf *out)
{
    const struct gt_whatif *whatif = report->whatif;
    struct gt_grid_column columns[1 + GT_WHATIF_CORES] = {{"if", GT_GRID_LEFT | GT_GRID_NAME}};
    char heads[GT_WHATIF_CORES][24];
    struct gt_grid grid;
    int rc = 0;

    for (uint32_t i = 0; i < whatif->core_counts; i++) {
        snprintf(heads[i], sizeof(heads[i]), "%g core%s", whatif->core_count[i],
                 whatif->core_count[i] == 1 ? "" : "s");
        columns[1 + i].head = heads[i];
    }
    gt_grid_init(&grid, columns, 1 + whatif->core_counts);
    for (size_t i = 0; rc == 0 && i < whatif->estimates.count; i++)
        rc = add_row(report, gt_estimate_at(whatif, i), &grid);
    if (rc == 0)
        rc = gt_grid_print(&grid, how, out);
    gt_grid_release(&grid);
    return rc ? rc : gt_buf_adds(out, "\n");
}

/* Who would look for estimates learns why there are none. */
static int put_reason(const struct gt_report *report, struct gt_buf *out)
{
    const struct gt_verdicts *verdicts = &report->analysis->verdicts;
    const char *reason = reason_of(report->whatif);

    if (!verdicts->count || verdicts->list[0].bound == GT_BOUND_NOT)
        return 0;
    return gt_buf_addf(out, "What-if: nothing is estimated%s%s.\n\n", reason ? ": " : "",
                       reason ? reason : ", since nothing that was tried shortens the run");
}

int gt_whatif_print(const struct gt_report *report, const struct gt_print_options *how,
                    struct gt_buf *out)
{
    const struct gt_whatif *whatif = report->whatif;
    size_t start = out->length;
    int rc;

    if (!whatif->worth_a_table)
        rc = put_reason(report, out);
    else
        rc = put_title(report, out);
    if (rc == 0 && out->length > start)
        gt_text_wrap(out->data + start, how->width);
    if (rc || !whatif->worth_a_table)
        return rc;
    if (put_table(report, how, out))
        return -1;
    start = out->length;
    rc = put_notes(report, out);
    if (rc == 0)
        gt_text_wrap(out->data + start, how->width);
    return rc;
}

/* --- the summary --- */

/* A whole number as one. */
static json_t *count_value(double count)
{
    return count == (double)(int)count ? json_integer((int)count) : json_real(count);
}

static json_t *wall_value(const struct gt_whatif *whatif, int64_t wall_ns)
{
    (void)whatif;
    return wall_ns < 0 ? json_null() : json_integer(wall_ns);
}

static json_t *speedup_value(const struct gt_whatif *whatif, int64_t wall_ns)
{
    return wall_ns <= 0 ? json_null() : json_real(gt_whatif_speedup(whatif, wall_ns));
}

static json_t *cores_value(const struct gt_whatif *whatif, const struct gt_estimate *estimate)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < whatif->core_counts; i++)
        gt_json_add(&list,
                    json_pack("{s:o, s:o, s:o}", "cores", count_value(whatif->core_count[i]),
                              "wall_ns", wall_value(whatif, estimate->by_cores_ns[i]),
                              "speedup", speedup_value(whatif, estimate->by_cores_ns[i])));
    return list;
}

static json_t *withheld_value(enum gt_withheld withheld)
{
    static const char *const names[GT_WITHHELD_COUNT] = {
        [GT_WITHHELD_STUCK] = "order",
        [GT_WITHHELD_CLOCK] = "clock",
        [GT_WITHHELD_UNSEEN] = "unseen",
        [GT_WITHHELD_JOBS] = "jobs",
        [GT_WITHHELD_SLOWED] = "slowed",
        [GT_WITHHELD_BUSY] = "busy",
        [GT_WITHHELD_UNSEEN_FUNCTION] = "absent",
    };

    return names[withheld] ? json_string(names[withheld]) : json_null();
}

static json_t *text_or_null(const struct gt_buf *text)
{
    return text->length ? json_stringn(text->data, text->length) : json_null();
}

static json_t *estimate_value(const struct gt_report *report,
                              const struct gt_estimate *estimate)
{
    static const char *const names[] = {
        [GT_ESTIMATE_RECORDED] = "recorded",
        [GT_ESTIMATE_FUNCTION] = "function",
        [GT_ESTIMATE_FUNCTIONS] = "functions",
        [GT_ESTIMATE_NO_GIL] = "no-gil",
    };
    const struct gt_whatif *whatif = report->whatif;
    bool of_function = estimate->kind == GT_ESTIMATE_FUNCTION;
    struct gt_blocker_text blame;
    struct gt_buf sentence;
    json_t *value = NULL;

    gt_buf_init(&sentence);
    if (blame_of(report, estimate, &blame))
        return NULL;
    if (say(report, estimate, &blame, &sentence) == 0)
        value = json_pack(
            "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "if",
            names[estimate->kind], "gil",
            of_function && !estimate->asked ? json_integer(estimate->gil) : json_null(),
            "function", text_or_null(&blame.function), "file", text_or_null(&blame.file),
            "line", blame.line ? json_integer(blame.line) : json_null(), "caller",
            text_or_null(&blame.caller), "kept_cause",
            blame.cause ? json_string(blame.cause) : json_null(), "wall_ns",
            wall_value(whatif, estimate->wall_ns), "speedup",
            speedup_value(whatif, estimate->wall_ns), "by_cores", cores_value(whatif, estimate),
            "sentence", sentence.data, "withheld", withheld_value(estimate->withheld));
    gt_blocker_text_release(&blame);
    gt_buf_release(&sentence);
    return value;
}

static json_t *assumptions_value(const struct gt_report *report)
{
    static const char *const always[] = {
        "The threads do the same work, in the same pieces, however long they wait. Where they "
        "look at a clock again and again as they work, they may work until a time: then "
        "nothing is told that this would change.",
        "Sleeps, files, other programs and their replies take as long as they did; but sleeps "
        "that end in step with a clock still do. A lock, a queue, an event, a future, a join "
        "or a start waits for the thread that it waited for, or for whoever comes first; a "
        "full queue for who makes room; a pipe or a socket for the thread that wrote just "
        "before.",
        "Jobs that several threads took out of one queue, deque or list go to whoever is free.",
        "A daemon thread that worked to the end of the program works on as long as that runs.",
        "A function that releases the GIL does so for all of each call that it makes itself, "
        "and "
        "takes it back at the end; it needs no object of Python meanwhile.",
        "Without a GIL, Python code runs as fast as with one: what a free-threaded build costs "
        "by itself, and waits for locks that the GIL kept from being contended, are not in it.",
        "Threads share the cores evenly, and slow each other down in no other way (memory, "
        "caches).",
        "Times are those of the traced run: what tracing costs is in them."};
    const struct gt_whatif *whatif = report->whatif;
    char duration[32], text[256];
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        gt_json_add(&list, json_string(always[i]));
    if (whatif->grain_ns > 0) {
        snprintf(text, sizeof(text), "Holds shorter than %s were put together.",
                 gt_duration_text(whatif->grain_ns, duration, sizeof(duration)));
        gt_json_add(&list, json_string(text));
    }
    if (whatif->lost_ns > 0) {
        snprintf(text, sizeof(text),
                 "%s of the recording are lost, and taken for time without "
                 "the GIL that keeps its length.",
                 gt_duration_text(whatif->lost_ns, duration, sizeof(duration)));
        gt_json_add(&list, json_string(text));
    }
    return list;
}

json_t *gt_whatif_value(const struct gt_report *report)
{
    const struct gt_whatif *whatif = report->whatif;
    const char *reason = reason_of(whatif);
    bool replayed = whatif->replayed_ns > 0;
    json_t *list = json_array();

    for (size_t i = 0; i < whatif->estimates.count; i++)
        gt_json_add(&list, estimate_value(report, gt_estimate_at(whatif, i)));
    return json_pack("{s:o, s:o, s:I, s:o, s:o, s:o, s:o}", "reason",
                     reason ? json_string(reason) : json_null(), "cores",
                     count_value(whatif->cores), "recorded_ns", (json_int_t)whatif->recorded_ns,
                     "replayed_ns", replayed ? json_integer(whatif->replayed_ns) : json_null(),
                     "error", replayed ? json_real(gt_whatif_error(whatif)) : json_null(),
                     "assumptions", reason ? json_array() : assumptions_value(report),
                     "estimates", list);
}
