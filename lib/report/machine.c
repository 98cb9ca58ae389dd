/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "base/nstime.h"
#include "event/surroundings.h"
#include "report/values.h"

#include <string.h>

/* What the machine did to the program: quotas, steal, and too few CPUs. On the terminal only
 * where it matters; SCHEMA.md says what each key means. */

/* --- in words --- */

static int name_group(const struct gt_quota *quota, struct gt_buf *text)
{
    return gt_buf_adds(text, "cgroup ") ||
           gt_buf_add_visible(text, quota->path, strlen(quota->path));
}

/* "20% of a CPU", "150%"... as quotas are set: of one CPU. */
static int add_quota(const struct gt_quota *quota, struct gt_buf *text)
{
    return gt_buf_addf(text, "%.*f%% of one CPU", quota->cpus < 0.1, /* decimals */
                       100 * quota->cpus);
}

static int say_throttled(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_surroundings *machine = report->info->surroundings;
    const struct gt_quota *quota = report->analysis->interference.quota;
    char duration[32];

    if (!report->analysis->interference.quota_matters)
        return 0;
    return gt_findings_add(
        report, text,
        gt_buf_addf(text,
                    "The program was throttled %llu time%s, %s in all%s, by a CPU quota of ",
                    (unsigned long long)quota->throttled, quota->throttled == 1 ? "" : "s",
                    gt_duration_text(quota->throttled_ns, duration, sizeof(duration)),
                    machine->cpus == 1 ? "" : " (summed over CPUs)") ||
            add_quota(quota, text) || gt_buf_adds(text, " (") || name_group(quota, text) ||
            gt_buf_adds(text, quota->changed ? "; the least, since it changed)." : ").") ||
            (report->timeline->gils.count &&
             gt_buf_adds(
                 text,
                 " A thread is not counted as waiting for the GIL while it, or a thread "
                 "that was passing the GIL on, was stopped just before the wait began.")));
}

static int say_steal(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_surroundings *machine = report->info->surroundings;
    const struct gt_interference *found = &report->analysis->interference;
    char duration[32];

    if (!found->steal_matters)
        return 0;
    return gt_findings_add(
        report, text,
        gt_buf_addf(text,
                    "The hypervisor gave %.0f%% of the time of the program's CPUs (%s) "
                    "to other machines.",
                    gt_percent(machine->steal_ns, found->steal_of_ns),
                    gt_duration_text(machine->steal_ns, duration, sizeof(duration))));
}

static int say_ready(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_surroundings *machine = report->info->surroundings;
    const struct gt_interference *found = &report->analysis->interference;
    bool exact = found->ready_source == GT_READY_FROM_SCHEDULER;
    char duration[32];
    int failed;

    if (!found->ready_matters)
        return 0;
    failed = gt_buf_addf(text, "Threads were ready to run and had no CPU for %s%s in all",
                         exact ? "" : "at least ",
                         gt_duration_text(found->ready_ns, duration, sizeof(duration)));
    if (!failed && machine && machine->allowed && machine->allowed < machine->cpus)
        failed = gt_buf_addf(text, "; the program may use %u of the machine's %u CPUs",
                             machine->allowed, machine->cpus);
    else if (!failed && machine && machine->allowed)
        failed = gt_buf_addf(text, "; the machine has %u CPU%s", machine->allowed,
                             machine->allowed == 1 ? "" : "s");
    return gt_findings_add(report, text, failed || gt_buf_adds(text, "."));
}

int gt_machine_say(struct gt_report *report, struct gt_buf *text)
{
    int rc = 0;

    if (report->info->surroundings) {
        rc = say_throttled(report, text);
        if (rc == 0)
            rc = say_steal(report, text);
    }
    if (rc == 0)
        rc = say_ready(report, text);
    return rc;
}

