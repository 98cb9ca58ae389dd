#include "model/counters.h"

#include "model/timeline.h"

#include <stdlib.h>
#include <string.h>

enum { COUNTERS_MAX = 64 }; /* hostile text could name a million */

static struct gt_counter *counter_at(const struct gt_timeline *timeline, size_t index)
{
    return gt_chunks_at(&timeline->counters, index);
}

/* perf shows the terms that it was given: "page-faults/freq=999/u" is page-faults:u. */
static uint32_t intern_name(struct gt_timeline *timeline, const struct gt_event *event)
{
    const char *slash = memchr(event->text, '/', event->text_length);
    const char *terms =
        slash ? memmem(slash, event->text_length - (size_t)(slash - event->text), "freq=", 5)
              : NULL;

    /* "cpu/event=0x3c/" is a name of its own: only what -F added is taken away. */
    return terms == (slash ? slash + 1 : NULL) && slash
               ? gt_intern_add(&timeline->names, event->text, (size_t)(slash - event->text))
               : gt_intern_add(&timeline->names, event->text, event->text_length);
}

int gt_counters_feed(struct gt_timeline *timeline, uint32_t thread,
                     const struct gt_event *event)
{
    uint32_t name = intern_name(timeline, event);
    struct gt_counter *counter = NULL;
    struct gt_counter_sample *sample;

    if (name == UINT32_MAX)
        return -1;
    for (size_t i = 0; !counter && i < timeline->counters.count; i++)
        if (counter_at(timeline, i)->name == name)
            counter = counter_at(timeline, i);
    if (!counter) {
        if (timeline->counters.count == COUNTERS_MAX)
            return 0;
        counter = gt_chunks_push(&timeline->counters);
        if (!counter)
            return -1;
        memset(counter, 0, sizeof(*counter));
        counter->name = name;
        gt_chunks_init(&counter->samples, sizeof(struct gt_counter_sample));
        gt_chunks_init(&counter->sums, sizeof(struct gt_counter_sum));
    }
    sample = gt_chunks_push(&counter->samples);
    if (!sample)
        return -1;
    *sample = (struct gt_counter_sample){
        .time_ns = event->time_ns, .period = event->value ? event->value : 1, .thread = thread};
    return 0;
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
    size_t low = 0, high = gil->holds.count;
    const struct gt_span *span;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (gt_span_at(&gil->holds, middle)->end_ns > time_ns)
            high = middle;
        else
            low = middle + 1;
    }
    span = low < gil->holds.count ? gt_span_at(&gil->holds, low) : NULL;
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
