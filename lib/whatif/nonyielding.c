/* SPDX-License-Identifier: MIT */
#include "whatif/nonyielding.h"

#include "base/order.h"

#include <stdlib.h>

/* Nobody would release the GIL for a shorter call: taking it again costs more. */
#define LEAST_NS ((int64_t)10000)

static int compare(const void *a, const void *b)
{
    const struct gt_nonyielding_span *left = a, *right = b;

    if (left->thread != right->thread)
        return gt_order(left->thread, right->thread);
    return gt_order(left->start_ns, right->start_ns);
}

/* As an array, in order, and what overlaps the one before it cut off. 0 or -1. */
static int arrange(struct gt_nonyielding *spans, const struct gt_chunks *added, size_t threads)
{
    *spans = (struct gt_nonyielding){.list = calloc(added->count + 1, sizeof(*spans->list)),
                                     .first = calloc(threads + 2, sizeof(*spans->first))};
    if (!spans->list || !spans->first)
        return -1;
    for (size_t i = 0; i < added->count; i++)
        spans->list[i] = *(const struct gt_nonyielding_span *)gt_chunks_at(added, i);
    qsort(spans->list, added->count, sizeof(*spans->list), compare);
    for (size_t i = 0; i < added->count; i++) {
        struct gt_nonyielding_span span = spans->list[i];
        const struct gt_nonyielding_span *last =
            spans->count ? &spans->list[spans->count - 1] : NULL;

        if (last && last->thread == span.thread && span.start_ns < last->end_ns)
            span.start_ns = last->end_ns;
        if (span.end_ns <= span.start_ns)
            continue;
        spans->list[spans->count++] = span;
        spans->first[span.thread + 1]++;
    }
    for (size_t i = 0; i < threads; i++)
        spans->first[i + 1] += spans->first[i];
    return 0;
}

static int add(struct gt_chunks *added, struct gt_nonyielding_span span)
{
    struct gt_nonyielding_span *last;

    if (span.end_ns - span.start_ns < LEAST_NS)
        return 0;
    last = gt_chunks_push(added);
    if (!last)
        return -1;
    *last = span;
    return 0;
}

/* What was seen to be kept, by any function. */
static int find_kept(struct gt_nonyielding *kept, const struct gt_timeline *timeline,
                     const struct gt_blockers *blockers, const struct gt_tag *tags)
{
    struct gt_chunks added;
    int rc = 0;

    gt_chunks_init(&added, sizeof(struct gt_nonyielding_span));
    for (uint32_t gil = 0; gil < timeline->gils.count; gil++)
        for (size_t i = 0; rc == 0 && i < blockers[gil].kept.count; i++) {
            const struct gt_kept *stretch = gt_chunks_at(&blockers[gil].kept, i);
            const struct gt_doing *doing = &gt_blocker_at(&blockers[gil], stretch->row)->doing;
            bool asked = doing->kind == GT_DOING_C || doing->kind == GT_DOING_PYTHON;

            rc = add(&added, (struct gt_nonyielding_span){
                                 stretch->start_ns, stretch->end_ns, stretch->thread,
                                 asked ? tags[doing->function].tag : 0});
        }
    if (rc == 0)
        rc = arrange(kept, &added, timeline->threads.count);
    gt_chunks_release(&added);
    return rc;
}

/* --- calls --- */

/* An open call. */
struct level {
    int64_t end_ns;
    struct gt_tag tag;
    bool of_c;
};

/* Goes through one thread's calls. */
struct walk {
    const struct gt_timeline *timeline;
    const struct gt_nonyielding *kept;
    const struct gt_tag *tags;
    struct gt_chunks *added;
    struct gt_chunks stack; /* of struct level */
    uint32_t thread;
    size_t kept_at;
    int64_t done_ns;                 /* everything before is done */
    struct gt_nonyielding_span span; /* that may go on; tag 0: none */
    float kept_share;                /* of its function; 0: of C */
};

/* Was anything kept in the span? They come in the order of time. */
static bool was_kept(struct walk *walk)
{
    const struct gt_nonyielding *kept = walk->kept;

    while (walk->kept_at < kept->first[walk->thread + 1] &&
           kept->list[walk->kept_at].end_ns <= walk->span.start_ns)
        walk->kept_at++;
    return walk->kept_at < kept->first[walk->thread + 1] &&
           kept->list[walk->kept_at].start_ns < walk->span.end_ns;
}

/* Of a C function, all of the call counts. Of a Python function, what was kept is known. Where
 * nothing was, perhaps because nobody waited, the function is taken to have done as much native
 * work as elsewhere, at the end. */
static int end_span(struct walk *walk)
{
    struct gt_nonyielding_span span = walk->span;

    if (!span.tag)
        return 0;
    if (walk->kept_share > 0) {
        if (was_kept(walk))
            span.tag = 0;
        if (walk->kept_share < 0.9F)
            span.start_ns +=
                (int64_t)((1 - walk->kept_share) * (float)(span.end_ns - span.start_ns));
    }
    walk->span.tag = 0;
    return span.tag ? add(walk->added, span) : 0;
}

/* Until then, the innermost open call answers. */
static int answer_until(struct walk *walk, int64_t time_ns)
{
    const struct level *level = gt_chunks_last(&walk->stack);
    uint16_t tag = level ? level->tag.tag : 0;

    if (time_ns <= walk->done_ns)
        return 0;
    if (walk->span.tag != tag || walk->span.end_ns != walk->done_ns) {
        if (end_span(walk))
            return -1;
        walk->span = (struct gt_nonyielding_span){walk->done_ns, 0, walk->thread, tag};
        walk->kept_share = level && !level->of_c ? level->tag.kept_share : 0;
    }
    walk->span.end_ns = time_ns;
    walk->done_ns = time_ns;
    return 0;
}