static int add_waiting(const struct gt_report *report, struct gt_buf *text)
{
    const struct gt_crowd *crowd = &report->analysis->crowd;
    char duration[32];

    switch (report->analysis->interference.waiting) {
    case GT_WAITING_NOT_BY_MACHINE:
        break;
    case GT_WAITING_BY_MACHINE:
        return gt_buf_addf(text,
                           "Of the waiting, %s%s (%.0f%%) passed while the thread that had the "
                           "GIL, or was to get it next, had no CPU: that part is the "
                           "machine's doing.",
                           report->timeline->saw_reasons ? "" : "at least ",
                           gt_duration_text(crowd->no_cpu_ns, duration, sizeof(duration)),
                           gt_percent(crowd->no_cpu_ns, crowd->waiting_ns));
    case GT_WAITING_BY_QUOTA:
        return gt_buf_adds(text, "The waiting may be the machine's doing in part: a CPU quota "
                                 "stopped threads, whether they had the GIL or not. How much "
                                 "of it is not known.");
    case GT_WAITING_BY_READY:
        return gt_buf_adds(text, "The waiting may be the machine's doing in part: threads were "
                                 "ready and had no CPU. How often they had the GIL then is "
                                 "not known.");
    }
    return 0;
}

int gt_machine_say_of_waiting(struct gt_report *report, struct gt_buf *text)
{
    if (report->analysis->interference.waiting == GT_WAITING_NOT_BY_MACHINE)
        return 0;
    return gt_findings_add(report, text, add_waiting(report, text));
}

/* --- the summary --- */

static json_t *group_value(const struct gt_quota *quota)
{
    return json_pack(
        "{s:o, s:f, s:b, s:o, s:o}", "cgroup", gt_json_text(quota->path, strlen(quota->path)),
        "quota_cpus", quota->cpus, "changed", quota->changed, "throttled",
        quota->known ? json_integer((json_int_t)quota->throttled) : json_null(), "throttled_ns",
        quota->known ? json_integer(quota->throttled_ns) : json_null());
}

/* The groups that have a quota. */
static json_t *quotas_value(const struct gt_surroundings *machine)
{
    json_t *list = json_array();

    for (size_t i = 0; i < machine->quota_count; i++)
        gt_json_add(&list, group_value(&machine->quotas[i]));
    return list;
}

static json_t *number_or_null(int64_t number, bool known)
{
    return known ? json_integer(number) : json_null();
}

json_t *gt_machine_value(const struct gt_report *report)
{
    const struct gt_surroundings *machine = report->info->surroundings;
    const struct gt_crowd *crowd = &report->analysis->crowd;
    static const char *const sources[] = {
        [GT_READY_FROM_SCHEDULER] = "scheduler",
        [GT_READY_FROM_SCHEDSTAT] = "schedstat",
    };
    const struct gt_interference *found = &report->analysis->interference;
    const char *ready_source = sources[found->ready_source];
    double usable = report->info->usable_cpus;

    return json_pack(
        "{s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cpus",
        number_or_null(machine ? machine->cpus : 0, machine && machine->cpus), "allowed_cpus",
        number_or_null(machine ? machine->allowed : 0, machine && machine->allowed),
        "usable_cpus", usable > 0 ? json_real(usable) : json_null(), "usable_cpus_changed",
        report->info->usable_cpus_changed, "cgroup_version",
        number_or_null(machine ? machine->cgroup_version : 0,
                       machine && machine->cgroup_version),
        "quotas", machine && machine->cgroup_version ? quotas_value(machine) : json_null(),
        "steal_ns",
        number_or_null(machine ? machine->steal_ns : 0, machine && machine->steal_ns >= 0),
        "ready_ns", number_or_null(found->ready_ns, found->ready_ns >= 0), "ready_source",
        ready_source ? json_string(ready_source) : json_null(), "waiting_without_cpu_ns",
        number_or_null(crowd->no_cpu_ns, crowd->known_ns > 0), "waiting_known_ns",
        json_integer(crowd->known_ns));
}
