/* SPDX-License-Identifier: MIT */
#include "metrics/registry.h"

#include "base/buf.h"

#include <string.h>

static void init_process(struct gt_metrics_process *process, int32_t pid)
{
    *process = (struct gt_metrics_process){.pid = pid};
    strcpy(process->groups[GT_METRICS_GROUPS_MAX].name, "other");
}

void gt_registry_init(struct gt_registry *registry)
{
    memset(registry, 0, sizeof(*registry));
    init_process(&registry->other, 0);
    strcpy(registry->other.label, "other");
}

/* A number that is used anew is another process, but its counters are of one series if it is
 * called the same. NULL: another source counts this process, and what this one says would count
 * twice. */
static struct gt_metrics_process *process_of(struct gt_registry *registry,
                                             const struct gt_registry_source *source,
                                             const struct gt_process_names *names,
                                             const struct gt_lives *lives,
                                             gt_process_label_fn label, void *context)
{
    struct gt_metrics_process *process;
    int32_t pid = names->pid;
    char text[GT_METRICS_LABEL_SIZE] = "";

    for (size_t i = 0; i < registry->count; i++)
        if (registry->processes[i].pid == pid && registry->processes[i].source)
            return registry->processes[i].source == source ? &registry->processes[i] : NULL;
    if (lives && pid != source->root_pid && !gt_lives_has(lives, pid)) {
        registry->has_other = true;
        return &registry->other;
    }
    label(context, names, text, sizeof(text));
    text[sizeof(text) - 1] = '\0';
    gt_text_make_visible(text);
    for (size_t i = 0; i < registry->count; i++) {
        process = &registry->processes[i];
        if (process->pid != pid || strcmp(process->label, text) != 0)
            continue;
        process->ended_ns = 0;
        process->source = source;
        return process;
    }
    if (registry->count == GT_METRICS_PROCESSES_MAX) {
        registry->has_other = true;
        return &registry->other;
    }
    process = &registry->processes[registry->count++];
    init_process(process, pid);
    process->source = source;
    strcpy(process->label, text);
    return process;
}

static struct gt_metrics_group *group_of(struct gt_registry *registry,
                                         struct gt_metrics_process *process, const char *name)
{
    struct gt_metrics_group *group = &process->groups[GT_METRICS_GROUPS_MAX];

    for (size_t i = 0; i < process->group_count; i++)
        if (strcmp(process->groups[i].name, name) == 0)
            return &process->groups[i];
    if (!process->pid || process->group_count == GT_METRICS_GROUPS_MAX ||
        registry->group_total == GT_METRICS_ALL_GROUPS_MAX) {
        process->has_other = true;
        return group;
    }
    registry->group_total++;
    group = &process->groups[process->group_count++];
    *group = (struct gt_metrics_group){0};
    strcpy(group->name, name);
    return group;
}

static void add_process(struct gt_registry *registry, struct gt_metrics_process *process,
                        const struct gt_process_sums *sums)
{
    process->handovers += sums->handovers;
    process->contended_ns += sums->contended_ns;
    process->unknown_ns += sums->unknown_ns;
    for (size_t i = 0; i < sums->group_count; i++) {
        const struct gt_group_sums *from = &sums->groups[i];
        struct gt_metrics_group *group = group_of(registry, process, from->name);

        group->waits += from->waits;
        group->wait_ns += from->wait_ns;
        group->held_ns += from->held_ns;
        if (i == sums->first_holder && process->pid)
            group->held_ns += process->pending_ns;
        if (group->longest_wait_ns < from->longest_wait_ns)
            group->longest_wait_ns = from->longest_wait_ns;
    }
    if (sums->holds_known)
        process->pending_ns = sums->last_ns;
    else
        process->pending_ns += sums->first_ns;
}

static void forget_longest(struct gt_metrics_process *process)
{
    for (size_t i = 0; i <= GT_METRICS_GROUPS_MAX; i++)
        process->groups[i].longest_wait_ns = 0;
}

