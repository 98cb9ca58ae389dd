#include "report/values.h"

#include "base/nstime.h"
#include "event/surroundings.h"

#include <string.h>

/* What the machine did to the program: quotas, steal, and too few CPUs. On the terminal only
 * where it matters; SCHEMA.md says what each key means. */

enum {
    STEAL_PERCENT = 2,      /* of the CPUs' time, from where it is told */
    READY_PERCENT = 10,     /* of the run's length */
    THROTTLED_PERCENT = 1,  /* the same */
    WAITING_PERCENT = 20,   /* of the waiting: from here on it may be the machine's doing */
    THROTTLED_MATTERS = 10, /* of the run's length, where it is not known what holders did */
};

static int add(struct gt_report *report, struct gt_buf *sentence, int failed)
{
    int rc = failed || gt_strvec_push(&report->findings, sentence->data) ? -1 : 0;

    gt_buf_reset(sentence);
    return rc;
}

static int64_t wall_of(const struct gt_report *report)
{
    int64_t wall_ns = report->timeline->end_ns - gt_report_zero_ns(report);

    return wall_ns > 0 ? wall_ns : 0;
}

static double percent(int64_t part_ns, int64_t whole_ns)
{
    return whole_ns > 0 ? 100.0 * (double)part_ns / (double)whole_ns : 0.0;
}

/* Ready without a CPU: what is best known. */
struct ready {
    int64_t ns;         /* -1: not known */
    const char *source; /* "scheduler", "schedstat", NULL */
};

static struct ready ready_of(const struct gt_report *report)
{
    const struct gt_surroundings *machine = report->info->surroundings;

    if (report->analysis->crowd.ready_ns >= 0)
        return (struct ready){report->analysis->crowd.ready_ns, "scheduler"};
    if (machine && machine->ready_ns >= 0)
        return (struct ready){machine->ready_ns, "schedstat"};
    return (struct ready){-1, NULL};
}

/* --- in words --- */

/* NULL: none of them stopped the program. */
static const struct gt_quota *most_throttled(const struct gt_surroundings *machine)
{
    const struct gt_quota *most = NULL;

    for (size_t i = 0; i < machine->quota_count; i++) {
        const struct gt_quota *quota = &machine->quotas[i];

        if (quota->throttled > 0 && (!most || quota->throttled_ns > most->throttled_ns))
            most = quota;
    }
    return most;
}

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
    const struct gt_quota *quota = most_throttled(machine);
    char duration[32];

    if (!quota || percent(quota->throttled_ns, wall_of(report)) < THROTTLED_PERCENT)
        return 0;
    return add(
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
    int64_t cpu_ns = gt_times_ns(wall_of(report), machine->allowed);
    char duration[32];

    if (machine->steal_ns < 0 || percent(machine->steal_ns, cpu_ns) < STEAL_PERCENT)
        return 0;
    return add(report, text,
               gt_buf_addf(text,
                           "The hypervisor gave %.0f%% of the time of the program's CPUs (%s) "
                           "to other machines.",
                           percent(machine->steal_ns, cpu_ns),
                           gt_duration_text(machine->steal_ns, duration, sizeof(duration))));
}

static int say_ready(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_surroundings *machine = report->info->surroundings;
    struct ready ready = ready_of(report);
    bool exact = ready.source && strcmp(ready.source, "scheduler") == 0;
    char duration[32];
    int failed;

    if (ready.ns < 0 || percent(ready.ns, wall_of(report)) < READY_PERCENT)
        return 0;
    failed = gt_buf_addf(text, "Threads were ready to run and had no CPU for %s%s in all",
                         exact ? "" : "at least ",
                         gt_duration_text(ready.ns, duration, sizeof(duration)));
    if (!failed && machine && machine->allowed && machine->allowed < machine->cpus)
        failed = gt_buf_addf(text, "; the program may use %u of the machine's %u CPUs",
                             machine->allowed, machine->cpus);
    else if (!failed && machine && machine->allowed)
        failed = gt_buf_addf(text, "; the machine has %u CPU%s", machine->allowed,
                             machine->allowed == 1 ? "" : "s");
    return add(report, text, failed || gt_buf_adds(text, "."));
}

int gt_machine_say(struct gt_report *report)
{
    struct gt_buf text;
    int rc = 0;

    gt_buf_init(&text);
    if (report->info->surroundings) {
        rc = say_throttled(report, &text);
        if (rc == 0)
            rc = say_steal(report, &text);
    }
    if (rc == 0)
        rc = say_ready(report, &text);
    gt_buf_release(&text);
    return rc;
}

/* Did somebody wait for a GIL long enough for a verdict to rest on it? */
static bool waited_much(const struct gt_report *report)
{
    return percent(report->analysis->crowd.waiting_ns, wall_of(report)) >= WAITING_PERCENT / 2;
}

int gt_machine_say_of_waiting(struct gt_report *report)
{
    const struct gt_surroundings *machine = report->info->surroundings;
    const struct gt_crowd *crowd = &report->analysis->crowd;
    const struct gt_quota *quota = machine ? most_throttled(machine) : NULL;
    struct ready ready = ready_of(report);
    struct gt_buf text;
    char duration[32];
    int rc = 0;

    if (!waited_much(report))
        return 0;
    gt_buf_init(&text);
    if (percent(crowd->no_cpu_ns, crowd->waiting_ns) >= WAITING_PERCENT)
        rc = add(
            report, &text,
            gt_buf_addf(&text,
                        "Of the waiting, %s%s (%.0f%%) passed while the thread that had the "
                        "GIL, or was to get it next, had no CPU: that part is the "
                        "machine's doing.",
                        report->timeline->saw_reasons ? "" : "at least ",
                        gt_duration_text(crowd->no_cpu_ns, duration, sizeof(duration)),
                        percent(crowd->no_cpu_ns, crowd->waiting_ns)));
    else if (percent(crowd->known_ns, crowd->waiting_ns) >= 100 - WAITING_PERCENT)
        rc = 0;
    else if (quota && percent(quota->throttled_ns, wall_of(report)) >= THROTTLED_MATTERS)
        rc = add(report, &text,
                 gt_buf_adds(&text,
                             "The waiting may be the machine's doing in part: a CPU quota "
                             "stopped threads, whether they had the GIL or not. How much "
                             "of it is not known."));
    else if (percent(ready.ns, wall_of(report)) >= WAITING_PERCENT)
        rc = add(report, &text,
                 gt_buf_adds(&text,
                             "The waiting may be the machine's doing in part: threads were "
                             "ready and had no CPU. How often they had the GIL then is "
                             "not known."));
    gt_buf_release(&text);
    return rc;
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
    struct ready ready = ready_of(report);
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
        "ready_ns", number_or_null(ready.ns, ready.ns >= 0), "ready_source",
        ready.source ? json_string(ready.source) : json_null(), "waiting_without_cpu_ns",
        number_or_null(crowd->no_cpu_ns, crowd->known_ns > 0), "waiting_known_ns",
        json_integer(crowd->known_ns));
}
