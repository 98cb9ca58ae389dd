/* SPDX-License-Identifier: MIT */
#include "metrics/exposition.h"

#include <string.h>

enum type { COUNTER, GAUGE, INFO };
enum level { OF_SELF, OF_PROCESS, OF_GROUP }; /* which labels it has */

enum metric {
    BUILD,
    RECORDING,
    FOLLOWED,
    UNFOLLOWED,
    RESTARTS,
    RECORDED,
    LOST,
    LOST_EVENTS,
    EVENTS,
    CPU,
    RESIDENT,
    UNTIL,
    WAIT,
    WAITS,
    LONGEST,
    HELD,
    CONTENDED,
    HANDOVERS,
    UNKNOWN,
};

static const struct family {
    enum metric metric;
    enum type type;
    enum level level;
    const char *name; /* without _total, _info */
    const char *unit; /* NULL: none */
    const char *help;
} families[] = {
    {BUILD, INFO, OF_SELF, "giltracer_build", NULL, "The version of giltracer"},
    {RECORDING, GAUGE, OF_SELF, "giltracer_recording", NULL,
     "1 while perf records, 0 once one has ended before its process"},
    {FOLLOWED, GAUGE, OF_SELF, "giltracer_followed_processes", NULL,
     "Processes that a perf of their own records; their children are counted, too"},
    {UNFOLLOWED, GAUGE, OF_SELF, "giltracer_unfollowed_processes", NULL,
     "Processes that are to be followed and are not: there are too many, or perf failed"},
    {RESTARTS, COUNTER, OF_SELF, "giltracer_perf_restarts", NULL,
     "How often perf ended before its process and was started again"},
    {RECORDED, COUNTER, OF_SELF, "giltracer_recorded_seconds", "seconds",
     "Time that was evaluated, lost parts included"},
    {LOST, COUNTER, OF_SELF, "giltracer_lost_seconds", "seconds",
     "Time of which nothing is known: perf or giltracer could not keep up"},
    {LOST_EVENTS, COUNTER, OF_SELF, "giltracer_lost_events", NULL,
     "Events that perf counted as lost"},
    {EVENTS, COUNTER, OF_SELF, "giltracer_events", NULL, "Events that were read"},
    {CPU, COUNTER, OF_SELF, "giltracer_cpu_seconds", "seconds",
     "CPU time of giltracer itself and of its perf"},
    {RESIDENT, GAUGE, OF_SELF, "giltracer_resident_memory_bytes", "bytes",
     "Memory of giltracer itself"},
    {UNTIL, GAUGE, OF_SELF, "giltracer_counted_until_timestamp_seconds", "seconds",
     "Wall clock: what happened before is counted"},
    {WAIT, COUNTER, OF_GROUP, "giltracer_gil_wait_seconds", "seconds",
     "Time that threads waited for the GIL"},
    {WAITS, COUNTER, OF_GROUP, "giltracer_gil_waits", NULL, "Waits for the GIL that began"},
    {LONGEST, GAUGE, OF_GROUP, "giltracer_gil_longest_wait_seconds", "seconds",
     "Longest wait of one thread for the GIL that went on in the last two seconds"},
    {HELD, COUNTER, OF_GROUP, "giltracer_gil_contended_hold_seconds", "seconds",
     "Time that threads held the GIL while another one waited for it"},
    {CONTENDED, COUNTER, OF_PROCESS, "giltracer_gil_contended_seconds", "seconds",
     "Time in which at least one thread waited for the GIL"},
    {HANDOVERS, COUNTER, OF_PROCESS, "giltracer_gil_handovers", NULL,
     "Acquisitions of the GIL by threads that had waited for it"},
    {UNKNOWN, COUNTER, OF_PROCESS, "giltracer_gil_unknown_seconds", "seconds",
     "Time of which nothing is known of the process's GIL: events were lost"},
};

/* --- values --- */

static int add_seconds(struct gt_buf *text, int64_t ns)
{
    return gt_buf_addf(text, " %lld.%09lld\n", (long long)(ns / 1000000000),
                       (long long)(ns % 1000000000));
}

static int add_count(struct gt_buf *text, uint64_t count)
{
    return gt_buf_addf(text, " %llu\n", (unsigned long long)count);
}

/* A label's value, between quotes. */
static int add_value(struct gt_buf *text, const char *value)
{
    struct gt_buf visible;
    int failed;

    gt_buf_init(&visible);
    failed = gt_buf_add_visible(&visible, value, strlen(value)) | gt_buf_adds(text, "\"");
    for (size_t i = 0; !failed && i < visible.length; i++) {
        char c = visible.data[i];

        if (c == '"' || c == '\\')
            failed |= gt_buf_add(text, "\\", 1);
        failed |= gt_buf_add(text, &c, 1);
    }
    failed |= gt_buf_adds(text, "\"");
    gt_buf_release(&visible);
    return failed ? -1 : 0;
}

/* "giltracer_gil_waits_total{pid="7",process="x.py"" */
static int add_process_labels(struct gt_buf *text, const struct family *family,
                              const struct gt_metrics_process *process)
{
    int failed = gt_buf_adds(text, family->name);

    if (family->type == COUNTER)
        failed |= gt_buf_adds(text, "_total");
    if (process->pid)
        failed |= gt_buf_addf(text, "{pid=\"%d\",process=", process->pid);
    else
        failed |= gt_buf_adds(text, "{pid=\"\",process=");
    return failed | add_value(text, process->label);
}

