/* SPDX-License-Identifier: MIT */
#include "report/facts.h"

#include "analysis/analysis.h"
#include "base/nstime.h"
#include "report/internal.h"
#include "report/labels.h"

#include <stdio.h>
#include <string.h>

/* "12 345", with a narrow space that does not break. */
static int add_count(struct gt_buf *text, uint64_t count)
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);

    for (int i = 0; i < length; i++)
        if ((i > 0 && (length - i) % 3 == 0 && gt_buf_adds(text, "\u202f")) ||
            gt_buf_add(text, &digits[i], 1))
            return -1;
    return 0;
}

static int add_ending(const struct gt_report *report, struct gt_buf *text)
{
    const struct gt_run_info *info = report->info;

    if (info->term_signal > 0)
        return gt_buf_addf(text, "killed by signal %d", info->term_signal);
    return info->exit_status >= 0 ? gt_buf_addf(text, "exit status %d", info->exit_status) : 0;
}

static const char *gil_source(const struct gt_report *report)
{
    if (report->info->gil_source)
        return report->info->gil_source;
    if (!report->timeline->gils.count)
        return NULL;
    switch (gt_gil_at(report->timeline, 0)->source) {
    case GT_GIL_FROM_COND:
        return "libc’s condition variables";
    case GT_GIL_FROM_FUTEX:
        return "futex calls";
    case GT_GIL_FROM_FUNCTIONS:
    case GT_GIL_IS_LOCK: /* no GIL is */
        break;
    }
    return "probes of take_gil and drop_gil";
}

/* Where the GIL's events, the functions and the states came from. */
static int add_sources(const struct gt_report *report, struct gt_buf *text)
{
    const char *gil = gil_source(report);
    const char *functions = gt_report_function_source(report);

    if (gil && gt_buf_addf(text, "GIL: %s", gil))
        return -1;
    if (functions && gt_buf_addf(text, "%sfunctions: %s", text->length ? ", " : "", functions))
        return -1;
    return gt_report_shows_states(report)
               ? gt_buf_addf(text, "%sstates: %s", text->length ? ", " : "",
                             report->timeline->saw_reasons ? "scheduler tracepoints"
                                                           : "switch records")
               : 0;
}

/* "408 GIL events at 1.5 µs" */
static int add_part(struct gt_buf *text, uint64_t count, int64_t each_ns, const char *what,
                    const char **separator)
{
    char duration[32];

    if (count == 0 || each_ns < 0)
        return 0;
    if (gt_buf_adds(text, *separator) || add_count(text, count))
        return -1;
    *separator = ", ";
    return gt_buf_addf(text, " %s at %s", what,
                       gt_duration_text(each_ns, duration, sizeof(duration)));
}

static int add_cost(const struct gt_report *report, struct gt_buf *text)
{
    const struct gt_cost *cost = &report->analysis->cost;
    const char *separator = "";
    char duration[32];

    if (cost->total_ns < 0)
        return 0;
    return gt_buf_addf(text, "about %s, %.1f%% of %s (",
                       gt_duration_text(cost->total_ns, duration, sizeof(duration)),
                       gt_percent(cost->total_ns, report->analysis->wall_ns),
                       gt_report_whole(report)) ||
                   add_part(text, cost->gil_events, cost->gil_event_ns, "GIL events",
                            &separator) ||
                   add_part(text, cost->calls, cost->call_ns, "calls", &separator) ||
                   gt_buf_adds(text, ")")
               ? -1
               : 0;
}

static int add_version(const struct gt_report *report, struct gt_buf *text)
{
    return report->info->version ? gt_buf_adds(text, report->info->version) : 0;
}

static int add_interpreter(const struct gt_report *report, struct gt_buf *text)
{
    return report->info->interpreter ? gt_buf_adds(text, report->info->interpreter) : 0;
}

static int add_user(const struct gt_report *report, struct gt_buf *text)
{
    return report->info->user ? gt_buf_adds(text, report->info->user) : 0;
}

