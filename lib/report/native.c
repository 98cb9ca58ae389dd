/* SPDX-License-Identifier: MIT */
#include "report/native.h"

#include "base/nstime.h"
#include "base/width.h"
#include "report/remedy.h"

#include <string.h>

/* Columns that a name may take in a table: those of C++ templates have no end. */
enum { NAME_WIDTH = 56 };

/* Is its name only its place in its library? */
static bool is_nameless(const struct gt_report *report, uint32_t frame)
{
    const char *symbol = gt_stacks_symbol(&report->timeline->native_stacks, frame);

    return !symbol[0] || symbol[0] == '+';
}

static const char *file_name(const struct gt_report *report, uint32_t frame)
{
    const char *dso = gt_stacks_dso(&report->timeline->native_stacks, frame);
    const char *slash = strrchr(dso, '/');

    return slash ? slash + 1 : dso;
}

int gt_native_name(const struct gt_report *report, uint32_t frame, struct gt_buf *out)
{
    const char *symbol = gt_stacks_symbol(&report->timeline->native_stacks, frame);
    const char *file = file_name(report, frame);

    if (!is_nameless(report, frame))
        return gt_buf_add_visible(out, symbol, strlen(symbol));
    return gt_buf_add_visible(out, file, strlen(file)) ||
           gt_buf_add_visible(out, symbol, strlen(symbol));
}

/* "91%", or "3 of 4 samples" where there are few. */
static int add_share(const struct gt_native_sum *part, const struct gt_native_sum *all,
                     struct gt_buf *out)
{
    if (all->samples < GT_NATIVE_FEW)
        return gt_buf_addf(out, " %llu of %llu sample%s", (unsigned long long)part->samples,
                           (unsigned long long)all->samples, all->samples == 1 ? "" : "s");
    return gt_buf_addf(out, " %.0f%%",
                       100.0 * (double)part->weight_ns / (double)all->weight_ns);
}

/* The same for people. */
static int add_short_name(const struct gt_report *report, uint32_t frame, struct gt_buf *out)
{
    struct gt_buf name;
    int rc;

    gt_buf_init(&name);
    rc = gt_native_name(report, frame, &name);
    if (rc == 0 && name.length)
        rc = gt_text_add_cut(out, name.data, NAME_WIDTH);
    gt_buf_release(&name);
    return rc;
}

/* One step, with its library where the next step is not in the same. */
static int add_step(const struct gt_report *report, const struct gt_native_way *way, uint32_t i,
                    struct gt_buf *out)
{
    const char *file = file_name(report, way->steps[i].frame);
    bool same =
        i + 1 < way->count && strcmp(file, file_name(report, way->steps[i + 1].frame)) == 0;

    if (add_short_name(report, way->steps[i].frame, out))
        return -1;
    if (same || !file[0] || is_nameless(report, way->steps[i].frame))
        return 0;
    return gt_buf_adds(out, " (") || gt_buf_add_visible(out, file, strlen(file)) ||
           gt_buf_adds(out, ")");
}

/* Of steps without names, one after the other in one library, only the last says something:
 * where it led to. */
static bool is_told(const struct gt_report *report, const struct gt_native_way *way, uint32_t i)
{
    uint32_t frame = way->steps[i].frame;

    return i + 1 == way->count || !is_nameless(report, frame) ||
           !is_nameless(report, way->steps[i + 1].frame) ||
           strcmp(file_name(report, frame), file_name(report, way->steps[i + 1].frame)) != 0;
}

/* The first steps and the last ones. */
static int add_steps(const struct gt_report *report, const struct gt_native_way *way,
                     struct gt_buf *out)
{
    enum { FIRST = 2, LAST = 3 };
    uint32_t told = 0, at = 0;
    bool left_out = false;

    for (uint32_t i = 0; i < way->count; i++)
        told += is_told(report, way, i);
    for (uint32_t i = 0; i < way->count; i++) {
        bool is_one = is_told(report, way, i);

        if (!is_one || (told > FIRST + LAST + 1 && at >= FIRST && at < told - LAST)) {
            at += is_one;
            left_out = true;
            continue;
        }
        if (at++ && gt_buf_adds(out, " \xe2\x86\x92 "))
            return -1;
        if (left_out && gt_buf_adds(out, "\xe2\x80\xa6 \xe2\x86\x92 "))
            return -1;
        left_out = false;
        if (add_step(report, way, i, out))
            return -1;
    }
    return 0;
}

static int add_way(const struct gt_report *report, const struct gt_native_way *way,
                   struct gt_buf *out)
{
    if (add_steps(report, way, out))
        return -1;
    return add_share(&way->steps[way->count - 1].inclusive, &way->all, out);
}

static int add_self(const struct gt_report *report, const struct gt_native_way *way,
                    struct gt_buf *out)
{
    const char *file = file_name(report, way->self);

    if (add_short_name(report, way->self, out))
        return -1;
    if (file[0] && !is_nameless(report, way->self) &&
        (gt_buf_adds(out, " (") || gt_buf_add_visible(out, file, strlen(file)) ||
         gt_buf_adds(out, ")")))
        return -1;
    return add_share(&way->self_sum, &way->all, out);
}

/* Is it worth a line what its code did itself, beside where the way leads? */
static bool self_counts(const struct gt_native_way *way)
{
    return way->self != GT_NO_INDEX && way->self_sum.weight_ns >= way->all.weight_ns / 10 &&
           !(way->count && way->steps[way->count - 1].frame == way->self);
}

