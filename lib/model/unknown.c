/* SPDX-License-Identifier: MIT */
#include "model/unknown.h"

#include "model/builder.h"

#include <stddef.h>
#include <stdlib.h>

/*
 * All that is known of a thread begins or ends with an event of its own, and is cut where
 * events were lost. So what is not known begins at the end of a lost range that lies between
 * two of its spans, and lasts until the second one.
 */

struct finder {
    const struct gt_timeline *timeline;
    struct gt_gil *gil;
    const struct gt_chunks *lost;
    struct account {
        int64_t until_ns; /* accounted for until then */
        bool inferred;    /* that it ended then was inferred */
    } * accounts;         /* by member */
};

static int64_t life_start_ns(const struct finder *finder, uint32_t thread)
{
    int64_t start_ns = gt_thread_at(finder->timeline, thread)->start_ns;

    return start_ns > finder->gil->start_ns ? start_ns : finder->gil->start_ns;
}

static int64_t life_end_ns(const struct finder *finder, uint32_t thread)
{
    int64_t end_ns = gt_thread_at(finder->timeline, thread)->end_ns;

    return end_ns < finder->gil->end_ns ? end_ns : finder->gil->end_ns;
}

/* The member is accounted for again from `start_ns` on. */
static int close_gap(struct finder *finder, uint32_t member, int64_t start_ns)
{
    const struct account *account = &finder->accounts[member];
    const struct gt_chunks *lost = finder->lost;
    size_t at = gt_chunks_first_from(lost, 0, offsetof(struct gt_lost_range, end_ns),
                                     account->until_ns);
    const struct gt_lost_range *range = at < lost->count ? gt_chunks_at(lost, at) : NULL;
    uint32_t thread = gt_gil_thread_at(finder->gil, member)->thread;
    int64_t from_ns = life_start_ns(finder, thread);

    if (account->inferred && range && range->start_ns < start_ns)
        from_ns = account->until_ns;
    else if (range && range->end_ns > from_ns)
        from_ns = range->end_ns;
    if (!range || from_ns >= start_ns)
        return 0;
    return gt_gil_push(&finder->gil->unknowns, thread, from_ns, start_ns, 0);
}

static int take_span(struct finder *finder, const struct gt_span *span)
{
    uint32_t member = gt_hashmap_get(&finder->gil->member_of, span->thread);

    if (close_gap(finder, member, span->start_ns))
        return -1;
    if (span->end_ns > finder->accounts[member].until_ns)
        finder->accounts[member] =
            (struct account){span->end_ns, span->flags & GT_SPAN_END_INFERRED};
    return 0;
}

/* Holds never overlap, so both lists are in the order of ends; so are all spans of a thread. */
static int take_spans(struct finder *finder)
{
    const struct gt_chunks *holds = &finder->gil->holds, *waits = &finder->gil->waits;
    size_t h = 0, w = 0;

    while (h < holds->count || w < waits->count) {
        const struct gt_span *hold = h < holds->count ? gt_span_at(holds, h) : NULL;
        const struct gt_span *wait = w < waits->count ? gt_span_at(waits, w) : NULL;
        bool first = hold && (!wait || hold->end_ns < wait->end_ns);

        if (take_span(finder, first ? hold : wait))
            return -1;
        h += first;
        w += !first;
    }
    return 0;
}

/*
 * A fork or an exec that was recorded tells what its thread did then: nothing with the GIL. The
 * first event of another thread does not, if anything was lost before.
 */
static int64_t known_from_ns(const struct finder *finder, uint32_t thread)
{
    const struct gt_thread *of = gt_thread_at(finder->timeline, thread);
    const struct gt_process_state *process = gt_process_state_at(finder->timeline, of->process);
    int64_t start_ns = finder->gil->start_ns;

    if (of->flags & GT_THREAD_SAW_START && of->start_ns > start_ns)
        start_ns = of->start_ns;
    else if (!(process->executed && of->flags & GT_THREAD_MAIN) &&
             !(of->flags & GT_THREAD_SAW_START))
        return INT64_MIN;
    return start_ns + 1; /* a loss that is told at that very time came before */
}

static int find_all(struct finder *finder)
{
    const struct gt_chunks *members = &finder->gil->members;

    for (uint32_t i = 0; i < members->count; i++)
        finder->accounts[i].until_ns =
            known_from_ns(finder, gt_gil_thread_at(finder->gil, i)->thread);
    if (take_spans(finder))
        return -1;
    for (uint32_t i = 0; i < members->count; i++)
        if (close_gap(finder, i, life_end_ns(finder, gt_gil_thread_at(finder->gil, i)->thread)))
            return -1;
    return 0;
}

int gt_unknown_find(const struct gt_timeline *timeline, struct gt_gil *gil)
{
    struct finder finder = {timeline, gil, gt_lost_of(timeline, gil->process), NULL};
    int rc;

    if (finder.lost->count == 0)
        return 0;
    finder.accounts = calloc(gil->members.count + 1, sizeof(*finder.accounts));
    rc = finder.accounts ? find_all(&finder) : -1;
    free(finder.accounts);
    return rc;
}

/* --- how long nobody is known to wait, and somebody may --- */

/* Spans that are sorted by their ends, joined where they overlap, from the last to the first.
 */
struct backwards {
    const struct gt_chunks *spans;
    size_t left;
    int64_t start_ns, end_ns; /* the newest; start above end: there is none */
};

static bool go_back(struct backwards *at)
{
    if (at->left == 0) {
        at->start_ns = at->end_ns = INT64_MIN;
        return false;
    }
    at->start_ns = gt_span_at(at->spans, --at->left)->start_ns;
    at->end_ns = gt_span_at(at->spans, at->left)->end_ns;
    while (at->left && gt_span_at(at->spans, at->left - 1)->end_ns >= at->start_ns) {
        const struct gt_span *before = gt_span_at(at->spans, --at->left);

        if (before->start_ns < at->start_ns)
            at->start_ns = before->start_ns;
    }
    return true;
}

int64_t gt_unknown_unwaited(const struct gt_gil *gil, const struct gt_chunks *lost)
{
    struct backwards unknown = {.spans = &gil->unknowns, .left = gil->unknowns.count};
    struct backwards wait = {.spans = &gil->waits, .left = gil->waits.count};
    bool waited = go_back(&wait);
    int64_t sum_ns = 0;

    while (go_back(&unknown)) {
        sum_ns += unknown.end_ns - unknown.start_ns -
                  gt_lost_within(lost, unknown.start_ns, unknown.end_ns);
        while (waited && wait.end_ns > unknown.start_ns) {
            int64_t from_ns =
                wait.start_ns > unknown.start_ns ? wait.start_ns : unknown.start_ns;
            int64_t until_ns = wait.end_ns < unknown.end_ns ? wait.end_ns : unknown.end_ns;

            if (until_ns > from_ns)
                sum_ns -= until_ns - from_ns;
            if (wait.start_ns < unknown.start_ns)
                break; /* it reaches into the one before */
            waited = go_back(&wait);
        }
    }
    return sum_ns;
}

int64_t gt_unknown_longest(const struct gt_gil *gil, uint32_t thread)
{
    int64_t longest_ns = 0;

    for (size_t i = 0; i < gil->unknowns.count; i++) {
        const struct gt_span *span = gt_span_at(&gil->unknowns, i);

        if (span->thread == thread && span->end_ns - span->start_ns > longest_ns)
            longest_ns = span->end_ns - span->start_ns;
    }
    return longest_ns;
}