/* "state-detect, fail-if: /home/x/pyproject.toml" */
static int add_config(const struct gt_report *report, struct gt_buf *text)
{
    const struct gt_run_config *config = report->info->config;

    for (; config && config->file; config++) {
        for (char *const *name = config->options; name && *name; name++)
            if (gt_buf_adds(text, name == config->options && text->length ? "; "
                                  : name != config->options               ? ", "
                                                                          : "") ||
                gt_buf_adds(text, *name))
                return -1;
        if (config->options && *config->options && gt_buf_addf(text, ": %s", config->file))
            return -1;
    }
    return 0;
}

static int add_because(const struct gt_report *report, struct gt_buf *text)
{
    return report->info->because ? gt_buf_adds(text, report->info->because) : 0;
}

static int add_host(const struct gt_report *report, struct gt_buf *text)
{
    return report->info->host ? gt_buf_adds(text, report->info->host) : 0;
}

/* "service=checkout, zone=a, rank 3" */
static int add_labels(const struct gt_report *report, struct gt_buf *text)
{
    const struct gt_run_info *info = report->info;

    for (const struct gt_label *label = info->labels; label && label->key; label++)
        if (gt_buf_addf(text, "%s%s=%s", text->length ? ", " : "", label->key, label->value))
            return -1;
    return info->rank ? gt_buf_addf(text, "%srank %s", text->length ? ", " : "", info->rank)
                      : 0;
}

static int add_length(const struct gt_report *report, struct gt_buf *text)
{
    int64_t wall_ns = report->analysis->wall_ns;
    char duration[32];

    return wall_ns > 0
               ? gt_buf_adds(text, gt_duration_text(wall_ns, duration, sizeof(duration)))
               : 0;
}

static int add_events(const struct gt_report *report, struct gt_buf *text)
{
    uint64_t events = report->timeline->quality.events;

    return events ? add_count(text, events) : 0;
}

static int add_facts(const struct gt_report *report, struct gt_buf *json)
{
    static const struct {
        const char *name;
        int (*add)(const struct gt_report *report, struct gt_buf *text);
    } facts[] = {
        {"Interpreter", add_version},     {"Executable", add_interpreter},
        {"Written because", add_because}, {"Ran as", add_user},
        {"Ran for", add_length},          {"Ended with", add_ending},
        {"Sources", add_sources},         {"Recording cost", add_cost},
        {"Events", add_events},           {"Host", add_host},
        {"Labels", add_labels},           {"Options of files", add_config},
    };
    const char *separator = "";
    struct gt_buf text;
    int rc = gt_buf_adds(json, "\"facts\":[");

    gt_buf_init(&text);
    for (size_t i = 0; rc == 0 && i < sizeof(facts) / sizeof(facts[0]); i++) {
        gt_buf_reset(&text);
        rc = facts[i].add(report, &text);
        if (rc || !text.length)
            continue;
        rc = gt_buf_addf(json, "%s[\"%s\",\"", separator, facts[i].name) ||
             gt_buf_add_json(json, text.data, text.length) || gt_buf_adds(json, "\"]");
        separator = ",";
    }
    gt_buf_release(&text);
    return rc || gt_buf_adds(json, "],\n") ? -1 : 0;
}

/* As a shell would read it. */
static int add_word(const char *word, struct gt_buf *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@%+=:,./-";

    if (word[0] && !word[strspn(word, plain)])
        return gt_buf_adds(text, word);
    if (gt_buf_adds(text, "'"))
        return -1;
    for (; *word; word++)
        if (*word == '\'' ? gt_buf_adds(text, "'\\''") : gt_buf_add(text, word, 1))
            return -1;
    return gt_buf_adds(text, "'");
}

static int add_command(const struct gt_report *report, struct gt_buf *json)
{
    struct gt_buf text;
    int rc = 0;

    gt_buf_init(&text);
    for (char *const *word = report->info->argv; rc == 0 && word && *word; word++)
        rc = (word != report->info->argv && gt_buf_adds(&text, " ")) || add_word(*word, &text);
    rc = rc || gt_buf_adds(json, "\"command\":\"") ||
         (text.length && gt_buf_add_json(json, text.data, text.length)) ||
         gt_buf_adds(json, "\",\n");
    gt_buf_release(&text);
    return rc ? -1 : 0;
}

