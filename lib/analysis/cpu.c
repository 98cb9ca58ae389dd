/* SPDX-License-Identifier: MIT */
#include "analysis/cpu.h"

#include <stdlib.h>

enum {
    SLICES = 2048,
    /* The event of a probe comes so much later than the reading that the agent took for it. */
    SLACK_NS = 30000,
};

void gt_cpu_init(struct gt_cpu *cpu, const struct gt_timeline *timeline, uint32_t thread)
{
    const struct gt_chunks *readings = gt_usages_of(timeline, thread);

    *cpu = (struct gt_cpu){
        .sched = timeline->saw_reasons ? gt_sched_of(timeline, thread) : NULL,
        .readings = readings && readings->count ? readings : NULL,
        .start_ns = gt_thread_at(timeline, thread)->start_ns,
    };
}

static const struct gt_usage *reading_at(const struct gt_cpu *cpu, size_t index)
{
    return gt_chunks_at(cpu->readings, index);
}

/* The last reading until `time_ns`, or what the thread began with. */
static struct gt_usage before(const struct gt_cpu *cpu, size_t after)
{
    const struct gt_usage *first = reading_at(cpu, 0);

    if (after > 0)
        return *reading_at(cpu, after - 1);
    /* CPU time from before its first event belongs to another program. */
    return (struct gt_usage){cpu->start_ns,
                             first->cpu_ns > first->time_ns - cpu->start_ns
                                 ? first->cpu_ns - (first->time_ns - cpu->start_ns)
                                 : 0,
                             first->sleeps};
}

/* The first reading later than `time_ns`, from `at` on. */
static size_t first_after(const struct gt_cpu *cpu, size_t at, int64_t time_ns)
{
    while (at < cpu->readings->count && reading_at(cpu, at)->time_ns <= time_ns)
        at++;
    return at;
}

static double cpu_at(const struct gt_cpu *cpu, size_t after, int64_t time_ns)
{
    struct gt_usage left = before(cpu, after);
    const struct gt_usage *right;

    if (after == cpu->readings->count)
        return (double)left.cpu_ns;
    right = reading_at(cpu, after);
    if (right->time_ns <= left.time_ns || time_ns <= left.time_ns)
        return (double)left.cpu_ns;
    return (double)left.cpu_ns + (double)(right->cpu_ns - left.cpu_ns) *
                                     (double)(time_ns - left.time_ns) /
                                     (double)(right->time_ns - left.time_ns);
}

static void by_readings(struct gt_cpu *cpu, int64_t from_ns, int64_t until_ns,
                        struct gt_cpu_share *share)
{
    size_t first, last;
    int64_t off_ns;

    cpu->at = first = first_after(cpu, cpu->at, from_ns);
    last = first_after(cpu, first, until_ns - SLACK_NS);
    share->known = last < cpu->readings->count;
    if (!share->known)
        return;
    share->run_ns = (int64_t)(cpu_at(cpu, first_after(cpu, first, until_ns), until_ns) -
                              cpu_at(cpu, first, from_ns));
    if (share->run_ns > until_ns - from_ns)
        share->run_ns = until_ns - from_ns;
    off_ns = until_ns - from_ns - share->run_ns;
    if (reading_at(cpu, last)->sleeps > before(cpu, first).sleeps)
        share->sleep_ns = off_ns;
    else
        share->ready_ns = off_ns;
}

static void by_states(struct gt_cpu *cpu, int64_t from_ns, int64_t until_ns,
                      struct gt_cpu_share *share)
{
    const struct gt_chunks *spans = &cpu->sched->spans;
    int64_t unknown_ns = until_ns - from_ns;

    for (size_t i = cpu->at; i < spans->count; i++) {
        const struct gt_state_span *span = gt_chunks_at(spans, i);
        int64_t start_ns = span->start_ns > from_ns ? span->start_ns : from_ns;
        int64_t end_ns = span->end_ns < until_ns ? span->end_ns : until_ns;

        if (end_ns > start_ns) {
            unknown_ns -= end_ns - start_ns;
            if (span->state == GT_SCHED_RUNNING)
                share->run_ns += end_ns - start_ns;
            else if (span->state == GT_SCHED_PREEMPTED || span->state == GT_SCHED_WOKEN)
                share->ready_ns += end_ns - start_ns;
            else
                share->sleep_ns += end_ns - start_ns;
        }
        if (span->end_ns <= from_ns)
            cpu->at = i + 1;
        if (span->end_ns >= until_ns)
            break;
    }
    share->known = 10 * unknown_ns <= until_ns - from_ns;
}