/* Of Python code the interpreter's own functions say nothing. */
static bool leaves_interpreter(const struct gt_report *report, const struct gt_native_way *way)
{
    for (uint32_t i = 0; i < way->count; i++) {
        const char *dso = gt_stacks_dso(&report->timeline->native_stacks, way->steps[i].frame);

        if (dso[0] && !gt_stacks_is_python(dso, strlen(dso)))
            return true;
    }
    return false;
}

/* Of giltracer itself, whose cost is told elsewhere. */
static bool is_own(const struct gt_report *report, uint32_t frame)
{
    return strcmp(file_name(report, frame), "libgiltracer-agent.so") == 0;
}

static bool was_seen_asleep(const struct gt_report *report, uint32_t gil, uint32_t row)
{
    const struct gt_chunks *rows = &report->analysis->sleeps[gil].rows;

    return row < rows->count &&
           ((const struct gt_native_row *)gt_chunks_at(rows, row))->all.samples;
}

int gt_native_say(const struct gt_report *report, uint32_t gil, uint32_t row, bool kept,
                  struct gt_buf *out)
{
    enum gt_doing_kind kind = gt_blocker_at(&report->analysis->blockers[gil], row)->doing.kind;
    struct gt_native_way way;
    bool self;

    if (!report->timeline->saw_native)
        return 0;
    if (gt_native_way(&report->analysis->natives[gil], row, &way))
        return -1;
    if (!way.all.samples)
        return kept && kind == GT_DOING_C && !was_seen_asleep(report, gil, row)
                   ? gt_buf_adds(out, "no native sample in it")
                   : 0;
    while (way.count && is_own(report, way.steps[way.count - 1].frame))
        way.count--;
    self = self_counts(&way) && kind != GT_DOING_PYTHON && !is_own(report, way.self);
    if ((!way.count && !self) || kind == GT_DOING_GC ||
        (kind == GT_DOING_PYTHON && !leaves_interpreter(report, &way)))
        return 0;
    if (way.count && add_way(report, &way, out))
        return -1;
    if (!self)
        return 0;
    return gt_buf_adds(out, way.count ? "; most in " : "most in ") ||
                   add_self(report, &way, out)
               ? -1
               : 0;
}

static json_t *sum_value(const struct gt_native_sum *sum)
{
    return json_pack("{s:I, s:I}", "samples", (json_int_t)sum->samples, "ns",
                     (json_int_t)sum->weight_ns);
}

static json_t *frame_value(const struct gt_report *report, uint32_t frame,
                           const struct gt_native_sum *sum)
{
    const char *dso = gt_stacks_dso(&report->timeline->native_stacks, frame);
    const char *build = gt_stacks_build(&report->timeline->native_stacks, frame);
    json_t *value = sum_value(sum);
    struct gt_buf name;

    gt_buf_init(&name);
    gt_json_set(&value, "function",
                gt_native_name(report, frame, &name) ? NULL
                                                     : gt_json_text(name.data, name.length));
    gt_json_set(&value, "library", dso[0] ? gt_json_text(dso, strlen(dso)) : json_null());
    if (is_nameless(report, frame) && build[0])
        gt_json_set(&value, "build_id", json_string(build));
    gt_buf_release(&name);
    return value;
}

static json_t *way_value(const struct gt_report *report, const struct gt_native_way *way)
{
    json_t *value = sum_value(&way->all), *steps = json_array();

    for (uint32_t i = 0; i < way->count; i++)
        gt_json_add(&steps, frame_value(report, way->steps[i].frame, &way->steps[i].inclusive));
    gt_json_set(&value, "way", steps);
    gt_json_set(&value, "self",
                way->self == GT_NO_INDEX ? json_null()
                                         : frame_value(report, way->self, &way->self_sum));
    return value;
}

json_t *gt_native_value(const struct gt_report *report, uint32_t gil, uint32_t row)
{
    struct gt_native_way way;

    if (gt_native_way(&report->analysis->natives[gil], row, &way))
        return NULL;
    return way_value(report, &way);
}

int gt_native_say_asleep(const struct gt_report *report, uint32_t gil, uint32_t row,
                         struct gt_buf *out)
{
    struct gt_native_way way;
    char asleep[32];
    double share;

    if (gt_native_way(&report->analysis->sleeps[gil], row, &way))
        return -1;
    if (!way.all.weight_ns || !way.count)
        return 0;
    share = 100.0 * (double)way.steps[way.count - 1].inclusive.weight_ns /
            (double)way.all.weight_ns;
    if (gt_buf_addf(
            out, "asleep %s: ", gt_duration_text(way.all.weight_ns, asleep, sizeof(asleep))) ||
        add_steps(report, &way, out))
        return -1;
    return share < 99.5 ? gt_buf_addf(out, " %.0f%%", share) : 0;
}

json_t *gt_native_asleep_value(const struct gt_report *report, uint32_t gil, uint32_t row)
{
    const struct gt_blocker *blocker = gt_blocker_at(&report->analysis->blockers[gil], row);
    const char *call = gt_call_name(blocker->after.call);
    struct gt_native_way way;
    json_t *value;

    if (gt_native_way(&report->analysis->sleeps[gil], row, &way))
        return NULL;
    if (!way.all.samples)
        return json_null();
    value = way_value(report, &way);
    gt_json_set(&value, "call", call ? json_string(call) : json_null());
    return value;
}