static int leave_until(struct walk *walk, int64_t time_ns)
{
    const struct level *level;

    while ((level = gt_chunks_last(&walk->stack)) && level->end_ns <= time_ns) {
        if (answer_until(walk, level->end_ns))
            return -1;
        gt_chunks_truncate(&walk->stack, walk->stack.count - 1);
    }
    return 0;
}

/* C functions that are called by one that is asked about count as part of it, and all functions
 * by one of which everything counts. */
static int enter(struct walk *walk, const struct gt_call_span *span)
{
    const struct gt_function_info *called =
        gt_chunks_at(&walk->timeline->functions, span->function);
    const struct level *outer = gt_chunks_last(&walk->stack);
    struct level inner = {span->end_ns, walk->tags[span->function],
                          called->flags & GT_FUNCTION_C};
    struct level *level;

    if (outer && (outer->tag.whole || (inner.of_c && outer->of_c && outer->tag.tag)))
        inner.tag = outer->tag;
    level = gt_chunks_push(&walk->stack);
    if (!level)
        return -1;
    *level = inner;
    return 0;
}

static int walk_calls(struct walk *walk, const struct gt_calls *calls)
{
    for (size_t i = 0; i < calls->spans.count; i++) {
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);

        if (leave_until(walk, span->start_ns) || answer_until(walk, span->start_ns) ||
            enter(walk, span))
            return -1;
    }
    if (leave_until(walk, INT64_MAX))
        return -1;
    return end_span(walk);
}

static bool calls_any(const struct gt_calls *calls, const struct gt_tag *tags)
{
    for (size_t i = 0; i < calls->spans.count; i++)
        if (tags[((const struct gt_call_span *)gt_chunks_at(&calls->spans, i))->function].tag)
            return true;
    return false;
}

static int add_calls(struct gt_chunks *added, const struct gt_timeline *timeline,
                     const struct gt_nonyielding *kept, const struct gt_tag *tags)
{
    struct walk walk = {.timeline = timeline, .kept = kept, .tags = tags, .added = added};
    bool any = false;
    int rc = 0;

    for (size_t i = 0; i < timeline->functions.count; i++)
        any = any || tags[i].tag;
    gt_chunks_init(&walk.stack, sizeof(struct level));
    for (uint32_t i = 0; any && rc == 0 && i < timeline->calls.count; i++) {
        const struct gt_calls *calls = gt_calls_of(timeline, i);

        if (!calls_any(calls, tags))
            continue;
        walk.thread = i;
        walk.kept_at = kept->first[i];
        walk.done_ns = INT64_MIN;
        rc = walk_calls(&walk, calls);
    }
    gt_chunks_release(&walk.stack);
    return rc;
}

/* --- native functions --- */

/* The first of the thread's spans that ends after `time_ns`. */
static size_t first_after(const struct gt_nonyielding *spans, uint32_t thread, int64_t time_ns)
{
    size_t low = spans->first[thread], high = spans->first[thread + 1];

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (spans->list[middle].end_ns <= time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Add what of the span is outside the native ones. 0 or -1. */
static int add_outside(struct gt_chunks *added, struct gt_nonyielding_span span,
                       const struct gt_nonyielding *native)
{
    for (size_t i = first_after(native, span.thread, span.start_ns);
         i < native->first[span.thread + 1] && native->list[i].start_ns < span.end_ns; i++) {
        struct gt_nonyielding_span before = span;

        before.end_ns = native->list[i].start_ns;
        if (add(added, before))
            return -1;
        span.start_ns = native->list[i].end_ns;
    }
    return add(added, span);
}

/* Native spans take the place of what was there. */
static int put_native(struct gt_nonyielding *spans, const struct gt_chunks *list,
                      size_t threads)
{
    struct gt_nonyielding native, old = *spans;
    struct gt_chunks added;
    int rc = arrange(&native, list, threads);

    gt_chunks_init(&added, sizeof(struct gt_nonyielding_span));
    for (size_t i = 0; rc == 0 && i < old.count; i++)
        rc = add_outside(&added, old.list[i], &native);
    for (size_t i = 0; rc == 0 && i < native.count; i++)
        rc = add(&added, native.list[i]);
    if (rc == 0)
        rc = arrange(spans, &added, threads);
    gt_nonyielding_release(&native);
    if (rc == 0)
        gt_nonyielding_release(&old);
    gt_chunks_release(&added);
    return rc;
}

int gt_nonyielding_init(struct gt_nonyielding *spans, const struct gt_timeline *timeline,
                        const struct gt_blockers *blockers, const struct gt_tag *tags,
                        const struct gt_chunks *native)
{
    struct gt_nonyielding kept = {0};
    struct gt_chunks added;
    int rc;

    *spans = (struct gt_nonyielding){0};
    gt_chunks_init(&added, sizeof(struct gt_nonyielding_span));
    rc = find_kept(&kept, timeline, blockers, tags);
    if (rc == 0)
        rc = add_calls(&added, timeline, &kept, tags);
    for (size_t i = 0; rc == 0 && i < kept.count; i++)
        rc = add(&added, kept.list[i]);
    if (rc == 0)
        rc = arrange(spans, &added, timeline->threads.count);
    if (rc == 0 && native && native->count)
        rc = put_native(spans, native, timeline->threads.count);
    gt_nonyielding_release(&kept);
    gt_chunks_release(&added);
    return rc;
}

void gt_nonyielding_release(struct gt_nonyielding *spans)
{
    free(spans->list);
    free(spans->first);
}
