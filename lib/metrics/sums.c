/* SPDX-License-Identifier: MIT */
#include "metrics/sums.h"

#include "analysis/thread_kinds.h"
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

struct range {
    int64_t start_ns, end_ns;
};

struct making {
    const struct gt_timeline *timeline;
    struct range range;
    struct gt_sums *sums;
    const struct gt_sums *before;
    struct gt_process_sums *process;
    const struct gt_gil *gil;
    size_t *group_of; /* by member of the GIL */
    struct range
        *contended; /* when somebody waited: in the order of time, none touches another */
    size_t contended_count;
};

static int64_t within(struct range range, int64_t start_ns, int64_t end_ns)
{
    int64_t from_ns = start_ns > range.start_ns ? start_ns : range.start_ns;
    int64_t to_ns = end_ns < range.end_ns ? end_ns : range.end_ns;

    return to_ns > from_ns ? to_ns - from_ns : 0;
}

static int by_start(const void *left, const void *right)
{
    const struct range *a = left, *b = right;

    return (a->start_ns > b->start_ns) - (a->start_ns < b->start_ns);
}

/* --- groups --- */

static size_t find_group(struct gt_process_sums *process, const char *name)
{
    for (size_t i = 0; i < process->group_count; i++)
        if (strcmp(process->groups[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

/* Names of their own: "main" is the main thread's, "other" that of what is left out. */
static void name_group(const struct gt_timeline *timeline, uint32_t thread,
                       char name[GT_GROUP_NAME_SIZE])
{
    gt_thread_group_name(timeline, thread, name, GT_GROUP_NAME_SIZE - 16);
    if (gt_thread_at(timeline, thread)->flags & GT_THREAD_MAIN)
        return;
    gt_text_make_visible(name); /* so that equal labels are one group */
    if (strcmp(name, "main") == 0 || strcmp(name, "other") == 0)
        strcat(name, " (thread)");
}

static int find_groups(struct making *making, struct gt_error *err)
{
    const struct gt_gil *gil = making->gil;
    struct gt_process_sums *process = making->process;

    making->group_of = calloc(gil->members.count + 1, sizeof(*making->group_of));
    if (!making->group_of)
        return gt_error_memory(err);
    for (uint32_t i = 0; i < gil->members.count; i++) {
        char name[GT_GROUP_NAME_SIZE];
        struct gt_group_sums *grown;

        name_group(making->timeline, gt_gil_thread_at(gil, i)->thread, name);
        making->group_of[i] = find_group(process, name);
        if (making->group_of[i] != SIZE_MAX)
            continue;
        grown = reallocarray(process->groups, process->group_count + 1, sizeof(*grown));
        if (!grown)
            return gt_error_memory(err);
        process->groups = grown;
        grown[process->group_count] = (struct gt_group_sums){0};
        strcpy(grown[process->group_count].name, name);
        making->group_of[i] = process->group_count++;
    }
    return 0;
}

static size_t group_of(const struct making *making, uint32_t thread)
{
    uint32_t member = gt_hashmap_get(&making->gil->member_of, thread);

    return member == GT_HASHMAP_NONE || member >= making->gil->members.count
               ? SIZE_MAX
               : making->group_of[member];
}

/* --- waits --- */

/* Since when it lasts: perhaps longer than the timeline knows. */
static int64_t start_of(const struct making *making, const struct gt_span *span)
{
    int32_t tid = gt_thread_at(making->timeline, span->thread)->tid;
    const struct gt_sums *before = making->before;

    for (size_t i = 0; before && span->start_ns < making->range.start_ns &&
                       span->end_ns >= making->range.start_ns && i < before->open_count;
         i++)
        if (before->open[i].tid == tid && before->open[i].start_ns < span->start_ns)
            return before->open[i].start_ns;
    return span->start_ns;
}

static int note_open(struct making *making, const struct gt_span *span, int64_t start_ns)
{
    struct gt_sums *sums = making->sums;
    struct gt_open_wait *grown;

    if (span->start_ns >= making->range.end_ns || span->end_ns <= making->range.end_ns)
        return 0;
    grown = reallocarray(sums->open, sums->open_count + 1, sizeof(*grown));
    if (!grown)
        return -1;
    sums->open = grown;
    grown[sums->open_count++] =
        (struct gt_open_wait){gt_thread_at(making->timeline, span->thread)->tid, start_ns};
    return 0;
}

static int take_wait(struct making *making, const struct gt_span *span)
{
    struct range range = making->range;
    int64_t wait_ns = within(range, span->start_ns, span->end_ns);
    int64_t until_ns = span->end_ns < range.end_ns ? span->end_ns : range.end_ns;
    int64_t start_ns = start_of(making, span);
    size_t index = group_of(making, span->thread);
    struct gt_group_sums *group;

    if (index == SIZE_MAX)
        return 0;
    group = &making->process->groups[index];
    group->wait_ns += wait_ns;
    group->waits += span->start_ns >= range.start_ns && span->start_ns < range.end_ns;
    if (wait_ns && until_ns - start_ns > group->longest_wait_ns)
        group->longest_wait_ns = until_ns - start_ns;
    if (!(span->flags & GT_SPAN_CUT_END) && span->end_ns >= range.start_ns &&
        span->end_ns < range.end_ns)
        making->process->handovers++;
    if (wait_ns)
        making->contended[making->contended_count++] = (struct range){
            span->start_ns > range.start_ns ? span->start_ns : range.start_ns, until_ns};
    return note_open(making, span, start_ns);
}

static int take_waits(struct making *making, struct gt_error *err)
{
    const struct gt_chunks *waits = &making->gil->waits;
    size_t merged = 0;

    making->contended = calloc(waits->count + 1, sizeof(*making->contended));
    if (!making->contended)
        return gt_error_memory(err);
    for (size_t i = 0; i < waits->count; i++)
        if (take_wait(making, gt_span_at(waits, i)))
            return gt_error_memory(err);
    if (!making->contended_count)
        return 0;
    qsort(making->contended, making->contended_count, sizeof(*making->contended), by_start);
    for (size_t i = 1; i < making->contended_count; i++) {
        struct range *last = &making->contended[merged];
        struct range next = making->contended[i];

        if (next.start_ns > last->end_ns)
            making->contended[++merged] = next;
        else if (next.end_ns > last->end_ns)
            last->end_ns = next.end_ns;
    }
    making->contended_count = merged + 1;
    for (size_t i = 0; i < making->contended_count; i++)
        making->process->contended_ns +=
            making->contended[i].end_ns - making->contended[i].start_ns;
    return 0;
}

/* --- holds --- */

/* How much of [start_ns, end_ns) is contended, from entry `*at` on, which is moved on. */
static int64_t contended_within(const struct making *making, size_t *at, int64_t start_ns,
                                int64_t end_ns)
{
    int64_t sum_ns = 0;

    while (*at < making->contended_count && making->contended[*at].end_ns <= start_ns)
        (*at)++;
    for (size_t i = *at; i < making->contended_count && making->contended[i].start_ns < end_ns;
         i++)
        sum_ns += within(making->contended[i], start_ns, end_ns);
    return sum_ns;
}

static void take_holds(struct making *making)
{
    const struct gt_chunks *holds = &making->gil->holds;
    struct gt_process_sums *process = making->process;
    struct range range = making->range;
    int64_t last_end_ns = range.start_ns;
    bool any = false;
    size_t at = 0;

    for (size_t i = 0; i < holds->count; i++) {
        const struct gt_span *span = gt_span_at(holds, i);
        int64_t from_ns = span->start_ns > range.start_ns ? span->start_ns : range.start_ns;
        int64_t to_ns = span->end_ns < range.end_ns ? span->end_ns : range.end_ns;
        size_t group = group_of(making, span->thread);

        if (to_ns <= from_ns || group == SIZE_MAX)
            continue;
        if (!any) {
            process->first_ns += contended_within(making, &at, range.start_ns, from_ns);
            process->first_holder = span->start_ns <= range.start_ns ? group : SIZE_MAX;
        }
        any = true;
        process->groups[group].held_ns += contended_within(making, &at, from_ns, to_ns);
        last_end_ns = to_ns;
    }
    at = 0;
    if (any)
        process->last_ns += contended_within(making, &at, last_end_ns, range.end_ns);
    else
        process->first_ns += contended_within(making, &at, range.start_ns, range.end_ns);
    process->holds_known |= any;
}

/* --- all of it --- */

static struct gt_process_sums *
process_of(struct gt_sums *sums, const struct gt_timeline *timeline, const struct gt_gil *gil)
{
    int32_t pid = gt_process_at(timeline, gil->process)->own_pid;
    struct gt_process_sums *grown;

    for (size_t i = 0; i < sums->count; i++)
        if (sums->processes[i].pid == pid)
            return &sums->processes[i];
    grown = reallocarray(sums->processes, sums->count + 1, sizeof(*grown));
    if (!grown)
        return NULL;
    sums->processes = grown;
    grown[sums->count] = (struct gt_process_sums){
        .pid = pid,
        .name = gil->name,
        .command = gil->command,
        .first_holder = SIZE_MAX,
    };
    return &grown[sums->count++];
}

static int take_gil(struct gt_sums *sums, const struct gt_timeline *timeline,
                    const struct gt_gil *gil, struct range range, const struct gt_sums *before,
                    struct gt_error *err)
{
    struct making making = {
        .timeline = timeline, .range = range, .gil = gil, .sums = sums, .before = before};
    int rc;

    making.process = process_of(sums, timeline, gil);
    if (!making.process)
        return gt_error_memory(err);
    if (!making.process->unknown_ns)
        making.process->unknown_ns =
            gt_lost_within(gt_lost_of(timeline, gil->process), range.start_ns, range.end_ns);
    rc = find_groups(&making, err);
    if (rc == 0)
        rc = take_waits(&making, err);
    if (rc == 0)
        take_holds(&making);
    free(making.group_of);
    free(making.contended);
    return rc;
}

int gt_sums_make(struct gt_sums *sums, const struct gt_timeline *timeline, int64_t since_ns,
                 int64_t until_ns, const struct gt_sums *before, struct gt_error *err)
{
    const struct range range = {since_ns, until_ns};
    int rc = 0;

    *sums = (struct gt_sums){0};
    sums->lost_ns = gt_lost_within(&timeline->lost, since_ns, until_ns);
    for (uint32_t i = 0; rc == 0 && i < timeline->gils.count; i++)
        rc = take_gil(sums, timeline, gt_gil_at(timeline, i), range, before, err);
    return rc;
}

void gt_sums_release(struct gt_sums *sums)
{
    for (size_t i = 0; i < sums->count; i++)
        free(sums->processes[i].groups);
    free(sums->processes);
    free(sums->open);
    *sums = (struct gt_sums){0};
}
