/* SPDX-License-Identifier: MIT */
#include "tracejson/internal.h"

#include "base/nstime.h"

#include <stdlib.h>

/* A report that was tampered with, or cut in its middle, is refused: what is read must keep the
 * invariants of model/timeline.h, and its sums must be those of its spans. */

/* What the spans of one thread add up to. */
struct sums {
    int64_t hold_ns, wait_ns, longest_hold_ns, longest_wait_ns;
    int64_t waited_until_ns;
    uint64_t holds, waits;
};

static void add(struct sums *sums, const struct gt_span *span, bool waits)
{
    int64_t ns = span->end_ns - span->start_ns;
    int64_t *longest_ns = waits ? &sums->longest_wait_ns : &sums->longest_hold_ns;

    *(waits ? &sums->waits : &sums->holds) += 1;
    *(waits ? &sums->wait_ns : &sums->hold_ns) += ns;
    *longest_ns = ns > *longest_ns ? ns : *longest_ns;
    if (waits)
        sums->waited_until_ns = span->end_ns;
}

/* Does it lie in the lives of its thread and its GIL? */
static bool is_within(const struct gt_timeline *timeline, const struct gt_gil *gil,
                      const struct gt_span *span)
{
    const struct gt_thread *thread = gt_thread_at(timeline, span->thread);

    return span->start_ns >= thread->start_ns && span->end_ns <= thread->end_ns &&
           span->start_ns >= gil->start_ns && span->end_ns <= gil->end_ns;
}

static bool are_sums(const struct gt_gil *gil, const struct sums *sums)
{
    for (uint32_t i = 0; i < gil->members.count; i++) {
        const struct gt_gil_thread *member = gt_gil_thread_at(gil, i);

        if (member->hold_ns != sums[i].hold_ns || member->wait_ns != sums[i].wait_ns ||
            member->holds != sums[i].holds || member->waits != sums[i].waits ||
            member->longest_hold_ns != sums[i].longest_hold_ns ||
            member->longest_wait_ns != sums[i].longest_wait_ns || member->unknown_ns < 0 ||
            member->lifetime_ns > GT_TIME_MOST_NS ||
            member->unknown_ns > member->lifetime_ns - member->hold_ns - member->wait_ns)
            return false;
    }
    return true;
}

/* 1: it keeps them, 0: it does not; -1: no memory. */
static int check_gil(const struct gt_timeline *timeline, const struct gt_gil *gil)
{
    const struct gt_chunks *lists[] = {&gil->holds, &gil->waits, &gil->unknowns};
    struct sums *sums = calloc(gil->members.count + 1, sizeof(*sums));
    bool holds = true;

    if (!sums)
        return -1;
    for (int list = 0; list < 3; list++)
        for (size_t i = 0; holds && i < lists[list]->count; i++) {
            const struct gt_span *span = gt_span_at(lists[list], i);
            struct sums *of = &sums[gt_hashmap_get(&gil->member_of, span->thread)];

            holds = is_within(timeline, gil, span) &&
                    (list != 1 || span->start_ns >= of->waited_until_ns);
            if (list < 2)
                add(of, span, list == 1);
        }
    holds = holds && are_sums(gil, sums) && gil->unknown_ns >= 0 && gil->unsure_ns >= 0 &&
            gil->unknown_ns <= gil->end_ns - gil->start_ns &&
            gil->unsure_ns <= gil->end_ns - gil->start_ns - gil->unknown_ns;
    free(sums);
    return holds;
}

int gt_tracejson_check(struct gt_tracejson *reader)
{
    const struct gt_timeline *timeline = reader->timeline;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        int holds = check_gil(timeline, gt_gil_at(timeline, i));

        if (holds < 0)
            return -1;
        reader->nonsense += holds == 0;
    }
    reader->nonsense +=
        timeline->quality.accounting_errors > 0 || timeline->quality.overlaps > 0;
    return 0;
}