/* Longest waits are those of the newest stretch; that of "other" is of many sources'. */
static void forget_older(struct gt_registry *registry, const struct gt_registry_source *source,
                         int64_t until_ns)
{
    for (size_t i = 0; i < registry->count; i++)
        if (registry->processes[i].source == source)
            forget_longest(&registry->processes[i]);
    if (until_ns - registry->other_since_ns < GT_WINDOW_NS)
        return;
    forget_longest(&registry->other);
    registry->other_since_ns = until_ns;
}

static void forget_process(struct gt_registry *registry, size_t index)
{
    struct gt_metrics_process *process = &registry->processes[index];

    registry->group_total -= process->group_count;
    registry->count--;
    memmove(process, process + 1, (registry->count - index) * sizeof(*process));
}

/* Where a limit is reached, what ended longest ago makes room. */
static void make_room(struct gt_registry *registry, int64_t now_ns)
{
    while (registry->count == GT_METRICS_PROCESSES_MAX ||
           registry->group_total == GT_METRICS_ALL_GROUPS_MAX) {
        size_t oldest = registry->count;

        for (size_t i = 0; i < registry->count; i++)
            if (!registry->processes[i].source &&
                (oldest == registry->count ||
                 registry->processes[i].ended_ns < registry->processes[oldest].ended_ns))
                oldest = i;
        if (oldest == registry->count ||
            now_ns - registry->processes[oldest].ended_ns < GT_METRICS_KEEP_LEAST_NS)
            return;
        forget_process(registry, oldest);
    }
}

int gt_registry_add(struct gt_registry *registry, struct gt_registry_source *source,
                    const struct gt_window *window, gt_process_label_fn label, void *context,
                    struct gt_error *err)
{
    struct gt_sums sums;
    int rc = gt_sums_make(&sums, window->timeline, window->since_ns, window->until_ns,
                          &source->newest, err);

    if (rc < 0) {
        gt_sums_release(&sums);
        return rc;
    }
    forget_older(registry, source, window->until_ns);
    make_room(registry, window->until_ns);
    for (size_t i = 0; i < sums.count; i++) {
        const struct gt_process_sums *from = &sums.processes[i];
        const struct gt_intern *texts = &window->timeline->names;
        const struct gt_process_names names = {
            .pid = from->pid,
            .name = gt_intern_text(texts, from->name),
            .command = gt_intern_text(texts, from->command),
            .command_length = gt_intern_length(texts, from->command),
        };

        struct gt_metrics_process *process =
            process_of(registry, source, &names, window->lives, label, context);

        if (process)
            add_process(registry, process, from);
    }
    registry->recorded_ns += window->until_ns - window->since_ns + window->dropped_ns;
    registry->lost_ns += sums.lost_ns + window->dropped_ns;
    registry->events += window->events;
    registry->lost_events += window->lost_events;
    gt_sums_release(&source->newest);
    source->newest = sums;
    return 0;
}

static void note_end(struct gt_metrics_process *process, int64_t now_ns)
{
    process->ended_ns = now_ns;
    process->source = NULL;
}

void gt_registry_sweep(struct gt_registry *registry, const struct gt_registry_source *source,
                       const struct gt_lives *lives, int64_t now_ns)
{
    for (size_t i = 0; i < registry->count; i++) {
        struct gt_metrics_process *process = &registry->processes[i];

        if (process->source == source && !gt_lives_has(lives, process->pid))
            note_end(process, now_ns);
    }
}

void gt_registry_end_source(struct gt_registry *registry, struct gt_registry_source *source,
                            int64_t now_ns)
{
    for (size_t i = 0; i < registry->count; i++)
        if (registry->processes[i].source == source)
            note_end(&registry->processes[i], now_ns);
    gt_sums_release(&source->newest);
}

void gt_registry_expire(struct gt_registry *registry, int64_t now_ns)
{
    for (size_t i = registry->count; i-- > 0;) {
        struct gt_metrics_process *process = &registry->processes[i];

        if (process->source)
            continue;
        if (now_ns - process->ended_ns >= GT_WINDOW_NS)
            forget_longest(process);
        if (now_ns - process->ended_ns < GT_METRICS_KEEP_NS)
            continue;
        forget_process(registry, i);
    }
}
