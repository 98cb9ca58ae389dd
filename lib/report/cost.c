#include "report/values.h"

#include "base/nstime.h"

#include <string.h>

/* What recording cost the program, in words and in the summary. */

enum {
    TOLD_PERCENT = 5,   /* of the run: from here on it is told */
    WAITING_SHARE = 10, /* one part in so many of it: hand-overs are told */
    DEAR_PERCENT =
        10, /* from here on, what else is told is of another run than the program's own */
};

static double percent_of_run(const struct gt_report *report)
{
    int64_t wall_ns = report->timeline->end_ns - gt_report_zero_ns(report);
    int64_t cost_ns = report->analysis->cost.total_ns;

    return wall_ns > 0 && cost_ns > 0 ? 100.0 * (double)cost_ns / (double)wall_ns : 0.0;
}

/* What of it the GIL's events cost, rather than calls. */
static double gil_ns(const struct gt_cost *cost)
{
    return cost->gil_event_ns > 0 ? (double)cost->gil_event_ns * (double)cost->gil_events : 0;
}

static double calls_ns(const struct gt_cost *cost)
{
    return cost->call_ns > 0 ? (double)cost->call_ns * (double)cost->calls : 0;
}

/* Which options record for less; NULL: none. */
static const char *cheaper(const struct gt_report *report)
{
    const struct gt_cost *cost = &report->analysis->cost;
    double traced_ns = calls_ns(cost) + (double)cost->code_ns;
    bool mostly_calls = traced_ns > gil_ns(cost), both = traced_ns > gil_ns(cost) / 4;

    if (mostly_calls)
        return report->recorded->viztracer ? NULL : "--no-python-trace";
    if (report->recorded->agent_sees_gil)
        return "--gil-source futex";
    return both ? "--gil-source agent --no-python-trace" : "--gil-source agent";
}

/* "1041475 events of the GIL at 1.2 us, 30 calls at 70 ns". */
static int say_parts(const struct gt_cost *cost, struct gt_buf *text)
{
    bool gil = cost->gil_events && cost->gil_event_ns >= 0;
    char each[32];

    if (gil &&
        gt_buf_addf(text, "%llu events of the GIL at %s", (unsigned long long)cost->gil_events,
                    gt_duration_text(cost->gil_event_ns, each, sizeof(each))))
        return -1;
    if (cost->calls && cost->call_ns >= 0)
        return gt_buf_addf(text, "%s%llu calls at %s", gil ? ", " : "",
                           (unsigned long long)cost->calls,
                           gt_duration_text(cost->call_ns, each, sizeof(each)));
    return 0;
}

/* Beside the calls. */
static int say_rest(const struct gt_cost *cost, struct gt_buf *text)
{
    char duration[32];

    if (cost->code_ns > 0 &&
        gt_buf_addf(text, ", %s by Python code that is slower while it is traced",
                    gt_duration_text(cost->code_ns, duration, sizeof(duration))))
        return -1;
    return cost->waiting_ns > cost->total_ns / WAITING_SHARE
               ? gt_buf_addf(text, ", and %s of hand-overs that these caused",
                             gt_duration_text(cost->waiting_ns, duration, sizeof(duration)))
               : 0;
}

static int say_dear(const struct gt_report *report, struct gt_buf *text)
{
    const char *option = cheaper(report);

    if (gt_buf_adds(text, report->whatif->estimates.count
                              ? " The verdict and the estimates are of the traced run"
                              : " The verdict is of the traced run"))
        return -1;
    return option ? gt_buf_addf(text, "; %s records for less.", option)
                  : gt_buf_adds(text, ".");
}

static int say(struct gt_report *report, bool dear)
{
    const struct gt_cost *cost = &report->analysis->cost;
    struct gt_buf text;
    char total[32];
    int failed;

    gt_buf_init(&text);
    failed =
        gt_buf_addf(&text, "Recording itself cost the program about %s (%.0f%% of the run): ",
                    gt_duration_text(cost->total_ns, total, sizeof(total)),
                    percent_of_run(report)) ||
        say_parts(cost, &text) || say_rest(cost, &text) || gt_buf_adds(&text, ".") ||
        (dear && say_dear(report, &text)) || gt_strvec_push(&report->findings, text.data);
    gt_buf_release(&text);
    return failed ? -1 : 0;
}

int gt_cost_say_dear(struct gt_report *report)
{
    return percent_of_run(report) >= DEAR_PERCENT ? say(report, true) : 0;
}

int gt_cost_say(struct gt_report *report)
{
    double percent = percent_of_run(report);

    return percent >= TOLD_PERCENT && percent < DEAR_PERCENT ? say(report, false) : 0;
}

static json_t *optional_number(int64_t value)
{
    return value >= 0 ? json_integer(value) : json_null();
}

json_t *gt_cost_value(const struct gt_report *report)
{
    const struct gt_cost *cost = &report->analysis->cost;
    const char *option = percent_of_run(report) >= DEAR_PERCENT ? cheaper(report) : NULL;

    return json_pack(
        "{s:I, s:o, s:b, s:I, s:o, s:b, s:I, s:I, s:o, s:o, s:o}", "gil_events",
        (json_int_t)cost->gil_events, "gil_event_ns", optional_number(cost->gil_event_ns),
        "gil_measured", cost->gil_measured, "calls", (json_int_t)cost->calls, "call_ns",
        optional_number(cost->call_ns), "calls_measured", cost->calls_measured, "code_ns",
        (json_int_t)cost->code_ns, "waiting_ns", (json_int_t)cost->waiting_ns, "cpu_ns",
        optional_number(cost->cpu_ns), "total_ns", optional_number(cost->total_ns), "cheaper",
        option ? json_string(option) : json_null());
}
