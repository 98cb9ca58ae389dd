/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "base/nstime.h"
#include "report/labels.h"
#include "report/values.h"

#include <string.h>

enum { NOTABLE_PART = 10 }; /* what is less than the tenth part of a sum needs no words */

/* What recording cost the program, in words and in the summary. */

/* The options that record for less; NULL: none. */
static const char *cheaper(enum gt_cheaper cheaper)
{
    switch (cheaper) {
    case GT_CHEAPER_NONE:
        break;
    case GT_CHEAPER_NO_FUNCTIONS:
        return "--no-python-trace";
    case GT_CHEAPER_FUTEX:
        return "--gil-source futex";
    case GT_CHEAPER_AGENT:
        return "--gil-source agent";
    case GT_CHEAPER_AGENT_NO_FUNCTIONS:
        return "--gil-source agent --no-python-trace";
    }
    return NULL;
}

/* "1041475 events of the GIL at 1.2 µs, 30 calls at 70 ns". */
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

/* The parts are those of all threads, each by itself. The program may have run longer by more
 * than their sum, where CPUs were shared, or by less (analysis/cost.h). */
static int say_difference(const struct gt_cost *cost, struct gt_buf *text)
{
    int64_t more_ns = cost->total_ns - cost->cpu_ns;
    char duration[32];

    if (more_ns > cost->total_ns / NOTABLE_PART)
        return gt_buf_addf(text, ", %s of waits for a CPU meanwhile",
                           gt_duration_text(more_ns, duration, sizeof(duration)));
    if (-more_ns > cost->total_ns / NOTABLE_PART)
        return gt_buf_addf(text, ": %s in all threads together",
                           gt_duration_text(cost->cpu_ns, duration, sizeof(duration)));
    return 0;
}

/* Beside the calls. */
static int say_rest(const struct gt_report *report, struct gt_buf *text)
{
    const struct gt_cost *cost = &report->analysis->cost;
    char duration[32];

    if (cost->code_ns > 0 &&
        gt_buf_addf(text, ", %s by Python code that is slower while it is traced",
                    gt_duration_text(cost->code_ns, duration, sizeof(duration))))
        return -1;
    if (report->analysis->cost_weight.handovers_matter &&
        gt_buf_addf(text, ", %s of waits for the GIL that these caused",
                    gt_duration_text(cost->waiting_ns, duration, sizeof(duration))))
        return -1;
    return say_difference(cost, text);
}

static int say_dear(const struct gt_report *report, struct gt_buf *text)
{
    const char *option = cheaper(report->analysis->cost_weight.cheaper);

    if (gt_buf_adds(text, report->whatif->estimates.count
                              ? " The verdict and the estimates are of the traced run"
                              : " The verdict is of the traced run"))
        return -1;
    return option ? gt_buf_addf(text, "; %s records for less.", option)
                  : gt_buf_adds(text, ".");
}

static int add(const struct gt_report *report, enum gt_cost_level level, struct gt_buf *text)
{
    const struct gt_cost *cost = &report->analysis->cost;
    char total[32];

    if (gt_buf_addf(text, "Recording itself cost the program about %s (%.0f%% of %s): ",
                    gt_duration_text(cost->total_ns, total, sizeof(total)),
                    report->analysis->cost_weight.percent, gt_report_whole(report)) ||
        say_parts(cost, text) || say_rest(report, text) || gt_buf_adds(text, "."))
        return -1;
    return level == GT_COST_DEAR ? say_dear(report, text) : 0;
}

static int say(struct gt_report *report, enum gt_cost_level level, struct gt_buf *text)
{
    if (report->analysis->cost_weight.level != level)
        return 0;
    return gt_findings_add(report, text, add(report, level, text));
}

int gt_cost_say_dear(struct gt_report *report, struct gt_buf *text)
{
    return say(report, GT_COST_DEAR, text);
}

int gt_cost_say(struct gt_report *report, struct gt_buf *text)
{
    return say(report, GT_COST_TOLD, text);
}

/* What is left out to record for less. */
static const char *without(const struct gt_report *report)
{
    if (report->timeline->saw_stacks)
        return "without --call-graph";
    return report->recorded->detect & GT_DETECT_SCHED ? "without --state-detect"
                                                      : "--gil-source agent";
}

int gt_cost_say_perf(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_perf_cost *cost = &report->analysis->perf_cost;
    char all[32], each[32];
    int rc = 0;

    if (cost->states_dear)
        rc = gt_findings_add(
            report, text,
            gt_buf_addf(text,
                        "Recording the scheduler cost about %s, %.0f%% of the program's CPU "
                        "time: %llu times a thread left its CPU, at %s%s. More than "
                        "--overhead-budget; %s records for less.",
                        gt_duration_text(cost->states_ns, all, sizeof(all)),
                        cost->states_percent, (unsigned long long)report->recorded->switches,
                        gt_duration_text(cost->switch_ns, each, sizeof(each)),
                        report->timeline->saw_stacks ? " with its stack" : "",
                        without(report)));
    if (rc == 0 && cost->counters_dear)
        rc = gt_findings_add(
            report, text,
            gt_buf_addf(text,
                        "Recording the events of -e cost some %s, %.0f%% of the program's CPU "
                        "time: %llu of them. More than --overhead-budget.",
                        gt_duration_text(cost->counters_ns, all, sizeof(all)),
                        cost->counters_percent, (unsigned long long)report->recorded->counted));
    return rc;
}

static json_t *optional_number(int64_t value)
{
    return value >= 0 ? json_integer(value) : json_null();
}

json_t *gt_cost_value(const struct gt_report *report)
{
    const struct gt_cost *cost = &report->analysis->cost;
    const struct gt_cost_weight *weight = &report->analysis->cost_weight;
    const char *option = weight->level == GT_COST_DEAR ? cheaper(weight->cheaper) : NULL;
    const struct gt_perf_cost *perf = &report->analysis->perf_cost;

    return json_pack(
        "{s:I, s:o, s:o, s:o, s:I, s:o, s:b, s:I, s:o, s:b, s:I, s:I, s:o, s:o, s:o}",
        "switches", (json_int_t)report->recorded->switches, "switch_ns",
        optional_number(perf->switch_ns), "states_ns",
        optional_number(perf->switch_ns >= 0 ? perf->states_ns : -1), "counters_ns",
        optional_number(perf->switch_ns >= 0 ? perf->counters_ns : -1), "gil_events",
        (json_int_t)cost->gil_events, "gil_event_ns", optional_number(cost->gil_event_ns),
        "gil_measured", cost->gil_measured, "calls", (json_int_t)cost->calls, "call_ns",
        optional_number(cost->call_ns), "calls_measured", cost->calls_measured, "code_ns",
        (json_int_t)cost->code_ns, "waiting_ns", (json_int_t)cost->waiting_ns, "cpu_ns",
        optional_number(cost->cpu_ns), "total_ns", optional_number(cost->total_ns), "cheaper",
        option ? json_string(option) : json_null());
}
