/* SPDX-License-Identifier: MIT */
#include "report/sample_labels.h"

#include "analysis/thread_kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char recording_key[] = "recording", host_key[] = "host", pid_key[] = "pid",
                  tid_key[] = "tid", thread_key[] = "thread", group_key[] = "thread_group",
                  command_key[] = "command", rank_key[] = "rank";

bool gt_sample_label_is_ours(const char *key)
{
    static const char *const ours[] = {recording_key, host_key,  pid_key,     tid_key,
                                       thread_key,    group_key, command_key, rank_key};

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcmp(key, ours[i]) == 0)
            return true;
    return false;
}

static struct gt_run_identity identity_of(const struct gt_sample_labels *labels,
                                          const struct gt_process *process)
{
    const struct gt_run_info *info = labels->info;

    if (!labels->timeline->recordings.count)
        return (struct gt_run_identity){info->labels, info->rank, info->root_pid};
    return info->identities ? info->identities[process->recording]
                            : (struct gt_run_identity){.root_pid = -1};
}

/* Was Python what ran in the process then? GILs are in the order of their processes. */
static bool is_python(const struct gt_timeline *timeline, uint32_t first_gil, uint32_t process,
                      int64_t time_ns)
{
    for (uint32_t i = first_gil; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        if (gil->process != process)
            break;
        if (gil->start_ns <= time_ns && time_ns <= gil->end_ns)
            return true;
    }
    return false;
}

enum { UNKNOWN, RANKED, UNRANKED };

/* The command has the rank that its launcher gave it, and so have processes that Python forks
 * from it. What another program started may be a rank of its own: the command may be mpirun,
 * or a script that calls it. */
static void find_rank(struct gt_sample_labels *labels, const uint32_t *first_gils,
                      uint32_t index)
{
    const struct gt_timeline *timeline = labels->timeline;
    uint32_t at = index, last;

    while (labels->ranks[at] == UNKNOWN) {
        const struct gt_process *process = gt_process_at(timeline, at);
        struct gt_run_identity identity = identity_of(labels, process);
        uint32_t parent = process->parent;

        labels->ranks[at] = UNRANKED; /* also where parents go in a circle */
        if (identity.rank && identity.root_pid > 0 && process->own_pid == identity.root_pid)
            labels->ranks[at] = RANKED;
        else if (identity.rank && parent != GT_NO_INDEX &&
                 is_python(timeline, first_gils[parent], parent, process->start_ns))
            at = parent;
    }
    for (last = at, at = index; at != last; at = gt_process_at(timeline, at)->parent)
        labels->ranks[at] = labels->ranks[last];
}

int gt_sample_labels_init(struct gt_sample_labels *labels, const struct gt_timeline *timeline,
                          const struct gt_run_info *info, struct gt_error *err)
{
    size_t count = timeline->processes.count;
    uint32_t *first_gils = malloc((count + 1) * sizeof(*first_gils));
    int rc;

    *labels = (struct gt_sample_labels){timeline, info, calloc(count + 1, 1)};
    rc = first_gils && labels->ranks ? 0 : gt_error_memory(err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        first_gils[i] = GT_NO_INDEX;
    for (uint32_t i = (uint32_t)timeline->gils.count; rc == 0 && i-- > 0;)
        first_gils[gt_gil_at(timeline, i)->process] = i;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        find_rank(labels, first_gils, i);
    free(first_gils);
    return rc;
}

void gt_sample_labels_release(struct gt_sample_labels *labels)
{
    free(labels->ranks);
    *labels = (struct gt_sample_labels){0};
}

struct putting {
    const struct gt_sample_labels *labels;
    gt_put_label *put;
    void *context;
};

static int put_text(const struct putting *to, const char *key, const char *text)
{
    return text ? to->put(to->context, key, text, strlen(text), 0) : 0;
}

/* Of no id: the empty text, which says nothing. */
static int put_name(const struct putting *to, const char *key, uint32_t name)
{
    const struct gt_intern *names = &to->labels->timeline->names;
    size_t length = gt_intern_length(names, name);

    return length ? to->put(to->context, key, gt_intern_text(names, name), length, 0) : 0;
}

/* Of the run, or of one of several. */
static int put_run(const struct putting *to, const struct gt_process *process, bool ranked)
{
    const struct gt_timeline *timeline = to->labels->timeline;
    struct gt_run_identity identity = identity_of(to->labels, process);
    int rc;

    if (timeline->recordings.count) {
        const struct gt_recording *recording = gt_recording_at(timeline, process->recording);

        rc = put_name(to, recording_key, recording->name) ||
             (recording->host && put_name(to, host_key, recording->host));
    } else {
        rc = put_text(to, host_key, to->labels->info->host);
    }
    if (!rc && ranked)
        rc = put_text(to, rank_key, identity.rank);
    for (const struct gt_label *label = identity.labels; !rc && label && label->key; label++)
        rc = put_text(to, label->key, label->value);
    return rc ? -1 : 0;
}

int gt_sample_labels_put(const struct gt_sample_labels *labels, uint32_t index,
                         gt_put_label *put, void *context)
{
    const struct putting to = {labels, put, context};
    const struct gt_thread *thread = gt_thread_at(labels->timeline, index);
    const struct gt_process *process = gt_process_at(labels->timeline, thread->process);
    char name[64], group[64], pid[16];
    size_t length = gt_timeline_thread_label(labels->timeline, index, name, sizeof(name));
    size_t group_length = gt_thread_group_name(labels->timeline, index, group, sizeof(group));

    snprintf(pid, sizeof(pid), "%d", process->own_pid);
    if (put_run(&to, process, labels->ranks[thread->process] == RANKED) ||
        put_text(&to, pid_key, pid) || put(context, tid_key, NULL, 0, thread->tid) ||
        put(context, thread_key, name, length, 0) ||
        put(context, group_key, group, group_length, 0))
        return -1;
    return put_name(&to, command_key, process->name);
}