/* What recording cost, in a few words: they are in view however much there is to tell. What is
 * dear has a sentence, too. */
static int add_cost_line(const struct gt_report *report, struct gt_buf *json)
{
    const struct gt_cost *cost = &report->analysis->cost;
    const struct gt_perf_cost *perf = &report->analysis->perf_cost;
    const char *separator = "Recording cost ";

    if (gt_buf_adds(json, "\"cost\":\""))
        return -1;
    if (cost->total_ns >= 0) {
        if (gt_buf_addf(json, "%s%.1f%% of %s", separator,
                        gt_percent(cost->total_ns, report->analysis->wall_ns),
                        gt_report_whole(report)))
            return -1;
        separator = "; ";
    }
    if (perf->states_dear) {
        if (gt_buf_addf(json, "%s%.0f%% of the CPU time for the scheduler", separator,
                        perf->states_percent))
            return -1;
        separator = ", ";
    }
    if (perf->counters_dear &&
        gt_buf_addf(json, "%s%.0f%% of the CPU time for -e", separator, perf->counters_percent))
        return -1;
    return gt_buf_adds(json, "\",\n");
}

static int add_defects(const struct gt_report *report, struct gt_buf *json)
{
    const struct gt_quality *quality = &report->timeline->quality;
    const struct {
        uint64_t count;
        const char *what;
    } defects[] = {
        {quality->unordered, "events were out of order"},
        {quality->duplicates, "events were recorded twice"},
        {quality->unparsed_lines, "lines of input were not understood"},
    };
    const char *separator = "";

    if (gt_buf_adds(json, "\"defects\":["))
        return -1;
    for (size_t i = 0; i < sizeof(defects) / sizeof(defects[0]); i++) {
        if (!defects[i].count)
            continue;
        if (gt_buf_addf(json, "%s\"", separator) || add_count(json, defects[i].count) ||
            gt_buf_addf(json, " %s\"", defects[i].what))
            return -1;
        separator = ",";
    }
    return gt_buf_adds(json, "],\n");
}

static int add_states(struct gt_buf *json)
{
    static const char *const meanings[GT_SCHED_STATES] = {
        [GT_SCHED_NONE] = "",
        [GT_SCHED_RUNNING] = "On a CPU.",
        [GT_SCHED_PREEMPTED] = "Ready to run; another task took its CPU.",
        [GT_SCHED_WOKEN] = "Ready to run, woken or new; it has no CPU yet.",
        [GT_SCHED_SLEEPING] = "Asleep until something happens: I/O, a lock, a timer.",
        [GT_SCHED_SLEEPING_GIL] = "Asleep until it gets the GIL.",
        [GT_SCHED_UNINTERRUPTIBLE] = "Uninterruptible sleep in the kernel: mostly disk I/O.",
        [GT_SCHED_STOPPED] = "Stopped, by job control or a debugger.",
        [GT_SCHED_OFF_CPU] = "Gave up its CPU; the reason was not recorded.",
        [GT_SCHED_OFF_CPU_GIL] = "Gave up its CPU to wait for the GIL.",
    };
    int rc = gt_buf_adds(json, "\"states\":[");

    for (int i = 0; rc == 0 && i < GT_SCHED_STATES; i++)
        rc = gt_buf_addf(json, "%s\"%s\"", i ? "," : "",
                         gt_sched_state_name((enum gt_sched_state)i));
    rc = rc || gt_buf_adds(json, "],\n\"meanings\":[");
    for (int i = 0; rc == 0 && i < GT_SCHED_STATES; i++)
        rc = gt_buf_addf(json, "%s\"%s\"", i ? "," : "", meanings[i]);
    return rc || gt_buf_adds(json, "],\n") ? -1 : 0;
}

int gt_facts_json(const struct gt_report *report, struct gt_buf *json)
{
    return add_command(report, json) || add_facts(report, json) ||
                   add_cost_line(report, json) || add_defects(report, json) || add_states(json)
               ? -1
               : 0;
}
