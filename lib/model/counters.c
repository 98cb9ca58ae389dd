/* SPDX-License-Identifier: MIT */
#include "model/counters.h"

#include "base/buf.h"
#include "model/builder.h"

#include <stdlib.h>
#include <string.h>

static struct gt_counter *counter_at(const struct gt_timeline *timeline, size_t index)
{
    return gt_chunks_at(&timeline->counters, index);
}

/* Did -F or --call-graph add this term? They come last. */
static bool is_added(const char *term)
{
    return strncmp(term, "freq=", 5) == 0 || strncmp(term, "call-graph=dwarf,", 17) == 0 ||
           strncmp(term, "stack-size=", 11) == 0;
}

/* Where the terms between the slashes end that the user gave. */
static const char *end_of_given(const char *slash, const char *last)
{
    while (last > slash + 1) {
        const char *comma = memrchr(slash + 1, ',', (size_t)(last - slash - 1));
        const char *term = comma ? comma + 1 : slash + 1;

        if (!is_added(term))
            break;
        last = comma ? comma : slash + 1;
    }
    return last;
}

/*
 * perf shows what it was asked for: "cycles/freq=999/u" is cycles:u. "cpu/event=0x3c,freq=999/"
 * is a name of its own: only what -F and --call-graph added is taken away.
 */
static uint32_t intern_name(struct gt_timeline *timeline, const char *text, size_t length)
{
    const char *slash = memchr(text, '/', length);
    const char *last = slash ? memrchr(text, '/', length) : NULL;
    const char *given = slash ? end_of_given(slash, last) : NULL;
    size_t rest = slash ? (size_t)(text + length - last - 1) : 0;
    uint32_t name = UINT32_MAX;
    struct gt_buf clean;
    int failed;

    if (given == last)
        return gt_intern_add(&timeline->names, text, length);
    gt_buf_init(&clean);
    if (given > slash + 1)
        failed = gt_buf_add(&clean, text, (size_t)(given - text)) || gt_buf_adds(&clean, "/");
    else
        failed = gt_buf_add(&clean, text, (size_t)(slash - text)) ||
                 (rest && gt_buf_adds(&clean, ":"));
    if (!failed && gt_buf_add(&clean, last + 1, rest) == 0)
        name = gt_intern_add(&timeline->names, clean.data, clean.length);
    gt_buf_release(&clean);
    return name;
}

/* The counter of this name, made when new and not too many; NULL: memory is exhausted, or
 * `*full`. */
static struct gt_counter *find_counter(struct gt_timeline *timeline, uint32_t name, bool *full)
{
    struct gt_counter *counter;

    for (size_t i = 0; i < timeline->counters.count; i++)
        if (counter_at(timeline, i)->name == name)
            return counter_at(timeline, i);
    *full = timeline->counters.count == GT_COUNTERS_MAX;
    counter = *full ? NULL : gt_chunks_push(&timeline->counters);
    if (!counter)
        return NULL;
    memset(counter, 0, sizeof(*counter));
    counter->name = name;
    gt_chunks_init(&counter->samples, sizeof(struct gt_counter_sample));
    gt_chunks_init(&counter->sums, sizeof(struct gt_counter_sum));
    return counter;
}

int gt_counters_expect(struct gt_timeline *timeline, const char *name)
{
    uint32_t id = gt_intern_add(&timeline->names, name, strlen(name));
    bool full = false;

    if (id == UINT32_MAX)
        return -1;
    return find_counter(timeline, id, &full) || full ? 0 : -1;
}

int gt_counters_feed(struct gt_timeline *timeline, uint32_t thread,
                     const struct gt_event *event)
{
    uint32_t name = intern_name(timeline, event->name, event->name_length);
    struct gt_counter_sample *sample;
    struct gt_counter *counter;
    bool full = false;

    if (name == UINT32_MAX)
        return -1;
    counter = find_counter(timeline, name, &full);
    if (full) {
        timeline->left_out.counts++;
        return 0;
    }
    sample = counter ? gt_chunks_push(&counter->samples) : NULL;
    if (!sample)
        return -1;
    *sample = (struct gt_counter_sample){.time_ns = event->time_ns,
                                         .period = event->period ? event->period : 1,
                                         .thread = thread};
    if (!event->frame_count)
        return 0;
    counter->stacked = true;
    sample->stack = gt_stacks_add(&timeline->event_stacks, event->frames, event->frame_count);
    return sample->stack == UINT32_MAX ? -1 : 0;
}

/* A GIL's waits by member: those of one thread are disjoint and in the order of time. */
struct wait_index {
    uint32_t *order; /* wait indices, member after member */
    uint32_t *first; /* by member: where its part begins; one more at the end */
};

static void release_index(struct wait_index *index)
{
    free(index->order);
    free(index->first);
}