/* --- samples --- */

static int add_of_self(struct gt_buf *text, const struct family *family,
                       const struct gt_registry *registry, const struct gt_metrics_self *self)
{
    const char *name = family->name;
    int failed = family->metric == CPU || family->metric == BUILD ||
                         (family->metric == UNTIL && !self->until_unix_ns)
                     ? 0
                     : gt_buf_addf(text, "%s%s", name, family->type == COUNTER ? "_total" : "");

    switch (family->metric) {
    case BUILD:
        return gt_buf_addf(text, "%s_info{version=\"%s\"} 1\n", name, GT_VERSION);
    case RECORDING:
        return failed | add_count(text, self->recording);
    case FOLLOWED:
        return failed | add_count(text, self->followed);
    case UNFOLLOWED:
        return failed | add_count(text, self->unfollowed);
    case RESTARTS:
        return failed | add_count(text, self->perf_restarts);
    case RECORDED:
        return failed | add_seconds(text, registry->recorded_ns);
    case LOST:
        return failed | add_seconds(text, registry->lost_ns);
    case LOST_EVENTS:
        return failed | add_count(text, registry->lost_events);
    case EVENTS:
        return failed | add_count(text, registry->events);
    case CPU:
        return gt_buf_addf(text, "%s_total{part=\"giltracer\"}", name) |
               add_seconds(text, self->own_cpu_ns) |
               gt_buf_addf(text, "%s_total{part=\"perf\"}", name) |
               add_seconds(text, self->perf_cpu_ns);
    case RESIDENT:
        return failed | add_count(text, self->resident_bytes);
    case UNTIL:
        return self->until_unix_ns ? failed | add_seconds(text, self->until_unix_ns) : 0;
    default:
        return -1;
    }
}

static int add_of_process(struct gt_buf *text, const struct family *family,
                          const struct gt_metrics_process *process)
{
    int failed = add_process_labels(text, family, process) | gt_buf_adds(text, "}");

    switch (family->metric) {
    case CONTENDED:
        return failed | add_seconds(text, process->contended_ns);
    case HANDOVERS:
        return failed | add_count(text, process->handovers);
    case UNKNOWN:
        return failed | add_seconds(text, process->unknown_ns);
    default:
        return -1;
    }
}

static int add_of_group(struct gt_buf *text, const struct family *family,
                        const struct gt_metrics_process *process,
                        const struct gt_metrics_group *group)
{
    int failed = add_process_labels(text, family, process) | gt_buf_adds(text, ",group=") |
                 add_value(text, group->name) | gt_buf_adds(text, "}");

    switch (family->metric) {
    case WAIT:
        return failed | add_seconds(text, group->wait_ns);
    case WAITS:
        return failed | add_count(text, group->waits);
    case LONGEST:
        return failed | add_seconds(text, group->longest_wait_ns);
    case HELD:
        return failed | add_seconds(text, group->held_ns);
    default:
        return -1;
    }
}

static int add_samples(struct gt_buf *text, const struct family *family,
                       const struct gt_metrics_process *process)
{
    int failed = 0;

    if (family->level == OF_PROCESS)
        return add_of_process(text, family, process);
    for (size_t i = 0; i < process->group_count; i++)
        failed |= add_of_group(text, family, process, &process->groups[i]);
    if (process->has_other)
        failed |= add_of_group(text, family, process, &process->groups[GT_METRICS_GROUPS_MAX]);
    return failed;
}

/* --- families --- */

static int add_head(struct gt_buf *text, const struct family *family, bool open_metrics)
{
    static const char *const types[] = {"counter", "gauge", "info"};
    const char *suffix = "", *type = types[family->type];
    int failed;

    if (!open_metrics && family->type == COUNTER)
        suffix = "_total";
    if (!open_metrics && family->type == INFO) {
        suffix = "_info";
        type = "gauge";
    }
    failed = gt_buf_addf(text, "# HELP %s%s %s.\n# TYPE %s%s %s\n", family->name, suffix,
                         family->help, family->name, suffix, type);
    if (open_metrics && family->unit)
        failed |= gt_buf_addf(text, "# UNIT %s %s\n", family->name, family->unit);
    return failed;
}

int gt_exposition_text(struct gt_buf *text, const struct gt_registry *registry,
                       const struct gt_metrics_self *self, bool open_metrics)
{
    int failed = 0;

    for (size_t i = 0; !failed && i < sizeof(families) / sizeof(families[0]); i++) {
        const struct family *family = &families[i];

        failed |= add_head(text, family, open_metrics);
        if (family->level == OF_SELF) {
            failed |= add_of_self(text, family, registry, self);
            continue;
        }
        for (size_t j = 0; j < registry->count; j++)
            failed |= add_samples(text, family, &registry->processes[j]);
        if (registry->has_other)
            failed |= add_samples(text, family, &registry->other);
    }
    return failed | gt_buf_adds(text, "# EOF\n") ? -1 : 0;
}
