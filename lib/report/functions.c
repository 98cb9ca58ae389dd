#include "report/internal.h"

#include "base/nstime.h"

#include <jansson.h>
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
    return a->name < b->name ? -1 : a->name > b->name;
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

static int say_untraced(const struct gt_report *report, const struct extent *extent,
                        struct gt_buf *text)
{
    int failed = 0;

    for (size_t i = 0; i < extent->untraced_count && i < NAMED_MAX; i++)
        failed |= gt_buf_adds(text, i ? ", " : "") ||
                  add_name(report->timeline, extent->untraced[i], text);
    if (extent->untraced_count > NAMED_MAX)
        failed |= gt_buf_addf(text, " and %zu more", extent->untraced_count - NAMED_MAX);
    return failed |
           gt_buf_addf(
               text,
               ": untraced, %llu calls seen. Tracing what is called so often would have "
               "slowed the program beyond --overhead-budget.",
               (unsigned long long)extent->untraced_calls);
}

static int push(struct gt_report *report, struct gt_buf *text, int failed)
{
    failed = failed || gt_strvec_push(&report->findings, text->data);
    gt_buf_reset(text);
    return failed ? -1 : 0;
}

int gt_functions_say(struct gt_report *report)
{
    const struct gt_timeline *timeline = report->timeline;
    struct extent extent;
    struct gt_buf text;
    char after[32];
    int rc = measure(timeline, &extent);

    gt_buf_init(&text);
    if (rc == 0 && extent.untraced_count)
        rc = push(report, &text, say_untraced(report, &extent, &text));
    if (rc == 0 && extent.places)
        rc = push(report, &text,
                  gt_buf_addf(&text,
                              "From %llu places in the code that called Python functions "
                              "thousands of times running, later calls of C functions are not "
                              "recorded.",
                              (unsigned long long)extent.places));
    if (rc == 0 && timeline->stopped_ns >= 0)
        rc = push(report, &text,
                  gt_buf_addf(&text,
                              "Recording stopped after %s: the agent's logs had reached "
                              "--max-log-size. What came later is missing.",
                              gt_duration_text(timeline->stopped_ns - gt_report_zero_ns(report),
                                               after, sizeof(after))));
    gt_buf_release(&text);
    free(extent.untraced);
    return rc;
}

static json_t *name_value(const struct gt_timeline *timeline, uint32_t id)
{
    struct gt_buf clean;
    json_t *value = NULL;

    gt_buf_init(&clean);
    if (gt_buf_add_utf8(&clean, gt_intern_text(&timeline->names, id),
                        gt_intern_length(&timeline->names, id)) == 0)
        value = json_stringn(clean.length ? clean.data : "", clean.length);
    gt_buf_release(&clean);
    return value;
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

        json_array_append_new(list, json_pack("{s:o, s:o, s:I, s:I}", "name",
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