static int make_index(const struct gt_gil *gil, struct wait_index *index)
{
    uint32_t members = (uint32_t)gil->members.count;
    uint32_t *next = calloc(members + 1, sizeof(*next));

    index->order = calloc(gil->waits.count + 1, sizeof(*index->order));
    index->first = calloc(members + 2, sizeof(*index->first));
    if (!next || !index->order || !index->first) {
        free(next);
        return -1;
    }
    for (size_t i = 0; i < gil->waits.count; i++)
        index->first[gt_hashmap_get(&gil->member_of, gt_span_at(&gil->waits, i)->thread) + 1]++;
    for (uint32_t m = 0; m < members; m++) {
        index->first[m + 1] += index->first[m];
        next[m] = index->first[m];
    }
    for (uint32_t i = 0; i < gil->waits.count; i++)
        index->order[next[gt_hashmap_get(&gil->member_of,
                                         gt_span_at(&gil->waits, i)->thread)]++] = i;
    free(next);
    return 0;
}

static bool is_waiting(const struct gt_gil *gil, const struct wait_index *index,
                       uint32_t member, int64_t time_ns)
{
    uint32_t low = index->first[member], high = index->first[member + 1], end = high;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (gt_span_at(&gil->waits, index->order[middle])->end_ns > time_ns)
            high = middle;
        else
            low = middle + 1;
    }
    return low < end && gt_span_at(&gil->waits, index->order[low])->start_ns <= time_ns;
}

static bool is_holding(const struct gt_gil *gil, uint32_t thread, int64_t time_ns)
{
    size_t at =
        gt_chunks_first_after(&gil->holds, 0, offsetof(struct gt_span, end_ns), time_ns);
    const struct gt_span *span = at < gil->holds.count ? gt_span_at(&gil->holds, at) : NULL;

    return span && span->thread == thread && span->start_ns <= time_ns;
}

static struct gt_counter_sum *sum_of(struct gt_counter *counter, struct gt_hashmap *index_of,
                                     uint32_t thread)
{
    uint32_t index = gt_hashmap_get(index_of, thread);
    struct gt_counter_sum *sum;

    if (index != GT_HASHMAP_NONE)
        return gt_chunks_at(&counter->sums, index);
    index = (uint32_t)counter->sums.count;
    sum = gt_chunks_push(&counter->sums);
    if (!sum || gt_hashmap_put(index_of, thread, index))
        return NULL;
    *sum = (struct gt_counter_sum){.thread = thread};
    return sum;
}

/* Charge one counter's samples to what their threads did with this GIL. */
static void charge_gil(const struct gt_gil *gil, const struct wait_index *index,
                       struct gt_counter *counter, const struct gt_hashmap *sum_index)
{
    for (size_t i = 0; i < counter->samples.count; i++) {
        const struct gt_counter_sample *sample = gt_chunks_at(&counter->samples, i);
        uint32_t member = gt_hashmap_get(&gil->member_of, sample->thread);
        struct gt_counter_sum *sum;

        if (member == GT_HASHMAP_NONE)
            continue;
        sum = gt_chunks_at(&counter->sums, gt_hashmap_get(sum_index, sample->thread));
        if (is_holding(gil, sample->thread, sample->time_ns))
            sum->holding += sample->period;
        else if (is_waiting(gil, index, member, sample->time_ns))
            sum->waiting += sample->period;
    }
}

static int sum_up(struct gt_timeline *timeline, struct gt_counter *counter,
                  struct gt_hashmap *sum_index)
{
    for (size_t i = 0; i < counter->samples.count; i++) {
        const struct gt_counter_sample *sample = gt_chunks_at(&counter->samples, i);
        struct gt_counter_sum *sum = sum_of(counter, sum_index, sample->thread);

        if (!sum)
            return -1;
        sum->samples++;
        sum->total += sample->period;
    }
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        struct wait_index index = {0};
        int rc = make_index(gt_gil_at(timeline, i), &index);

        if (rc == 0)
            charge_gil(gt_gil_at(timeline, i), &index, counter, sum_index);
        release_index(&index);
        if (rc)
            return rc;
    }
    return 0;
}

int gt_counters_finish(struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->counters.count; i++) {
        struct gt_hashmap sum_index;
        int rc;

        gt_hashmap_init(&sum_index);
        rc = sum_up(timeline, counter_at(timeline, i), &sum_index);
        gt_hashmap_release(&sum_index);
        if (rc)
            return rc;
    }
    return 0;
}

void gt_counters_release(struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->counters.count; i++) {
        gt_chunks_release(&counter_at(timeline, i)->samples);
        gt_chunks_release(&counter_at(timeline, i)->sums);
    }
    gt_chunks_release(&timeline->counters);
}