void gt_cpu_between(struct gt_cpu *cpu, int64_t from_ns, int64_t until_ns,
                    struct gt_cpu_share *share)
{
    *share = (struct gt_cpu_share){0};
    if (cpu->sched)
        by_states(cpu, from_ns, until_ns, share);
    else if (cpu->readings)
        by_readings(cpu, from_ns, until_ns, share);
}

/* --- all threads --- */

/* `ns` of CPU time, evenly over [from, until). */
static void add(struct gt_cpu_load *load, int64_t from_ns, int64_t until_ns, double ns)
{
    int64_t first = (from_ns - load->start_ns) / load->slice_ns;
    int64_t last = (until_ns - load->start_ns) / load->slice_ns;
    double rate = ns / (double)(until_ns - from_ns);

    if (from_ns < load->start_ns || last >= SLICES)
        return;
    for (int64_t i = first; i <= last; i++) {
        int64_t start_ns = load->start_ns + i * load->slice_ns;
        int64_t end_ns = start_ns + load->slice_ns;

        start_ns = start_ns > from_ns ? start_ns : from_ns;
        end_ns = end_ns < until_ns ? end_ns : until_ns;
        load->sums[i + 1] += rate * (double)(end_ns - start_ns);
    }
}

static void add_thread(struct gt_cpu_load *load, const struct gt_timeline *timeline,
                       uint32_t thread)
{
    struct gt_cpu cpu;

    gt_cpu_init(&cpu, timeline, thread);
    if (cpu.sched) {
        for (size_t i = 0; i < cpu.sched->spans.count; i++) {
            const struct gt_state_span *span = gt_chunks_at(&cpu.sched->spans, i);

            if (span->state == GT_SCHED_RUNNING && span->end_ns > span->start_ns)
                add(load, span->start_ns, span->end_ns,
                    (double)(span->end_ns - span->start_ns));
        }
        return;
    }
    for (size_t i = 0; cpu.readings && i < cpu.readings->count; i++) {
        struct gt_usage left = before(&cpu, i);
        const struct gt_usage *right = reading_at(&cpu, i);

        if (right->time_ns > left.time_ns)
            add(load, left.time_ns, right->time_ns, (double)(right->cpu_ns - left.cpu_ns));
    }
}

int gt_cpu_load_init(struct gt_cpu_load *load, const struct gt_timeline *timeline, double cores)
{
    int64_t length_ns = timeline->end_ns - timeline->start_ns;

    *load = (struct gt_cpu_load){.start_ns = timeline->start_ns,
                                 .slice_ns = length_ns / SLICES + 1,
                                 .sums = calloc(SLICES + 1, sizeof(*load->sums)),
                                 .cores = cores};
    if (!load->sums)
        return -1;
    for (uint32_t i = 0; i < timeline->threads.count; i++)
        add_thread(load, timeline, i);
    for (int i = 0; i < SLICES; i++)
        load->sums[i + 1] += load->sums[i];
    return 0;
}

void gt_cpu_load_release(struct gt_cpu_load *load)
{
    free(load->sums);
    load->sums = NULL;
}

static double sum_at(const struct gt_cpu_load *load, int64_t time_ns)
{
    int64_t offset_ns = time_ns > load->start_ns ? time_ns - load->start_ns : 0;
    int64_t slice = offset_ns / load->slice_ns;
    double part;

    if (slice >= SLICES)
        return load->sums[SLICES];
    part = (double)(offset_ns - slice * load->slice_ns) / (double)load->slice_ns;
    return load->sums[slice] + part * (load->sums[slice + 1] - load->sums[slice]);
}

bool gt_cpu_load_is_full(const struct gt_cpu_load *load, int64_t from_ns, int64_t until_ns)
{
    double used_ns = sum_at(load, until_ns) - sum_at(load, from_ns);

    return used_ns > 0.85 * load->cores * (double)(until_ns - from_ns);
}
