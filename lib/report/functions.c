/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "base/nstime.h"
#include "base/order.h"
#include "report/values.h"

#include <stdlib.h>

/* What the trace of functions holds, and what it left out. */

enum { LISTED_MAX = 100, NAMED_MAX = 3 };

struct extent {
    uint64_t calls;          /* recorded one by one */
    uint64_t untraced_calls; /* seen before functions were let go of */
    uint64_t places;         /* in the code, from where calls of C functions are not seen */
    const struct gt_function_info **untraced; /* functions let go of, most calls first */
    size_t untraced_count;
};

static int by_calls(const void *left, const void *right)
{
    const struct gt_function_info *a = *(const struct gt_function_info *const *)left;
    const struct gt_function_info *b = *(const struct gt_function_info *const *)right;

    if (a->untraced_calls != b->untraced_calls)
        return a->untraced_calls > b->untraced_calls ? -1 : 1;
    return gt_order(a->name, b->name);
}

/* 0 or -1. Free `untraced`. */
static int measure(const struct gt_timeline *timeline, struct extent *extent)
{
    *extent = (struct extent){0};
    extent->untraced = calloc(timeline->functions.count + 1, sizeof(*extent->untraced));
    if (!extent->untraced)
        return -1;
    for (size_t i = 0; i < timeline->functions.count; i++) {
        const struct gt_function_info *called = gt_chunks_at(&timeline->functions, i);

        if (called->flags & GT_FUNCTION_PLACES) {
            extent->places += called->untraced_calls;
            continue;
        }
        extent->calls += called->calls;
        extent->untraced_calls += called->untraced_calls;
        if (called->untraced_calls)
            extent->untraced[extent->untraced_count++] = called;
    }
    qsort(extent->untraced, extent->untraced_count, sizeof(*extent->untraced), by_calls);
    return 0;
}

static int add_name(const struct gt_timeline *timeline, const struct gt_function_info *called,
                    struct gt_buf *text)
{
    return gt_buf_add_visible(text, gt_intern_text(&timeline->names, called->name),
                              gt_intern_length(&timeline->names, called->name));
}

static int add_untraced(const struct gt_report *report, const struct extent *extent,
                        struct gt_buf *text)
{
    for (size_t i = 0; i < extent->untraced_count && i < NAMED_MAX; i++)
        if (gt_buf_adds(text, i ? ", " : "") ||
            add_name(report->timeline, extent->untraced[i], text))
            return -1;
    if (extent->untraced_count > NAMED_MAX &&
        gt_buf_addf(text, " and %zu more", extent->untraced_count - NAMED_MAX))
        return -1;
    return gt_buf_addf(
        text,
        ": untraced, %llu calls seen. Tracing what is called so often would have "
        "slowed the program beyond --overhead-budget.",
        (unsigned long long)extent->untraced_calls);
}

static int say_extent(struct gt_report *report, const struct extent *extent,
                      struct gt_buf *text)
{
    if (extent->untraced_count &&
        gt_findings_add(report, text, add_untraced(report, extent, text)))
        return -1;
    if (!extent->places)
        return 0;
    return gt_findings_add(
        report, text,
        gt_buf_addf(text,
                    "%llu place%s in the code called Python functions thousands of times "
                    "running: C functions that are called there later are not recorded.",
                    (unsigned long long)extent->places, extent->places == 1 ? "" : "s"));
}

static int say_stopped(struct gt_report *report, struct gt_buf *text)
{
    int64_t stopped_ns = report->timeline->stopped_ns;
    char after[32];

    if (stopped_ns < 0)
        return 0;
    return gt_findings_add(
        report, text,
        gt_buf_addf(
            text,
            "Recording stopped after %s: the agent's logs had reached "
            "--max-log-size. What came later is missing.",
            gt_duration_text(stopped_ns - gt_report_zero_ns(report), after, sizeof(after))));
}

int gt_functions_say(struct gt_report *report, struct gt_buf *text)
{
    struct extent extent;
    int rc = measure(report->timeline, &extent);

    if (rc == 0)
        rc = say_extent(report, &extent, text);
    free(extent.untraced);
    return rc == 0 ? say_stopped(report, text) : rc;
}

static json_t *name_value(const struct gt_timeline *timeline, uint32_t id)
{
    return gt_json_text(gt_intern_text(&timeline->names, id),
                        gt_intern_length(&timeline->names, id));
}

json_t *gt_functions_value(const struct gt_report *report)
{
    const struct gt_timeline *timeline = report->timeline;
    struct extent extent;
    json_t *list;

    if (!timeline->functions.count)
        return json_null();
    if (measure(timeline, &extent))
        return NULL;
    list = json_array();
    for (size_t i = 0; i < extent.untraced_count && i < LISTED_MAX; i++) {
        const struct gt_function_info *called = extent.untraced[i];

        gt_json_add(&list, json_pack("{s:o, s:o, s:I, s:I}", "name",
                                     name_value(timeline, called->name), "file",
                                     name_value(timeline, called->file), "line",
                                     (json_int_t)called->line, "calls",
                                     (json_int_t)called->untraced_calls));
    }
    free(extent.untraced);
    return json_pack("{s:I, s:I, s:I, s:o, s:I, s:o}", "count",
                     (json_int_t)timeline->functions.count, "calls", (json_int_t)extent.calls,
                     "untraced_calls", (json_int_t)extent.untraced_calls, "untraced", list,
                     "places_let_go", (json_int_t)extent.places, "stopped_ns",
                     timeline->stopped_ns >= 0
                         ? json_integer(timeline->stopped_ns - gt_report_zero_ns(report))
                         : json_null());
}
